"""Hearing words with the real model: placed inside speech, in the language spoken, the same in any company."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.long_alone import status_bytes
from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces
from tests.conftest import FOOTAGE, reference
from transcribe.confidence import calibration_of
from transcribe.decoding import (
    Decode,
    Decoded,
    Encode,
    Encoded,
    Features,
    Phrase,
    TimedWord,
    WhisperRequest,
    padded_frames,
)
from transcribe.errors import ModelUnusable
from transcribe.gate import Finding
from transcribe.hearing import Hearing, WordsHearing
from transcribe.media import Audio, decode
from transcribe.options import WordsOptions
from transcribe.segments import HeardWindow, segments_of
from transcribe.spans import Span, merge
from transcribe.speech import SpeechOptions, Waveform, detect_digital_silence, detect_speech, let_go
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse, State, WordsArtifact
from transcribe.vocabulary import NOTHING, Vocabulary
from transcribe.whisper import Whisper
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


def test_confidence_is_calibrated_and_provenance_says_so(alone: list[WordsArtifact]) -> None:
    """Of the default model; its entry names the calibration that made the numbers."""
    for artifact in alone:
        (recogniser,) = [use for use in artifact.models if use.name == "whisper-base"]
        calibration = calibration_of(recogniser.sha256)
        assert calibration is not None
        assert recogniser.options["confidence"] == calibration.name
        assert all(0 <= word.confidence <= 1 for segment in artifact.segments for word in segment.words)


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


@given(st.lists(st.tuples(st.integers(0, 3_000), st.booleans()), max_size=8))
def test_every_silence_of_a_second_is_found_to_the_frame(parts: list[tuple[int, bool]]) -> None:
    """Sound and silence strung together in any order; short ones are none, neighbours are one."""
    made = [np.full(ms * 16, 0.5 if loud else 0.0, np.float32) for ms, loud in parts]
    waveform = np.concatenate([np.zeros(0, np.float32), *made])
    frames = [not waveform[at : at + 320].any() for at in range(0, len(waveform) // 320 * 320, 320)]
    expected = merge(Span(20 * n, 20 * n + 20) for n, silent in enumerate(frames) if silent)
    if expected and expected[-1].end_ms == 20 * len(frames):
        expected[-1] = Span(expected[-1].start_ms, len(waveform) // 16)

    assert detect_digital_silence(waveform) == [span for span in expected if span.duration_ms >= 1_000]


def test_how_long_nothing_was_recorded_does_not_change_what_is_heard_after(recordings: list[Audio]) -> None:
    """Speech after one minute of digital silence and after three is found at the same places."""
    before, after = recordings[0].waveform[: 20_000 * 16], recordings[2].waveform[: 40_000 * 16]
    found = []
    for minutes in (1, 3):
        silence = np.zeros(minutes * 60_000 * 16, np.float32)
        waveform = np.concatenate([before, silence, after])
        speech = detect_speech(waveform, SpeechOptions(), detect_digital_silence(waveform))
        start_ms = (len(before) + len(silence)) // 16
        early = [span for span in speech if span.start_ms < start_ms]
        late = [Span(s.start_ms - start_ms, s.end_ms - start_ms) for s in speech if s.start_ms >= start_ms]
        found.append((early, late))

    assert found[0] == found[1]
    assert found[0][0]
    assert found[0][1]


def test_long_digital_silence_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four hours with a word in them cost the detector little more than the word."""
    heard: list[int] = []
    monkeypatch.setattr("faster_whisper.vad.get_speech_timestamps", lambda block, _vad: heard.append(len(block)) or [])
    hours, second = 4, 16_000
    waveform = np.zeros(hours * 3_600 * second, np.float32)
    waveform[3_600 * second : 3_601 * second] = 0.1

    assert detect_speech(waveform, SpeechOptions(), detect_digital_silence(waveform)) == []
    assert sum(heard) <= 4 * second


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status tells what counts as a process's memory")
def test_what_was_read_of_a_mapped_waveform_is_let_go(tmp_path: Path) -> None:
    """It no longer counts as this process's memory, and reads the same afterwards."""
    samples = np.random.default_rng(5).random(16 << 20, np.float32)
    samples.tofile(tmp_path / "waveform")
    mapped = np.memmap(tmp_path / "waveform", np.float32, "r")
    total = float(mapped.sum(dtype=np.float64))

    def mapped_kb() -> int:
        return status_bytes(Path("/proc/self/status").read_text())["RssFile"] // 1024

    before = mapped_kb()
    let_go(mapped)
    assert before - mapped_kb() > 60 << 10
    assert float(mapped.sum(dtype=np.float64)) == total
    let_go(samples)  # nothing to let go, and nothing lost
    assert float(samples.sum(dtype=np.float64)) == total


def test_a_folder_without_a_model_is_refused_with_the_reason() -> None:
    """The error names the model and where to look."""
    with pytest.raises(ModelUnusable, match="earwitness models"):
        Whisper(FOOTAGE, ModelUse("my-model", "", ""))


# What a vocabulary changes, with a recogniser that answers what it is told to


