"""Clustering: which voices of a recording are one person's, and how many people there are.

Windows are first grouped cautiously, by their mean likeness. A group's mean voice is far surer than any window's:
groups whose means are alike become one person; a group too small to have a sure mean is a person of its own only
when there must be more people. Nothing here is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_WINDOWS = 2_000  # grouped at once (17 minutes of speech); the cost of grouping grows with the square
ROUNDS = 5  # of giving every window to the nearest person; four are enough on all we have seen

Vectors = NDArray[np.float32]  # (n, dimension), of length one
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What counts as one person. Likeness is the cosine of two voices.

    group_likeness: windows are grouped at first while their mean likeness is at least this.
    person_likeness: groups whose mean voices are at least this alike are one person.
    min_windows: a group of fewer is given to the others, window by window.
    min_speakers, max_speakers: bounds of the number of people; equal where it is known. The lower one holds as far
        as there are as many windows.
    """

    group_likeness: float = 0.4
    person_likeness: float = 0.62
    min_windows: int = 6
    min_speakers: int = 1
    max_speakers: int | None = None

    def __post_init__(self) -> None:
        if self.min_speakers < 1 or (self.max_speakers is not None and self.max_speakers < self.min_speakers):
            most = "any number" if self.max_speakers is None else self.max_speakers
            raise ValueError(f"{self.min_speakers} to {most} speakers cannot be: at least 1, and not fewer at most")


def cluster(voices: Vectors, options: ClusterOptions) -> Labels:
    """The person of each window, counted from 0 without gaps."""
    if len(voices) == 0:
        return np.zeros(0, np.int64)
    labels = _grouped(voices, options)
    labels = _without_small(voices, labels, options)
    labels = _merged(voices, labels, options)
    for _ in range(ROUNDS):
        nearest = _numbered((voices @ means(voices, labels).T).argmax(axis=1))
        if nearest.max() + 1 < min(options.min_speakers, labels.max() + 1) or np.array_equal(nearest, labels):
            break
        labels = nearest
    labels = _without_small(voices, labels, options)
    return _merged(voices, labels, options)


def means(voices: Vectors, labels: Labels) -> Vectors:
    """The mean voice of each person, of length one."""
    sums = np.zeros((labels.max() + 1, voices.shape[1]), np.float32)
    np.add.at(sums, labels, voices)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return sums


def _grouped(voices: Vectors, options: ClusterOptions) -> Labels:
    """Groups by agglomeration with mean linkage, block by block."""
    from scipy.cluster.hierarchy import fcluster, linkage

    labels = np.zeros(len(voices), np.int64)
    n_groups = 0
    for first in range(0, len(voices), BLOCK_WINDOWS):
        block = voices[first : first + BLOCK_WINDOWS]
        if len(block) > 1:
            tree = linkage(block, method="average", metric="cosine")
            found = fcluster(tree, 1 - options.group_likeness, criterion="distance") - 1
            if found.max() + 1 < min(options.min_speakers, len(block)):
                found = fcluster(tree, options.min_speakers, criterion="maxclust") - 1
            labels[first : first + len(block)] = n_groups + found
            n_groups += int(found.max()) + 1
        else:
            labels[first] = n_groups
            n_groups += 1
    return labels


def _without_small(voices: Vectors, labels: Labels, options: ClusterOptions) -> Labels:
    """Windows of small groups given to the most alike of the others; the largest stay, as many as there must be.

    A group half as large as it should be stays where it is like no other: somebody on the radio, once.
    """
    sizes = np.bincount(labels)
    order = np.argsort(-sizes, kind="stable")
    centres = means(voices, labels)[order]
    likeness = centres @ centres.T
    kept_places: list[int] = []
    for place, size in enumerate(sizes[order]):
        alike = likeness[place, kept_places].max(initial=-1.0)
        stands = size >= options.min_windows or (size * 2 >= options.min_windows and alike < options.group_likeness)
        if stands or place < options.min_speakers:
            kept_places.append(place)
    kept = order[kept_places]
    likeness = voices @ means(voices, labels)[kept].T
    nearest = kept[likeness.argmax(axis=1)]
    return _numbered(np.where(np.isin(labels, kept), labels, nearest))


def _merged(voices: Vectors, labels: Labels, options: ClusterOptions) -> Labels:
    """Groups of one person made one: the most alike first."""
    while (n_groups := labels.max() + 1) > options.min_speakers:
        centres = means(voices, labels)
        likeness = centres @ centres.T
        likeness[np.tril_indices(n_groups)] = -2.0
        one, other = np.unravel_index(likeness.argmax(), likeness.shape)
        too_many = options.max_speakers is not None and n_groups > options.max_speakers
        if likeness[one, other] < options.person_likeness and not too_many:
            break
        labels = _numbered(np.where(labels == other, one, labels))
    return labels


def _numbered(labels: Labels) -> Labels:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
