"""Whisper's words: placed inside speech, in the language that was spoken, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu.models import ModelPlaces, resolve
from tests.conftest import FOOTAGE, reference
from transcribe.errors import ModelUnusable
from transcribe.media import Audio, decode
from transcribe.spans import Span
from transcribe.speech import SpeechOptions, detect_digital_silence, detect_speech
from transcribe.transcript import ModelUse
from transcribe.whisper import LanguageGuess, WhisperOptions, WhisperRecogniser, place_words, settle_languages
from transcribe.windows import Window, WindowOptions, build_windows

INTERPRETER = "AXON_Body_3_2025-03-21_1018_X60A30417"  # English and Spanish alternate
MUTED_START = "AXON_Body_3_2025-03-16_0112_X60A22871"  # 30 s of digital silence first


@pytest.fixture(scope="module")
def recogniser(model_places: ModelPlaces) -> WhisperRecogniser:
    model = resolve("whisper-base", model_places)
    return WhisperRecogniser(model.path, ModelUse(model.name, model.revision, model.sha256), WhisperOptions())


@pytest.fixture(scope="module")
def interpreter() -> Audio:
    return decode(str(FOOTAGE / f"{INTERPRETER}.mp3"))


def windows_of(audio: Audio, recogniser: WhisperRecogniser) -> list[Window]:
    silent = detect_digital_silence(audio.waveform)
    speech = detect_speech(audio.waveform, SpeechOptions(), silent)
    return build_windows(speech, recogniser.languages(audio.waveform, speech), silent, WindowOptions())


def test_language_is_decided_where_it_changes(recogniser: WhisperRecogniser, interpreter: Audio) -> None:
    """Most of each utterance lies in windows of its own language, in a recording that alternates."""
    windows = windows_of(interpreter, recogniser)
    right = total = 0
    for utterance in reference(INTERPRETER)["utterances"]:
        span = Span(round(utterance["start"] * 1000), round(utterance["end"] * 1000))
        for window in windows:
            shared = span.overlap_ms(window.span)
            total += shared
            right += shared if window.language == utterance["language"] else 0

    assert {window.language for window in windows} == {"en", "es"}
    assert right / total > 0.9


def test_words_lie_in_order_inside_their_segment_and_window(recogniser: WhisperRecogniser, interpreter: Audio) -> None:
    """Spans nest and never run backwards; Spanish has its translation beside it, English has none."""
    for window in windows_of(interpreter, recogniser)[:6]:
        segments = recogniser.recognise(interpreter.waveform, window)
        assert segments
        words = [word for segment in segments for word in segment.words]
        assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)
        for segment in segments:
            assert window.span.start_ms <= segment.start_ms <= segment.end_ms <= window.span.end_ms
            assert all(segment.start_ms <= w.start_ms <= w.end_ms <= segment.end_ms for w in segment.words)
        if window.language == "en":
            assert all(segment.translation is None for segment in segments)
    spanish = [w for w in windows_of(interpreter, recogniser) if w.language == "es"]
    assert any(s.translation for w in spanish for s in recogniser.recognise(interpreter.waveform, w))


def test_hearing_twice_writes_the_same(recogniser: WhisperRecogniser, interpreter: Audio) -> None:
    """A window reads the same whatever was heard before it."""
    first, second = windows_of(interpreter, recogniser)[:2]
    alone = recogniser.recognise(interpreter.waveform, second)
    recogniser.recognise(interpreter.waveform, first)

    assert recogniser.recognise(interpreter.waveform, second) == alone


def test_digital_silence_is_found_and_holds_no_speech() -> None:
    """A pre-event buffer without sound is seen as such, although AAC leaves residue in it."""
    audio = decode(str(FOOTAGE / f"{MUTED_START}.mp4"))
    (silent,) = detect_digital_silence(audio.waveform)

    assert silent.start_ms == 0
    assert abs(silent.end_ms - 30_000) <= 60
    assert all(span.start_ms >= silent.end_ms for span in detect_speech(audio.waveform, SpeechOptions(), [silent]))


def test_silence_and_noise_are_not_the_same() -> None:
    """Quiet room noise is not digital silence."""
    noise = np.random.default_rng(3).normal(0, 0.001, 32_000).astype(np.float32)

    assert detect_digital_silence(noise) == []
    assert detect_digital_silence(np.zeros(32_000, np.float32)) == [Span(0, 2_000)]
    assert detect_speech(np.zeros(0, np.float32), SpeechOptions(), []) == []


def test_a_folder_without_a_model_is_refused_with_the_reason(tmp_path: object) -> None:
    """The error names the model and where to look."""
    with pytest.raises(ModelUnusable, match="earwitness models"):
        WhisperRecogniser(FOOTAGE, ModelUse("my-model", "", ""), WhisperOptions())


@given(
    st.lists(
        st.tuples(
            st.floats(-1, 40, allow_nan=False), st.floats(-1, 40, allow_nan=False), st.just(" word"), st.floats(0, 1)
        )
    )
)
def test_placed_words_stay_in_their_window(timed: list[tuple[float, float, str, float]]) -> None:
    """However wild the decoder's times are: inside the window, start before end, in order."""
    window = Window(Span(5_000, 35_000), "en", (Span(5_000, 12_000), Span(14_000, 35_000)))
    words = place_words(timed, window)

    assert len(words) == len(timed)
    at = window.span.start_ms
    for word in words:
        assert at <= word.start_ms <= word.end_ms <= window.span.end_ms
        at = word.start_ms


def test_a_first_word_stretched_into_the_pause_starts_with_the_speech() -> None:
    """Whisper starts the first word after a pause seconds early; the player must not."""
    window = Window(Span(0, 20_000), "en", (Span(0, 2_000), Span(9_000, 20_000)))
    _before, after = place_words([(0.1, 1.9, " Stop.", 0.9), (2.5, 9.4, " Hands", 0.9)], window)

    assert (after.start_ms, after.end_ms) == (9_000, 9_400)


def test_unsure_spans_take_the_language_of_their_clear_neighbours() -> None:
    """Short or doubtful spans follow the nearest clear one; a language nobody speaks here is ignored."""
    guesses = [
        LanguageGuess({"en": 0.95, "cy": 0.03}, 4_000),
        LanguageGuess({"cy": 0.6, "en": 0.3}, 600),
        LanguageGuess({"es": 0.9, "pt": 0.1}, 3_000),
        LanguageGuess({"pt": 0.5, "es": 0.4}, 500),
        LanguageGuess({"en": 0.9}, 5_000),
    ]

    assert settle_languages(guesses) == ["en", "en", "es", "es", "en"]
    assert settle_languages([]) == []
