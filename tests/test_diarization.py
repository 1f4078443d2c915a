"""Who speaks when: people are told apart, nobody is made up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener, SpeakerModels, use
from gpu.models import ModelPlaces
from tests.conftest import FOOTAGE, reference
from transcribe.clustering import ClusterOptions
from transcribe.diarization import DiarizationOptions, Diarizer
from transcribe.errors import ModelUnusable
from transcribe.media import decode
from transcribe.segmentation import FRAME_SAMPLES, N_FRAMES, N_LOCAL, Activity, SegmentationModel
from transcribe.spans import Span, merge, subtract
from transcribe.speech import Waveform
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Kind, Turn
from transcribe.turns import Diarization, to_turns
from transcribe.voices import VoiceModel, Voices, load_network

TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"  # three people, one of them briefly over the radio


@pytest.fixture(scope="module")
def hearing_models(model_places: ModelPlaces) -> HearingModels:
    return HearingModels.find("whisper-tiny.en", pick_device("cpu"), model_places)


@pytest.fixture(scope="module")
def models(hearing_models: HearingModels) -> SpeakerModels:
    assert isinstance(hearing_models.speakers, SpeakerModels)
    return hearing_models.speakers


@pytest.fixture(scope="module")
def listener(hearing_models: HearingModels) -> Listener:
    return Listener(hearing_models, HearingOptions(), pick_device("cpu"))


def test_people_are_told_apart(listener: Listener) -> None:
    """Most of the time each true speaker holds the floor, one label is theirs; labels count from 00.

    The officer wears the camera, and the dispatcher is on the radio.
    """
    audio = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4"))
    artifact = listener.turns(audio, StageSeconds())
    turns = artifact.turns
    shared: dict[str, dict[str, int]] = {}
    for utterance in reference(TRAFFIC_STOP)["utterances"]:
        span = Span(round(utterance["start"] * 1000), round(utterance["end"] * 1000))
        for turn in turns:
            labels = shared.setdefault(utterance["speaker"], {})
            labels[turn.speaker] = labels.get(turn.speaker, 0) + span.overlap_ms(turn.span)
    right = sum(max(labels.values()) for labels in shared.values())
    total = sum(sum(labels.values()) for labels in shared.values())

    assert right / total > 0.85
    assert len({turn.speaker for turn in turns}) == len(shared) == 3
    assert list(dict.fromkeys(turn.speaker for turn in turns)) == [
        f"SPEAKER_{n:02d}" for n in range(len({turn.speaker for turn in turns}))
    ]
    assert all(0 <= turn.start_ms < turn.end_ms <= audio.media.duration_ms for turn in turns)
    assert [turn.start_ms for turn in turns] == sorted(turn.start_ms for turn in turns)
    label_of = {who: max(labels, key=lambda label: labels[label]) for who, labels in shared.items()}
    assert {one.speaker: one.kind for one in artifact.kinds} == {
        label_of["kowalczyk"]: Kind.WEARER,
        label_of["dispatch1"]: Kind.RADIO,
        label_of["nguyen"]: None,
    }


@pytest.mark.parametrize("seconds", [0, 0.05, 3])
def test_silence_has_no_speakers(models: SpeakerModels, seconds: float) -> None:
    """No sound, too little sound, and plain silence: nobody."""
    assert load(models).diarize(np.zeros(int(16_000 * seconds), np.float32)) == Diarization()


def test_wrong_weights_are_refused_by_name(models: SpeakerModels) -> None:
    """The error names the model whose file is not one."""
    with pytest.raises(ModelUnusable, match=r"segmentation-3\.0"):
        Diarizer.load(
            (FOOTAGE / "manifest.csv", use(models.segmentation)),
            (models.speaker.weights, use(models.speaker)),
            DiarizationOptions(),
        )
    with pytest.raises(ModelUnusable, match="campplus"):
        VoiceModel(models.segmentation.weights, use(models.speaker))


def test_the_size_of_a_batch_changes_nothing(models: SpeakerModels) -> None:
    """One window at a time and many at once: the same turns, and the same again."""
    waveform = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4")).waveform
    one_by_one = Diarizer(
        SegmentationModel(models.segmentation.weights, use(models.segmentation), batch_size=1),
        VoiceModel(models.speaker.weights, use(models.speaker), batch_size=1),
        DiarizationOptions(),
    )
    diarizer = load(models)

    assert diarizer.diarize(waveform) == one_by_one.diarize(waveform) == diarizer.diarize(waveform)


def test_the_number_of_people_may_be_known(models: SpeakerModels) -> None:
    """Three people speak: asked for two, two are found."""
    waveform = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4")).waveform
    segmentation = SegmentationModel(models.segmentation.weights, use(models.segmentation))
    voicing = VoiceModel(models.speaker.weights, use(models.speaker))
    for n in (1, 2):
        options = DiarizationOptions(clusters=ClusterOptions(min_speakers=n, max_speakers=n))
        found = Diarizer(segmentation, voicing, options).diarize(waveform)
        assert len({turn.speaker for turn in found.turns}) == n


def test_a_voice_sounds_the_same_however_it_is_cut(models: SpeakerModels) -> None:
    """Heard in one piece with others, a window's voice is near what a pass of its own says of it."""
    import torch
    import torchaudio.compliance.kaldi as kaldi

    waveform = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4")).waveform
    wanted = np.zeros(len(waveform) // 160, bool)
    for utterance in reference(TRAFFIC_STOP)["utterances"]:
        wanted[round(utterance["start"] * 100) : round(utterance["end"] * 100)] = True
    voices = VoiceModel(models.speaker.weights, use(models.speaker)).voices(waveform, wanted, 150, 50)
    network = load_network(models.speaker.weights)
    network.xvector.dense.nonlinear.relu = torch.nn.Identity()
    full = np.flatnonzero(voices.n_rows == 150)[::5]
    likeness = []
    for window in full:
        first = voices.first_rows[window] * 160
        bank = kaldi.fbank(torch.from_numpy(waveform[first : first + 24_240] * 32_768)[None], num_mel_bins=80)
        with torch.inference_mode():
            alone = network((bank - bank.mean(dim=0))[None])[0].numpy()
        likeness.append(float(voices.vectors[window] @ alone / np.linalg.norm(alone)))

    assert len(full) > 5
    assert np.median(likeness) > 0.8
    assert np.allclose(np.linalg.norm(voices.vectors, axis=1), 1, atol=1e-5)


class _Rehearsed:
    """Segmentation and voices as a script says, counting what is asked: people by turns of five seconds."""

    def __init__(self, order: str) -> None:
        self.order, self.n_windows, self.n_rows = order, 0, 0

    def activity(self, waveform: Waveform, first_frames: Sequence[int]) -> Activity:
        self.n_windows += len(first_frames)
        activity = np.zeros((len(first_frames), N_FRAMES, N_LOCAL), bool)
        for window, first in enumerate(first_frames):
            people = [self.at((first + frame) * FRAME_SAMPLES) for frame in range(N_FRAMES)]
            local = {name: place for place, name in enumerate(dict.fromkeys(name for name in people if name))}
            for frame, name in enumerate(people):
                if name:
                    activity[window, frame, local[name]] = True
        return activity

    def voices(self, waveform: Waveform, wanted: NDArray[np.bool_], window_rows: int, step_rows: int) -> Voices:
        self.n_rows += int(wanted.sum())
        firsts = np.arange(0, len(wanted) - window_rows, step_rows)
        n_rows = np.array([wanted[first : first + window_rows].sum() for first in firsts])
        vectors = np.zeros((len(firsts), 26), np.float32)
        for row, first in enumerate(firsts):
            for middle in range(first, first + window_rows, 10):
                if name := self.at(middle * 160):
                    vectors[row, ord(name) - ord("A")] += 1
        kept = n_rows * 3 >= window_rows
        vectors = vectors[kept] / np.linalg.norm(vectors[kept], axis=1, keepdims=True)
        return Voices(firsts[kept], vectors, n_rows[kept])

    def at(self, sample: int) -> str:
        place = sample // 80_000
        return self.order[place].strip() if place < len(self.order) else ""

    def spans(self) -> list[Span]:
        return [Span(place * 5_000, place * 5_000 + 5_000) for place, name in enumerate(self.order) if name.strip()]

    def turns(self, options: DiarizationOptions = DiarizationOptions()) -> tuple[Turn, ...]:
        waveform = np.zeros(len(self.order) * 80_000, np.float32)
        found = Diarizer(self, self, options, (), lambda _waveform: self.spans()).diarize(waveform)
        assert found.exclusive == found.turns  # nobody speaks at once
        return found.turns


@pytest.mark.parametrize(("order", "n_people"), [("AAAA", 1), ("ABABAB", 2), ("CABCBA  C", 3), ("A", 1), ("  Z  ", 1)])
def test_everybody_gets_their_turns(order: str, n_people: int) -> None:
    """Turns are the script's, to a tenth of a second; labels count in order of first speech."""
    turns = _Rehearsed(order).turns()
    names = list(dict.fromkeys(name for name in order if name.strip()))
    expected: list[tuple[int, int, str]] = []
    for place, name in enumerate(order):
        if not name.strip():
            continue
        label = f"SPEAKER_{names.index(name):02d}"
        if expected and expected[-1][1:] == (place * 5_000, label):
            expected[-1] = (expected[-1][0], place * 5_000 + 5_000, label)
        else:
            expected.append((place * 5_000, place * 5_000 + 5_000, label))

    assert len(names) == n_people
    assert [turn.speaker for turn in turns] == [label for _, _, label in expected]
    for turn, (start_ms, end_ms, _) in zip(turns, expected, strict=True):
        assert abs(turn.start_ms - start_ms) <= 100
        assert abs(turn.end_ms - end_ms) <= 100
    assert all(0 <= turn.start_ms < turn.end_ms <= len(order) * 5_000 for turn in turns)


def test_long_silence_costs_nothing() -> None:
    """An hour of silence between two sentences: the models hear no window without speech."""
    short, long = _Rehearsed("AB" + " " * 20 + "A"), _Rehearsed("AB" + " " * 740 + "A")
    short.turns()
    long.turns()

    assert long.n_windows == short.n_windows < 20
    assert long.n_rows == short.n_rows <= 1_510
    silent = _Rehearsed(" " * 100)
    assert silent.turns() == ()
    assert silent.n_windows == silent.n_rows == 0


@pytest.mark.parametrize(("least", "most", "found"), [(1, 2, 2), (1, None, 4), (3, 3, 3), (4, 9, 4), (1, 1, 1)])
def test_bounds_of_the_number_of_people_hold(least: int, most: int | None, found: int) -> None:
    """Four people speak; as many are found as may be."""
    options = DiarizationOptions(clusters=ClusterOptions(min_speakers=least, max_speakers=most))
    turns = _Rehearsed("ABCDABCD").turns(options)

    assert len({turn.speaker for turn in turns}) == found


@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 2))), max_size=60))
def test_exclusive_turns_give_each_moment_of_speech_to_one_who_speaks(frames: list[tuple[int, set[int]]]) -> None:
    """They cover what turns cover, never overlap, and each lies within its speaker's own turns."""
    path = np.array([holder for holder, _others in frames], np.int64)
    speaking = np.array([[one in others for one in range(3)] for _holder, others in frames], bool).reshape(-1, 3)
    speaking[np.arange(len(path)), path] = speaking.any(axis=1)
    found = to_turns(speaking, path, 10_000)

    assert merge(turn.span for turn in found.exclusive) == merge(turn.span for turn in found.turns)
    assert all(left.end_ms <= right.start_ms for left, right in pairwise(found.exclusive))
    for speaker in {turn.speaker for turn in found.exclusive}:
        own, held = ([t.span for t in some if t.speaker == speaker] for some in (found.turns, found.exclusive))
        assert subtract(held, own) == []
    assert list(dict.fromkeys(turn.speaker for turn in found.turns)) == sorted({turn.speaker for turn in found.turns})


def load(models: SpeakerModels) -> Diarizer:
    return Diarizer.load(
        (models.segmentation.weights, use(models.segmentation)),
        (models.speaker.weights, use(models.speaker)),
        DiarizationOptions(),
    )
