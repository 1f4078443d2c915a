"""Who speaks when: people are told apart, nobody is made up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu.batching import Batcher
from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener, SpeakerModels, use
from gpu.models import ModelPlaces
from tests.conftest import FOOTAGE, reference
from transcribe.clustering import ClusterOptions
from transcribe.diarization import (
    PIECES_AT_ONCE,
    WINDOWS_AT_ONCE,
    DiarizationOptions,
    Diarizer,
    SpeakerRequest,
    SpeakerResult,
    VoicePiece,
)
from transcribe.errors import ModelUnusable
from transcribe.media import Audio, decode
from transcribe.segmentation import FRAME_SAMPLES, N_FRAMES, N_LOCAL, Activity, SegmentationModel
from transcribe.spans import Span, merge, subtract
from transcribe.speech import Waveform
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Kind, Turn
from transcribe.turns import Diarization, to_turns
from transcribe.voices import (
    MAX_PIECE_ROWS,
    MOMENT_ROWS,
    Banks,
    Pooling,
    Traits,
    VoiceModel,
    cut_pieces,
    load_network,
)

TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"  # three people, one of them briefly over the radio


@pytest.fixture(scope="module")
def hearing_models(model_places: ModelPlaces) -> HearingModels:
    return HearingModels.find("whisper-tiny.en", pick_device("cpu"), model_places)


@pytest.fixture(scope="module")
def models(hearing_models: HearingModels) -> SpeakerModels:
    assert isinstance(hearing_models.speakers, SpeakerModels)
    return hearing_models.speakers


@pytest.fixture(scope="module")
def listener(hearing_models: HearingModels) -> Iterator[Listener]:
    with closing(Listener(hearing_models, HearingOptions(), pick_device("cpu"))) as made:
        yield made


@pytest.fixture(scope="module")
def diarizer(models: SpeakerModels) -> Diarizer:
    return load(models)


@pytest.fixture(scope="module")
def recordings() -> list[Audio]:
    return [decode(str(path)) for path in sorted(FOOTAGE.iterdir()) if path.suffix in (".mp4", ".mp3")]


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
def test_silence_has_no_speakers(diarizer: Diarizer, seconds: float) -> None:
    """No sound, too little sound, and plain silence: nobody."""
    assert diarizer.diarize(np.zeros(int(16_000 * seconds), np.float32)) == Diarization()


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


def test_a_recording_is_heard_the_same_alone_and_in_any_company(diarizer: Diarizer, recordings: list[Audio]) -> None:
    """Five at once, in batches of one, a few and many, in either order: the same turns as each alone.

    Half a minute of each; in one of them nobody speaks. Pieces of several recordings do share batches.
    """
    parts = [audio.waveform[20 * 16_000 : 50 * 16_000] for audio in recordings]
    alone = [diarizer.diarize(part) for part in parts]
    batches: list[Sequence[SpeakerRequest]] = []

    def answer(requests: Sequence[SpeakerRequest]) -> Sequence[SpeakerResult]:
        batches.append(requests)
        return diarizer.answer(requests)

    def together(some: Sequence[Waveform], most: int) -> list[Diarization]:
        with closing(Batcher(answer, lambda _request: most)) as batcher:
            return [future.result(120) for future in [batcher.submit(diarizer.hear(one)) for one in some]]

    assert sum(bool(found.turns) for found in alone) == 4
    assert together(parts, 1) == alone
    assert together(parts[::-1], 3) == alone[::-1]
    assert together(parts, 64) == alone
    assert max(len(batch) for batch in batches if isinstance(batch[0], VoicePiece)) > PIECES_AT_ONCE


def test_what_the_networks_say_does_not_depend_on_the_batch(models: SpeakerModels, recordings: list[Audio]) -> None:
    """To the last bit, on a CPU: else a frame or a voice on the brink would fall otherwise in other company."""
    waveform = recordings[0].waveform
    segmentation = SegmentationModel(models.segmentation.weights, use(models.segmentation))
    windows = [waveform[start : start + 160_000] for start in (160_000, 240_000, 320_000)]
    voicing = VoiceModel(models.speaker.weights, use(models.speaker))

    np.testing.assert_array_equal(
        np.concatenate([segmentation.scores([one]) for one in windows]), segmentation.scores(windows)
    )
    for n_rows in (300, MAX_PIECE_ROWS):
        pieces = [voicing.banks(waveform, np.arange(first, first + n_rows)) for first in (1_000, 1_250, 1_500)]
        np.testing.assert_array_equal([voicing.traits([one])[0] for one in pieces], voicing.traits(pieces))


def test_the_listener_hears_turns_of_several_recordings_at_once(listener: Listener, recordings: list[Audio]) -> None:
    """The same artifacts as one after the other; the seconds they claim are no more than were spent."""
    two = recordings[:2]
    alone = [listener.turns(audio, StageSeconds()) for audio in two]
    spent = [StageSeconds() for _ in two]
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        heard = list(threads.map(listener.turns, two, spent))
    seconds = time.perf_counter() - started

    assert heard == alone
    assert all(one.seconds["diarize"] > 0 for one in spent)
    assert sum(one.seconds["diarize"] for one in spent) < 2 * seconds  # two threads: the models, and all else


def test_a_closed_listener_leaves_no_thread(hearing_models: HearingModels, recordings: list[Audio]) -> None:
    """Neither of the batches of words nor of those of turns."""
    before = set(threading.enumerate())
    listener = Listener(hearing_models, HearingOptions(), pick_device("cpu"))
    listener.load()
    listener.turns(recordings[-1], StageSeconds())
    begun = {thread.name for thread in set(threading.enumerate()) - before}
    listener.close()

    assert len(begun) >= 2
    assert set(threading.enumerate()) - before == set()


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
    model = VoiceModel(models.speaker.weights, use(models.speaker))
    pooling = Pooling(len(wanted), 50, model.n_traits)
    for piece in cut_pieces(np.flatnonzero(wanted)):
        pooling.add(piece, model.traits([model.banks(waveform, piece.rows)])[0])
    voices = pooling.voices(150, model.vectors)
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


@given(st.integers(0, 5 * MAX_PIECE_ROWS))
def test_every_row_is_taken_from_one_piece(n_rows: int) -> None:
    """All rows (but an odd one at the end) in order, each once; pieces are of one length, or there is one."""
    pieces = cut_pieces(np.arange(7, 7 + n_rows))
    taken = [row for piece in pieces for row in piece.rows[piece.first : piece.last].tolist()]

    assert taken == list(range(7, 7 + n_rows // MOMENT_ROWS * MOMENT_ROWS))
    assert len(pieces) == -(-len(taken) // MAX_PIECE_ROWS)
    assert len(pieces) < 2 or {len(piece.rows) for piece in pieces} == {MAX_PIECE_ROWS}
    assert all(np.array_equal(piece.rows, np.arange(piece.rows[0], piece.rows[-1] + 1)) for piece in pieces)
    assert all(0 <= piece.first < piece.last <= len(piece.rows) for piece in pieces)
    assert all(piece.first % MOMENT_ROWS == piece.last % MOMENT_ROWS == 0 for piece in pieces)


class _Rehearsed:
    """Segmentation and voices as a script says, counting what is asked: people by turns of five seconds.

    Who speaks is the level of the waveform. Nobody understands `!`.
    """

    n_traits = 64

    def __init__(self, order: str) -> None:
        self.order, self.n_windows, self.n_rows = order, 0, 0
        self.waveform = np.zeros(len(order) * 80_000, np.float32)
        for place, name in enumerate(order):
            if name.strip():
                self.waveform[place * 80_000 : (place + 1) * 80_000] = ord(name) - ord(" ")
        self.diarizer = self.with_options(DiarizationOptions())

    def activity(self, windows: Sequence[Waveform]) -> Activity:
        self.n_windows += len(windows)
        activity = np.zeros((len(windows), N_FRAMES, N_LOCAL), bool)
        for window, samples in zip(activity, windows, strict=True):
            people = samples[::FRAME_SAMPLES][:N_FRAMES]
            if ord("!") - ord(" ") in people:
                raise ValueError("gibberish")
            for local, person in enumerate(dict.fromkeys(people[people > 0])):
                window[: len(people), local] = people == person
        return activity

    def banks(self, waveform: Waveform, rows: NDArray[np.int64]) -> Banks:
        self.n_rows += len(rows)
        return np.eye(self.n_traits, dtype=np.float32)[waveform[rows * 160].astype(int)]

    def traits(self, pieces: Sequence[Banks]) -> Sequence[Traits]:
        return [piece[::MOMENT_ROWS] for piece in pieces]

    def vectors(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = pooled[:, : self.n_traits]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def spans(self) -> list[Span]:
        return [Span(place * 5_000, place * 5_000 + 5_000) for place, name in enumerate(self.order) if name.strip()]

    def with_options(self, options: DiarizationOptions) -> Diarizer:
        return Diarizer(self, self, options, (), lambda _waveform: self.spans())

    def turns(self, options: DiarizationOptions = DiarizationOptions()) -> tuple[Turn, ...]:
        found = self.with_options(options).diarize(self.waveform)
        assert found.exclusive == found.turns  # nobody speaks at once
        return found.turns


def test_a_long_recording_asks_for_a_little_at_a_time() -> None:
    """Twenty minutes of talk: as much at once as of any recording, all in one bucket, and all pieces as long."""
    told = _Rehearsed("ABAC" * 60)
    hearing = told.diarizer.hear(told.waveform)
    requests = next(hearing)
    most = {False: 0, True: 0}
    buckets = set()
    for _ in range(1_000):
        buckets.add(requests[0].bucket)
        assert {request.bucket for request in requests} == {requests[0].bucket}
        of_voices = isinstance(requests[0], VoicePiece)
        most[of_voices] = max(most[of_voices], len(requests))
        try:
            requests = hearing.send(told.diarizer.answer(requests))
        except StopIteration as done:
            found = done.value
            break

    assert most == {False: WINDOWS_AT_ONCE, True: PIECES_AT_ONCE}
    assert len(buckets) == 2
    assert len({turn.speaker for turn in found.turns}) == 3


@pytest.mark.parametrize("most", [1, 4, 50])
def test_a_recording_that_breaks_a_model_fails_alone(most: int) -> None:
    """The others in its batches get their turns."""
    good, bad = _Rehearsed("ABAB"), _Rehearsed("AB!B")
    expected = good.diarizer.diarize(good.waveform)
    with closing(Batcher(good.diarizer.answer, lambda _request: most)) as batcher:
        futures = [
            batcher.submit(one.diarizer.hear(one.waveform)) for one in (good, bad, good, _Rehearsed("  "), bad, good)
        ]
        for place in (0, 2, 5):
            assert futures[place].result(20) == expected
        assert futures[3].result(20) == Diarization()
        for place in (1, 4):
            with pytest.raises(ValueError, match="gibberish"):
                futures[place].result(20)


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
    assert long.n_rows == short.n_rows <= 2_000
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
