"""People in voices: as many as there are, the same every time, within the bounds that are set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transcribe.clustering import MAX_WINDOWS, ClusterOptions, Vectors, cluster


def voices(seed: int, *sizes: int, noise: float = 0.05) -> tuple[Vectors, list[int]]:
    """Windows of people with voices of their own, one after another."""
    random = np.random.default_rng(seed)
    truth = [person for person, size in enumerate(sizes) for _ in range(size)]
    people = np.linalg.qr(random.standard_normal((192, max(1, len(sizes)))))[0].T
    heard = people[truth] + noise * random.standard_normal((len(truth), 192))
    return (heard / np.linalg.norm(heard, axis=1, keepdims=True)).astype(np.float32), truth


def nearest(heard: Vectors, people: Vectors) -> list[int]:
    return list((heard @ people.T).argmax(axis=1))


def same_partition(one: list[int], other: list[int]) -> bool:
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@given(st.integers(0, 99), st.lists(st.integers(8, 40), min_size=1, max_size=6))
@example(0, [8, 18])
@settings(max_examples=25, deadline=None)
def test_people_with_voices_of_their_own_are_told_apart(seed: int, sizes: list[int]) -> None:
    """As many as there are, each window with its own; one stays one; the same every time."""
    heard, truth = voices(seed, *sizes)
    people = cluster(heard, ClusterOptions())

    assert len(people) == len(sizes)
    assert same_partition(nearest(heard, people), truth)
    assert np.array_equal(people, cluster(heard, ClusterOptions()))


def test_a_moment_does_not_make_a_person() -> None:
    """Two odd windows are given to somebody, unless there must be one more."""
    heard, truth = voices(7, 30, 30, 2)

    assert len(cluster(heard, ClusterOptions())) == 2
    assert same_partition(nearest(heard, cluster(heard, ClusterOptions(min_speakers=3))), truth)


@given(
    st.integers(0, 99),
    st.lists(st.integers(1, 20), min_size=0, max_size=5),
    st.integers(1, 6),
    st.integers(0, 5),
    st.floats(0.0, 0.3),
)
@settings(max_examples=60, deadline=None)
def test_bounds_hold(seed: int, sizes: list[int], least: int, more: int, noise: float) -> None:
    """Never more people than allowed, never fewer than asked for as long as there are as many windows."""
    heard, _ = voices(seed, *sizes, noise=noise)
    people = cluster(heard, ClusterOptions(min_speakers=least, max_speakers=least + more))

    assert len(people) <= least + more
    assert np.allclose(np.linalg.norm(people, axis=1), 1, atol=1e-5)
    if noise > 0.01:  # equal voices are no two people
        assert len(people) >= min(least, len(heard))


def test_of_a_long_recording_windows_evenly_spread_are_enough() -> None:
    """Eight hours of three people have three people in them."""
    n = 7 * MAX_WINDOWS // 3
    heard, truth = voices(3, n, n, n)
    people = cluster(heard, ClusterOptions())

    assert same_partition(nearest(heard, people), truth)


def test_bounds_that_exclude_each_other_are_refused() -> None:
    """One line says what is wrong with them."""
    with pytest.raises(ValueError, match="3 to 2 speakers"):
        ClusterOptions(min_speakers=3, max_speakers=2)
