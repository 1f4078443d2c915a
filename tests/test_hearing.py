"""Hearing words with the real model: placed inside speech, in the language spoken, the same in any company."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces
from tests.conftest import FOOTAGE, reference
from transcribe.errors import ModelUnusable
from transcribe.gate import Finding
from transcribe.hearing import HeardWindow, StageSeconds, segments_of
from transcribe.media import Audio, decode
from transcribe.spans import Span
from transcribe.speech import SpeechOptions, detect_digital_silence, detect_speech
from transcribe.transcript import ModelUse, State, WordsArtifact
from transcribe.whisper import Decoded, Phrase, TimedWord, Whisper, padded_frames
from transcribe.windows import Window

INTERPRETER = "AXON_Body_3_2025-03-21_1018_X60A30417"  # English and Spanish alternate
MUTED_START = "AXON_Body_3_2025-03-16_0112_X60A22871"  # 30 s of digital silence first
SPANISH = "AXON_Body_3_2025-03-22_0847_X60A41099"


@pytest.fixture(scope="module")
def listener(model_places: ModelPlaces) -> Iterator[Listener]:
    device = pick_device("cpu")
    made = Listener(HearingModels.find(None, device, model_places), HearingOptions(), device)
    yield made
    made.close()


@pytest.fixture(scope="module")
def recordings() -> list[Audio]:
    names = (f"{INTERPRETER}.mp3", f"{MUTED_START}.mp4", f"{SPANISH}.mp4")
    return [decode(str(FOOTAGE / name)) for name in names]


@pytest.fixture(scope="module")
def alone(listener: Listener, recordings: list[Audio]) -> list[WordsArtifact]:
    """Each recording heard with nothing else in flight."""
    return [listener.words(audio, StageSeconds()) for audio in recordings]


def test_a_recording_reads_the_same_alone_and_in_any_company(
    listener: Listener, recordings: list[Audio], alone: list[WordsArtifact]
) -> None:
    """Three at once, in another order: every word, time and probability is the same."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda audio: listener.words(audio, StageSeconds()), reversed(recordings)))

    assert list(reversed(together)) == alone


def test_language_is_decided_where_it_changes(alone: list[WordsArtifact]) -> None:
    """Most of each utterance lies in segments of its own language, in a recording that alternates."""
    right = total = 0
    for utterance in reference(INTERPRETER)["utterances"]:
        span = Span(round(utterance["start"] * 1000), round(utterance["end"] * 1000))
        for segment in alone[0].segments:
            shared = span.overlap_ms(segment.span)
            total += shared
            right += shared if segment.language == utterance["language"] else 0

    assert {segment.language for segment in alone[0].segments} == {"en", "es"}
    assert right / total > 0.9


def test_words_lie_in_order_inside_their_segment(alone: list[WordsArtifact]) -> None:
    """Spans nest and never run backwards; Spanish has its translation beside it, English has none."""
    for artifact in alone:
        for segment in artifact.segments:
            assert segment.words
            starts = [word.start_ms for word in segment.words]
            assert starts == sorted(starts)
            assert all(segment.start_ms <= w.start_ms <= w.end_ms <= segment.end_ms for w in segment.words)
            assert segment.language != "en" or segment.translation is None
        silent = [one.span for one in artifact.coverage if one.state is State.DIGITAL_SILENCE]
        assert not any(w.span.overlap_ms(quiet) for s in artifact.segments for w in s.words for quiet in silent)
    spanish = [segment for segment in alone[2].segments if segment.language == "es"]
    assert sum(segment.translation is not None for segment in spanish) > len(spanish) / 2


def test_what_stays_suspicious_is_kept_and_marked() -> None:
    """Doubtful words are flagged; words in which the model believes as little as in a voice are not written down."""
    window = Window(Span(0, 3_000), "en", (Span(0, 3_000),))
    decoded = Decoded((Phrase(0.0, 1.0, "Hands up.", (TimedWord(0.1, 0.9, " Hands up.", 0.3),)),), -1.4, 0.9, False)

    unlikely = frozenset({Finding.UNLIKELY})
    (believed,) = segments_of(HeardWindow(window, decoded, frozenset(), (frozenset(),)), ())
    (doubtful,) = segments_of(HeardWindow(window, decoded, unlikely, (unlikely,)), ())
    nobody = segments_of(HeardWindow(window, decoded, unlikely | {Finding.NOBODY}, (unlikely,)), ())

    assert (believed.flags, doubtful.flags, nobody) == ((), ("doubtful",), [])


def test_padded_lengths_are_few_and_never_longer_than_the_encoder_takes() -> None:
    """Multiples of two and a half seconds that hold the window and its padding."""
    lengths = {padded_frames(duration_ms, 2_000) for duration_ms in range(0, 30_001, 10)}

    assert lengths == set(range(250, 3_001, 250))
    assert all(padded_frames(ms, 2_000) >= (ms + 2_000) // 10 for ms in range(0, 28_001, 10))


def test_digital_silence_is_found_and_holds_no_speech(recordings: list[Audio]) -> None:
    """A pre-event buffer without sound is seen as such, although AAC leaves residue in it."""
    waveform = recordings[1].waveform
    (silent,) = detect_digital_silence(waveform)

    assert silent.start_ms == 0
    assert abs(silent.end_ms - 30_000) <= 60
    assert all(span.start_ms >= silent.end_ms for span in detect_speech(waveform, SpeechOptions(), [silent]))


def test_silence_and_noise_are_not_the_same() -> None:
    """Quiet room noise is not digital silence."""
    noise = np.random.default_rng(3).normal(0, 0.001, 32_000).astype(np.float32)

    assert detect_digital_silence(noise) == []
    assert detect_digital_silence(np.zeros(32_000, np.float32)) == [Span(0, 2_000)]
    assert detect_speech(np.zeros(0, np.float32), SpeechOptions(), []) == []


def test_a_folder_without_a_model_is_refused_with_the_reason() -> None:
    """The error names the model and where to look."""
    with pytest.raises(ModelUnusable, match="earwitness models"):
        Whisper(FOOTAGE, ModelUse("my-model", "", ""))
