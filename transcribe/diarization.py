"""Who speaks when.

Segmentation hears where somebody speaks, when two do, and where the speaker changes; windows of a second and a half
in which one person speaks alone become voices; voices are clustered into people; turns are put together from both.
Every second of speech goes through either network as seldom as it can: four windows of segmentation cover a moment,
and the voice network hears it once.

Written as if the recording were alone: `Diarizer.hear` yields what it asks of the two networks and is sent the
answers, so that whoever runs it (`gpu.batching`) can answer many recordings together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from transcribe.clustering import ClusterOptions, Vectors, cluster
from transcribe.segmentation import FRAME_SAMPLES, N_FRAMES, N_LOCAL, WINDOW_SAMPLES, Activity, SegmentationModel
from transcribe.spans import Span
from transcribe.speaker_voices import speaker_voices
from transcribe.speech import SAMPLES_PER_MS, SpeechOptions, Waveform, detect_digital_silence, detect_speech, let_go
from transcribe.transcript import ModelUse
from transcribe.turns import Diarization, Floor, frame_samples, hold_together, holder_path, to_turns, with_overlap
from transcribe.voices import (
    ROW_SAMPLES,
    Banks,
    Pooling,
    Traits,
    VoiceModel,
    Voices,
    cut_pieces,
    n_rows_heard,
)

# Of one recording at a time, so that memory does not grow with it: what the networks make of a window on the way
# takes some 30 MB on a CPU, of a piece 60.
WINDOWS_AT_ONCE = 16
PIECES_AT_ONCE = 4

MAX_CHANGES = 0.5  # that half of the windows hear


@dataclass(frozen=True, slots=True)
class DiarizationOptions:
    """How turns are found.

    window_step: frames of 17 ms from one segmentation window of 10 s to the next: 148 are 2.5 s.
    voice_ms, voice_step_ms: the windows that become voices.
    clusters: what counts as one person, and how many there may be.
    change_cost: seconds of full likeness that a change of speaker within speech must gain.
    """

    window_step: int = 148
    voice_ms: int = 1_500
    voice_step_ms: int = 500
    clusters: ClusterOptions = ClusterOptions()
    change_cost: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SegmentWindow:
    """Who speaks in these ten seconds, or less where the recording ends?"""

    samples: Waveform

    @property
    def bucket(self) -> Hashable:
        return "segment"


@dataclass(frozen=True, slots=True, eq=False)
class VoicePiece:
    """What does this stretch of speech sound like?"""

    banks: Banks

    @property
    def bucket(self) -> Hashable:
        return ("voice", len(self.banks))


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerResult:
    """The answer: of a window (frames, people) who speaks, of a piece its `Traits`.

    seconds: this request's share of its batch's time.
    """

    found: NDArray[Any]
    seconds: float = 0.0


SpeakerRequest = SegmentWindow | VoicePiece
SpeakerHearing = Generator[Sequence[SpeakerRequest], Sequence[SpeakerResult], Diarization]


class Segments(Protocol):
    """Hears who speaks within windows of ten seconds; `SegmentationModel` does."""

    def activity(self, windows: Sequence[Waveform]) -> Activity: ...


class Voicing(Protocol):
    """Hears what stretches of speech sound like; `VoiceModel` does."""

    n_traits: int

    def banks(self, waveform: Waveform, rows: NDArray[np.int64]) -> Banks: ...

    def traits(self, pieces: Sequence[Banks]) -> Sequence[Traits]: ...

    def vectors(self, pooled: NDArray[np.float32]) -> Vectors: ...


class Diarizer:
    """Tells the people of a recording apart. What a recording says does not depend on others."""

    def __init__(
        self,
        segmentation: Segments,
        voicing: Voicing,
        options: DiarizationOptions,
        uses: tuple[ModelUse, ...] = (),
        find_speech: Callable[[Waveform], list[Span]] | None = None,
    ) -> None:
        """
        Args:
            uses: the models, as provenance names them.
            find_speech: where it is worth listening; None takes voice activity.
        """
        self._segmentation, self._voicing, self._options = segmentation, voicing, options
        self._find_speech = find_speech or _speech
        self.uses = uses

    @staticmethod
    def load(
        segmentation: tuple[Path, ModelUse],
        voices: tuple[Path, ModelUse],
        options: DiarizationOptions,
        device: str = "cpu",
        threads: int | None = None,
    ) -> Diarizer:
        """Load both models.

        Args:
            segmentation: weights file of pyannote/segmentation-3.0, and how provenance names it.
            voices: weights file of 3D-Speaker CAM++ (`campplus_cn_en_common.pt`), likewise.
            threads: CPU threads, set for all of torch in this process; None leaves torch's own choice.

        Raises:
            ModelUnusable: a weights file cannot be loaded.
        """
        if threads:
            import torch

            torch.set_num_threads(threads)
        first, second = segmentation[1], voices[1]
        return Diarizer(
            SegmentationModel(segmentation[0], first, device),
            VoiceModel(voices[0], second, device),
            options,
            (
                ModelUse(first.name, first.revision, first.sha256, asdict(options)),
                ModelUse(second.name, second.revision, second.sha256, {}),
            ),
        )

    def hear(self, waveform: Waveform) -> SpeakerHearing:
        """Who speaks when; empty where nobody does.

        Labels are SPEAKER_00, SPEAKER_01, … in order of first speech. All requests of one step are of one bucket.
        """
        first_frames = _window_starts(self._find_speech(waveform), len(waveform), self._options.window_step)
        if not first_frames:
            return Diarization()
        activity = yield from _activity(waveform, first_frames)
        floor = hold_together(activity, first_frames, max(0, len(waveform) // FRAME_SAMPLES))
        if not floor.n_speaking.any():
            return Diarization()
        voices = yield from self._voices(waveform, _alone(floor, len(waveform)))
        return self._tell_apart(voices, floor, activity, first_frames, len(waveform))

    def answer(self, requests: Sequence[SpeakerRequest]) -> Sequence[SpeakerResult]:
        """Answers to requests of one bucket, in order."""
        started = time.perf_counter()
        windows = [one.samples for one in requests if isinstance(one, SegmentWindow)]
        pieces = [one.banks for one in requests if isinstance(one, VoicePiece)]
        found = self._segmentation.activity(windows) if windows else self._voicing.traits(pieces)
        seconds = (time.perf_counter() - started) / len(requests)
        return [SpeakerResult(one, seconds) for one in found]

    def diarize(self, waveform: Waveform) -> Diarization:
        """What `hear` says of a recording heard alone."""
        hearing = self.hear(waveform)
        try:
            requests = next(hearing)
            while True:
                requests = hearing.send(self.answer(requests))
        except StopIteration as done:
            found: Diarization = done.value
            return found

    def _voices(
        self, waveform: Waveform, wanted: NDArray[np.bool_]
    ) -> Generator[Sequence[SpeakerRequest], Sequence[SpeakerResult], Voices]:
        """The voices of windows, as far as they are wanted.

        Args:
            wanted: for every row of 10 ms, whether it is to be heard: one person speaking, alone.
        """
        n_rows = min(n_rows_heard(len(waveform)), len(wanted))
        pooling = Pooling(n_rows, _rows(self._options.voice_step_ms), self._voicing.n_traits)
        pieces = cut_pieces(np.flatnonzero(wanted[:n_rows]))
        for first in range(0, len(pieces), PIECES_AT_ONCE):
            some = pieces[first : first + PIECES_AT_ONCE]
            answers = yield [VoicePiece(self._voicing.banks(waveform, piece.rows)) for piece in some]
            for piece, answer in zip(some, answers, strict=True):
                pooling.add(piece, answer.found)
            let_go(waveform)
        return pooling.voices(_rows(self._options.voice_ms), self._voicing.vectors)

    def _tell_apart(
        self, voices: Voices, floor: Floor, activity: Activity, first_frames: Sequence[int], n_samples: int
    ) -> Diarization:
        """Voices to people, and people to turns."""
        options = self._options
        if len(voices.vectors) == 0:  # too little speech to know a voice by: nothing says that it is two
            path = np.zeros(len(floor.n_speaking), np.int64)
            speaking = (floor.n_speaking > 0)[:, None]
            of_people = {}
        else:
            window_rows = _rows(options.voice_ms)
            sure = _sure(voices, window_rows, floor)
            people = cluster(voices.vectors[sure], options.clusters)
            middles = (voices.first_rows + window_rows / 2) * ROW_SAMPLES
            path = holder_path(_likeness(voices.vectors, middles, people, floor), floor, options.change_cost)
            speaking = with_overlap(path, len(people), floor, activity, first_frames)
            of_people = speaker_voices(voices, sure, window_rows, path, floor)
        return to_turns(speaking, path, n_samples // SAMPLES_PER_MS, of_people)


def _activity(
    waveform: Waveform, first_frames: Sequence[int]
) -> Generator[Sequence[SpeakerRequest], Sequence[SpeakerResult], Activity]:
    """Who speaks in each window.

    Args:
        first_frames: where windows start, in frames from the start of the recording. A window may reach over
            the end, where nobody speaks.
    """
    activity = np.zeros((len(first_frames), N_FRAMES, N_LOCAL), bool)
    for first in range(0, len(first_frames), WINDOWS_AT_ONCE):
        starts = [frame * FRAME_SAMPLES for frame in first_frames[first : first + WINDOWS_AT_ONCE]]
        answers = yield [SegmentWindow(waveform[start : start + WINDOW_SAMPLES]) for start in starts]
        activity[first : first + len(answers)] = [answer.found for answer in answers]
        let_go(waveform)
    return activity


def _rows(duration_ms: int) -> int:
    """As many rows of filter banks."""
    return duration_ms * SAMPLES_PER_MS // ROW_SAMPLES


def _speech(waveform: Waveform) -> list[Span]:
    return detect_speech(waveform, SpeechOptions(), detect_digital_silence(waveform))


def _window_starts(speech: Sequence[Span], n_samples: int, step: int) -> list[int]:
    """Windows on a fixed grid that hear some speech; the last reaches the end of the recording."""
    wanted: set[int] = set()
    stride = step * FRAME_SAMPLES
    last = max(0, -(-(n_samples - WINDOW_SAMPLES) // stride))
    for span in speech:
        first = max(0, -(-(span.start_ms * SAMPLES_PER_MS - WINDOW_SAMPLES + 1) // stride))
        wanted.update(range(min(first, last), min((span.end_ms * SAMPLES_PER_MS - 1) // stride, last) + 1))
    return [index * step for index in sorted(wanted)]


def _alone(floor: Floor, n_samples: int) -> NDArray[np.bool_]:
    """For every row of filter banks, whether one person speaks alone; whether anybody does, if nobody ever is alone."""
    middles = np.arange(n_samples // ROW_SAMPLES) * ROW_SAMPLES + ROW_SAMPLES
    frames = np.clip((middles - frame_samples(np.zeros(1, np.int64))[0]) // FRAME_SAMPLES, 0, len(floor.n_speaking) - 1)
    n_speaking = floor.n_speaking[frames]
    alone: NDArray[np.bool_] = n_speaking == 1
    return alone if alone.any() else n_speaking > 0


def _sure(voices: Voices, window_rows: int, floor: Floor) -> NDArray[np.bool_]:
    """Which voices are surely one person's: mostly speech, and no change is heard while they last. All, if none is."""
    changes = np.concatenate([[0], np.cumsum(floor.change)])
    last = len(floor.change)
    start = np.minimum(voices.first_rows * ROW_SAMPLES // FRAME_SAMPLES, last)
    end = np.minimum((voices.first_rows + window_rows) * ROW_SAMPLES // FRAME_SAMPLES, last)
    sure: NDArray[np.bool_] = (changes[end] - changes[start] <= MAX_CHANGES) & (voices.n_rows * 3 >= window_rows * 2)
    return sure if sure.any() else ~sure


def _likeness(vectors: Vectors, middles: NDArray[Any], people: Vectors, floor: Floor) -> NDArray[np.float32]:
    """Of every frame's voice to each person: the windows' own, and between their middles what lies between."""
    moments = frame_samples(np.arange(len(floor.n_speaking)))
    likeness = vectors @ people.T
    return np.stack([np.interp(moments, middles, of_person) for of_person in likeness.T], axis=1).astype(np.float32)
