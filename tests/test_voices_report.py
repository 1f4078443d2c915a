"""The measures of benchmarks.voices, on pairs whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.corpus import Reference
from benchmarks.voices import (
    Pairs,
    Voice,
    calibration_error,
    compare,
    equal_error,
    even,
    first_right,
    fitted,
    held_out,
    likeness_table,
    log_loss,
    scale_table,
    whose,
)
from transcribe.transcript import Turn

SAME = np.random.default_rng(3).random(4_000) < 0.1


def test_scores_that_know_nothing_lose_a_bit_and_those_that_know_all_lose_none() -> None:
    """However many more pairs are of strangers; a score of a half is calibrated, a sure and wrong one is not."""
    half, known = np.full(4_000, 0.5), SAME.astype(float)

    assert even(SAME)[SAME].sum() == pytest.approx(even(SAME)[~SAME].sum()) == pytest.approx(2_000)
    assert log_loss(half, SAME) == pytest.approx(1)
    assert calibration_error(half, SAME) < 0.06
    assert (log_loss(known, SAME), calibration_error(known, SAME)) == pytest.approx((0, 0), abs=1e-6)
    assert log_loss(1 - known, SAME) > 20
    assert calibration_error(1 - known, SAME) == pytest.approx(1)


def test_equal_error_is_where_both_kinds_of_error_are_as_frequent() -> None:
    """Apart: none; one of four beyond one in four of the others: a quarter."""
    assert equal_error(np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False])) == 0
    likeness = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.1, 0.1])
    assert equal_error(likeness, np.array([True] * 4 + [False] * 4)) == pytest.approx(0.25)


def people(n_recordings: int = 12, seed: int = 0) -> list[Voice]:
    """Three people in each recording, of whom the first two come back; the last two recordings are of one moment."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(2 + n_recordings, 20))
    pairs = {n_recordings - 1: n_recordings - 2, n_recordings - 2: n_recordings - 1}
    found = []
    for recording in range(n_recordings):
        for person in (0, 1, 2 + recording):
            vector = own[person] + rng.normal(scale=0.8, size=20)
            pair = f"r{pairs[recording]}" if recording in pairs else None
            found.append(
                Voice(f"r{recording}", pair, str(person), (vector / np.linalg.norm(vector)).astype(np.float32))
            )
    return found


def test_pairs_are_of_different_recordings_of_one_set_and_of_different_moments() -> None:
    """Nobody is compared within a recording, between two cameras of one incident, or across sets."""
    pairs = compare({"patrol": people(), "voices": people(4)})

    assert (pairs.recordings[:, 0] != pairs.recordings[:, 1]).all()
    assert pairs.of("patrol").sum() == 9 * (12 * 11 // 2 - 1)
    assert pairs.of("voices").sum() == 9 * (4 * 3 // 2 - 1)
    assert pairs.same[pairs.of("patrol")].sum() == 2 * (12 * 11 // 2 - 1)


def test_held_out_scores_are_of_fits_that_never_saw_the_recordings() -> None:
    """Turning every truth about two recordings round changes no score of their own pairs."""
    pairs = compare({"patrol": people(), "voices": []})
    mine = (np.sort(pairs.recordings, axis=1) == np.sort(pairs.recordings[0])).all(axis=1)
    lied = Pairs(pairs.likeness, np.where(mine, ~pairs.same, pairs.same), pairs.recordings, pairs.sets)

    assert np.array_equal(held_out(pairs)[mine], held_out(lied)[mine])
    assert fitted(pairs, np.ones(len(pairs.same), bool))[1] > 0
    assert log_loss(held_out(pairs), pairs.same) < 0.5


def test_the_tables_say_what_was_compared() -> None:
    """A row for each set that has something to say, and one for both."""
    voices = {"patrol": people(), "voices": people(6, 1)}
    pairs = compare(voices)
    table = likeness_table(voices, pairs)

    assert [row["set"] for row in table.rows] == ["patrol", "voices", "both"]
    assert [row["same"] + row["different"] for row in table.rows] == [  # type: ignore[operator]  # counts are there
        int(pairs.of("patrol").sum()),
        int(pairs.of("voices").sum()),
        len(pairs.same),
    ]
    assert {row["scale"] for row in scale_table(pairs).rows} == {"fitted now", "in the code"}
    assert first_right([one for one in people() if one.person not in "01"]) is None


def test_a_label_stands_for_whom_it_shares_most_time_with() -> None:
    """Nobody, where it shares none."""
    truth = Reference("r", None, turns=(Turn(0, 1_000, "ann"), Turn(1_000, 1_500, "bob")))  # type: ignore[arg-type]
    turns = (Turn(100, 1_300, "S0"), Turn(2_000, 3_000, "S1"))

    assert whose("S0", turns, truth) == "ann"
    assert whose("S1", turns, truth) is None
