"""Turns: from who might speak in each window, and whose voice it sounds like, to who holds the floor when.

Segmentation knows when somebody speaks, when two do, and where the speaker changes, to 17 ms; voices know who it
is, to a second or so. Each is asked what it knows: of the people, the one path through the recording that its
voices fit best, on which a change costs less where segmentation heard one and nothing where nobody speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transcribe.segmentation import FRAME_REACH_SAMPLES, FRAME_SAMPLES, N_FRAMES, N_LOCAL, Activity
from transcribe.transcript import Turn
from transcribe.voices import SpeakerVoice, SpeakerVoices

SAMPLE_RATE = 16_000
HEARD_CHANGE = 0.7  # share of the cost of a change that is spared where every window hears one

Likeness = NDArray[np.float32]  # (frames, people)
Speaking = NDArray[np.bool_]  # (frames, people)


@dataclass(frozen=True, slots=True)
class Floor:
    """What overlapping windows say together of each frame of the recording.

    n_speaking: how many people speak at once, 0 to 2.
    change: share of the windows that hear another set of people than when somebody spoke last.
    """

    n_speaking: NDArray[np.int64]
    change: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who speaks when, and whose each moment is where several speak at once.

    turns: sorted by start; those of different speakers may overlap.
    exclusive: the same moments, each given to one of those who speak: turns that do not overlap.
    voices: of those who speak long enough alone; none where the diarizer does not tell.
    """

    turns: tuple[Turn, ...] = ()
    exclusive: tuple[Turn, ...] = ()
    voices: SpeakerVoices = field(default_factory=dict, compare=False, repr=False)


def hold_together(activity: Activity, first_frames: Sequence[int], n_frames: int) -> Floor:
    """Average the windows over each frame; frames without a window are silent.

    Where half of the windows hear somebody, somebody speaks: a voice too many costs less than a word without one.
    """
    n_windows = np.zeros(n_frames + N_FRAMES, np.int64)
    n_speaking, n_changes = np.zeros_like(n_windows), np.zeros_like(n_windows)
    for window, first in zip(activity, first_frames, strict=True):
        place = slice(first, first + N_FRAMES)
        n_windows[place] += 1
        n_speaking[place] += window.sum(axis=1)
        spoken = np.flatnonzero(window.any(axis=1))
        changed = (window[spoken[1:]] != window[spoken[:-1]]).any(axis=1)
        n_changes[first + spoken[1:][changed]] += 1
    shares = np.maximum(n_windows, 1)[:n_frames]
    return Floor(
        np.floor(n_speaking[:n_frames] / shares + 0.5).astype(np.int64),
        (n_changes[:n_frames] / shares).astype(np.float32),
    )