class Parrot:
    """Hears one sentence in every window: `says`, or `primed` where it was given a prompt; keeps what it was asked."""

    use = ModelUse("parrot", "1", "00" * 32)
    is_multilingual = False

    def __init__(self, says: str, primed: str, primed_logprob: float = -0.3) -> None:
        self._says, self._primed, self._primed_logprob = says, primed, primed_logprob
        self.asked: list[WhisperRequest] = []

    def features(self, samples: Waveform, n_frames: int) -> Features:
        return np.zeros((1, n_frames), np.float32)

    def tokens(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def run(self, hearing: Hearing) -> WordsArtifact:
        answers: list[Encoded | Decoded] | None = None
        try:
            while True:
                requests: Sequence[WhisperRequest] = hearing.send(answers)  # type: ignore[arg-type]  # None starts it
                self.asked += requests
                answers = [self._answer(one) for one in requests]
        except StopIteration as done:
            artifact: WordsArtifact = done.value
            return artifact

    def _answer(self, request: WhisperRequest) -> Encoded | Decoded:
        if isinstance(request, Encode):
            return Encoded(np.zeros((request.features.shape[1] // 2, 1), np.float32), {}, ())
        text = (self._primed if request.prompt else self._says).split()
        words = tuple(TimedWord(0.2 * n, 0.2 * n + 0.2, f" {word}", 0.9) for n, word in enumerate(text))
        phrases = (Phrase(0.0, 0.2 * len(words), " ".join(text), words),) if words else ()
        return Decoded(phrases, self._primed_logprob if request.prompt else -0.3, 0.0, False)


NAMES = Vocabulary.of(["Kowalczyk", "Dispatch"])


def hear(parrot: Parrot, audio: Audio, vocabulary: Vocabulary, names: Sequence[str] = ()) -> WordsArtifact:
    hearing = WordsHearing(parrot, None, ModelUse("silero-vad", "", ""), WordsOptions())
    return parrot.run(hearing.hear(audio, StageSeconds(), vocabulary, names))


def flagged(artifact: WordsArtifact) -> set[tuple[str, tuple[str, ...]]]:
    return {(word.text, word.flags) for segment in artifact.segments for word in segment.words}


def test_a_vocabulary_adds_one_decode_of_each_window_and_nothing_else(recordings: list[Audio]) -> None:
    """Without one nothing is asked differently; with one the same is asked, and primed decodes besides."""
    without, with_one = Parrot("is Colville here", ""), Parrot("is Colville here", "is Kowalczyk here")
    plain = hear(without, recordings[1], NOTHING)
    hear(with_one, recordings[1], NAMES)
    primed = [one for one in with_one.asked if isinstance(one, Decode) and one.prompt]

    assert all(not one.prompt for one in without.asked if isinstance(one, Decode))
    assert [one.bucket for one in with_one.asked if one not in primed] == [one.bucket for one in without.asked]
    assert len(primed) == len({id(one.encoded) for one in primed}) == len(plain.segments)
    assert plain.models[1] == Parrot.use


@pytest.mark.parametrize(
    ("says", "primed", "heard"),
    [
        ("is Colville here", "is Kowalczyk here", {("is", ()), ("Kowalczyk", ("primed",)), ("here", ())}),
        ("is Kowalczyk here", "is Kowalczyk there", {("is", ()), ("Kowalczyk", ()), ("here", ())}),
        ("", "Kowalczyk Kowalczyk", set()),
    ],
)
def test_a_word_is_primed_unless_it_was_heard_anyway(
    recordings: list[Audio], says: str, primed: str, heard: set[tuple[str, tuple[str, ...]]]
) -> None:
    """What only the vocabulary brought is flagged, in windows decoded again like in any; silence stays silent."""
    assert flagged(hear(Parrot(says, primed), recordings[1], NAMES)) == heard


def test_a_more_suspicious_decode_brings_no_name(recordings: list[Audio]) -> None:
    """The gate has its say about the primed decode as well."""
    unlikely = Parrot("is Colville here", "is Kowalczyk here", primed_logprob=-1.4)

    assert flagged(hear(unlikely, recordings[1], NAMES)) == {("is", ()), ("Colville", ()), ("here", ())}


def test_provenance_says_what_the_decoder_was_told(recordings: list[Audio]) -> None:
    """Of the recogniser: the vocabulary's hash and size, and this recording's names."""
    heard = hear(Parrot("is Colville here", "is Kowalczyk here"), recordings[1], NAMES, ["Renee Okafor"])

    assert heard.models[1].options["vocabulary"] == {
        "sha256": NAMES.sha256,
        "n_entries": 2,
        "names": ["Renee Okafor"],
        "n_left_out": 0,
    }
    assert WordsArtifact.from_json(heard.to_json()) == heard


def test_only_another_vocabulary_has_recordings_heard_again(model_places: ModelPlaces) -> None:
    """Its entries count, and whether names are expected; an empty one is as none. Voices are not concerned."""
    models = HearingModels.find(None, pick_device("cpu"), model_places)
    prints = [
        models.fingerprints(options)
        for options in (
            HearingOptions(),
            HearingOptions(vocabulary=NAMES),
            HearingOptions(vocabulary=NAMES + Vocabulary.of(["Okafor"])),
            HearingOptions(vocabulary=NAMES, names=True),
            HearingOptions(names=True),
        )
    ]

    assert len({one["words"] for one in prints}) == len(prints)
    assert len({one["turns"] for one in prints}) == 1
    assert models.fingerprints(HearingOptions(vocabulary=Vocabulary.of([]))) == prints[0]


def test_names_are_told_only_where_that_is_wanted(
    listener: Listener, recordings: list[Audio], alone: list[WordsArtifact]
) -> None:
    """A listener that was not asked to expect names hears as if there were none."""
    assert listener.words(recordings[1], StageSeconds(), ["Renee Okafor"]) == alone[1]
