"""What each person of a recording sounds like, from the windows in which nobody else is heard.

A voice is worth comparing with those of other recordings only where it is surely one person's: the mean of the
windows that were sure when people were told apart and in which one person alone holds the floor.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from transcribe.segmentation import FRAME_SAMPLES
from transcribe.speech import SAMPLES_PER_MS
from transcribe.turns import Floor
from transcribe.voices import ROW_SAMPLES, SpeakerVoice, Voices

VOICES_REVISION = 1  # raised when this module changes what a voice is; only voices of one revision are compared
VOICES_KEPT = f"+voices{VOICES_REVISION}"  # ends the fingerprint of turns whose voices are kept

# Shorter voices lie lower on the scale: cut short, those of one person and of two part best at a likeness of 0.35 after
# 1.5 s, of 0.50 after 3 s, of 0.57 from 9 s on (development corpus).
MIN_SPEECH_MS = 3_000

# Log odds of two voices being one person's, at even odds: for none, and for full likeness more. As fitted by
# `python -m benchmarks.voices` on the 585 pairs of the development corpus (benchmarks/results/voices.md).
SAME_CONSTANT = -8.63
SAME_WEIGHT = 16.57


def speaker_voices(
    voices: Voices, sure: NDArray[np.bool_], window_rows: int, path: NDArray[np.int64], floor: Floor
) -> dict[int, SpeakerVoice]:
    """The voice of each person, by their number in `path`; none of whom too little is heard alone.

    Args:
        sure: which of the windows are mostly speech, and hear no change of speaker.
        path: the holder of the floor in each frame.
    """
    n_frames = len(path)
    alone = floor.n_speaking == 1
    firsts = np.minimum(voices.first_rows * ROW_SAMPLES // FRAME_SAMPLES, n_frames)
    lasts = np.minimum((voices.first_rows + window_rows) * ROW_SAMPLES // FRAME_SAMPLES, n_frames)
    in_all = _count(alone, firsts, lasts)
    found = {}
    for person in np.unique(path[alone]):
        own = alone & (path == person)
        mine = sure & (in_all > 0) & (_count(own, firsts, lasts) == in_all)
        covered = np.zeros(n_frames + 1, np.int64)
        np.add.at(covered, firsts[mine], 1)
        np.add.at(covered, lasts[mine], -1)
        n_heard = int((own & (np.cumsum(covered)[:n_frames] > 0)).sum())
        speech_ms = n_heard * FRAME_SAMPLES // SAMPLES_PER_MS
        if speech_ms < MIN_SPEECH_MS:
            continue
        mean = voices.vectors[mine].mean(axis=0)
        found[int(person)] = SpeakerVoice((mean / np.linalg.norm(mean)).astype(np.float32), speech_ms)
    return found


def same_voice(likeness: float) -> float:
    """How likely two voices are one person's, had it been as likely as not before they were heard.

    Args:
        likeness: the cosine of the two.
    """
    return 1 / (1 + math.exp(-(SAME_CONSTANT + SAME_WEIGHT * likeness)))


def _count(frames: NDArray[np.bool_], firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the frames are true from each first to each last."""
    total = np.concatenate([[0], np.cumsum(frames)])
    counted: NDArray[np.int64] = total[lasts] - total[firsts]
    return counted