def frame_samples(frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sample in the middle of each frame."""
    return frames * FRAME_SAMPLES + FRAME_REACH_SAMPLES // 2


def holder_path(likeness: Likeness, floor: Floor, change_cost: float) -> NDArray[np.int64]:
    """Whose turn each frame is, as if nobody spoke at once: the path of greatest likeness (Viterbi).

    Args:
        likeness: of each frame's voice to each person.
        change_cost: seconds of full likeness a change within speech must gain, unless it is heard as one.
    """
    n_frames, n_people = likeness.shape
    path = np.zeros(n_frames, np.int64)
    spoken = np.flatnonzero(floor.n_speaking)
    if n_people < 2 or len(spoken) == 0:
        return path
    gains = likeness[spoken] * (FRAME_SAMPLES / SAMPLE_RATE)
    costs = change_cost * (1 - HEARD_CHANGE * np.minimum(floor.change[spoken], 1))
    costs[1:][np.diff(spoken) > 1] = 0
    came_from = np.empty(gains.shape, np.int16)
    stayed = np.arange(n_people)
    best = gains[0]
    for step in range(1, len(spoken)):
        leader = best.argmax()
        changed = best[leader] - costs[step]
        came_from[step] = np.where(best >= changed, stayed, leader)
        best = np.maximum(best, changed) + gains[step]
    holder = int(best.argmax())
    for step in range(len(spoken) - 1, -1, -1):
        path[spoken[step]] = holder
        holder = came_from[step, holder] if step else holder
    return path


def with_overlap(
    path: NDArray[np.int64], n_people: int, floor: Floor, activity: Activity, first_frames: Sequence[int]
) -> Speaking:
    """Who speaks in each frame: the holder of the floor, and where two speak at once, who else.

    In each window its local people are matched with the people whose turns theirs are, two never with the same;
    the window then says who else speaks. Most windows win.
    """
    from scipy.optimize import linear_sum_assignment

    n_frames = len(path)
    speaking = np.zeros((n_frames, n_people), bool)
    spoken = np.flatnonzero(floor.n_speaking)
    speaking[spoken, path[spoken]] = True
    both = np.flatnonzero(floor.n_speaking > 1)
    if n_people < 2 or len(both) == 0:
        return speaking
    place_of = np.full(n_frames + N_FRAMES, -1)
    place_of[both] = np.arange(len(both))
    votes = np.zeros((len(both), n_people), np.int64)
    for window, first in zip(activity, first_frames, strict=True):
        places = place_of[first : first + N_FRAMES]
        if (places < 0).all():
            continue
        holders = path[first : first + N_FRAMES]
        window = window[: len(holders)]
        alone = window & (window.sum(axis=1, keepdims=True) == 1)
        shared = np.zeros((N_LOCAL, n_people))
        for local in range(N_LOCAL):
            shared[local] = np.bincount(holders[alone[:, local]], minlength=n_people)
            shared[local] += 1e-3 * np.bincount(holders[window[:, local]], minlength=n_people)  # when never alone
        for local, person in zip(*linear_sum_assignment(-shared), strict=True):
            if shared[local, person] > 0:
                heard = places[: len(window)][window[:, local]]
                votes[heard[heard >= 0], person] += 1
    votes[np.arange(len(both)), path[both]] = 0
    found = votes.max(axis=1) > 0
    speaking[both[found], votes[found].argmax(axis=1)] = True
    return speaking


def to_turns(
    speaking: Speaking, path: NDArray[np.int64], duration_ms: int, voices: Mapping[int, SpeakerVoice] | None = None
) -> Diarization:
    """Turns within the recording; labels SPEAKER_00, SPEAKER_01, … in order of first speech.

    Args:
        path: the holder of the floor in each frame, who is among those who speak there, if anybody does.
        voices: by person; they go by the same labels.
    """
    holding = speaking & (np.arange(speaking.shape[1]) == path[:, None])
    spans, held = _spans(speaking, duration_ms), _spans(holding, duration_ms)
    people = list(dict.fromkeys(person for _start, _end, person in spans))
    names = {person: f"SPEAKER_{place:02d}" for place, person in enumerate(people)}
    return Diarization(
        tuple(Turn(start, end, names[person]) for start, end, person in spans),
        tuple(Turn(start, end, names[person]) for start, end, person in held),
        {names[person]: voice for person, voice in (voices or {}).items() if person in names},
    )


def _spans(speaking: Speaking, duration_ms: int) -> list[tuple[int, int, int]]:
    """Start and end in ms, and the person, sorted."""
    spans: list[tuple[int, int, int]] = []
    for person in range(speaking.shape[1]):
        edges = np.flatnonzero(np.diff(speaking[:, person].astype(np.int8), prepend=0, append=0))
        # A frame stands for the time nearer to its middle than to another's.
        times = (frame_samples(edges) - FRAME_SAMPLES // 2) * 1000 / SAMPLE_RATE
        times_ms = np.clip(np.rint(times).astype(int), 0, duration_ms).reshape(-1, 2)
        spans += [(int(start), int(end), person) for start, end in times_ms if start < end]
    return sorted(spans)
