"""benchmarks.fusion: what fitting finds in judgements whose truth is known, and one small run of the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.fusion import (
    SHARE_FOUND_WRONGLY,
    Judged,
    command,
    fit,
    fit_all,
    found_from,
    held_out,
    probabilities,
    ranked,
    tables,
    to_json,
)
from search.evidence import Evidence
from search.fusion import CLUES, ONLY_FOR_QUESTIONS, Fusion, Weights, parse
from search.understanding import Kind, understand
from tests.test_retrieval_report import write_lines

SEED = 13
N_PASSAGES = 20
WORDS_SQUARED, TOGETHER, MEANING = (CLUES.index(name) for name in ("words_squared", "together", "meaning"))


def judged(
    n: int, telling: dict[int, float], kind: Kind = Kind.NAME, group: str = "names", absent: bool = False, seed: int = 0
) -> list[Judged]:
    """Queries with one right passage among many: clues at random, and those that tell raised for the right one."""
    random = np.random.default_rng((SEED, seed))
    made = []
    for number in range(n):
        clues = random.uniform(0, 0.5, (N_PASSAGES, len(CLUES)))
        right = np.zeros(N_PASSAGES, np.bool_)
        if not absent:
            right[random.integers(N_PASSAGES)] = True
            for clue, more in telling.items():
                clues[right, clue] += more
        made.append(Judged(group, f"{group} {kind} {number}", kind, clues, right))
    return made


def of_every_kind(n: int = 60) -> list[Judged]:
    """Names told by how they sound, questions by meaning, descriptions by words; and some that ask for nothing."""
    return [
        *judged(n, {TOGETHER: 0.4}, Kind.NAME, "names", seed=1),
        *judged(n, {MEANING: 0.4}, Kind.QUESTION, "questions", seed=2),
        *judged(n, {WORDS_SQUARED: 0.4}, Kind.DESCRIPTION, "descriptions", seed=3),
        *judged(n, {}, Kind.NAME, "patrol absent", absent=True, seed=4),
    ]


# Fitting


@pytest.mark.parametrize("clue", [WORDS_SQUARED, TOGETHER, MEANING])
@pytest.mark.parametrize("kind", Kind)
def test_a_clue_that_tells_gets_the_weight_and_useless_ones_nearly_none(clue: int, kind: Kind) -> None:
    """At least four fifths of all that is given, by whichever clue right passages differ from wrong ones."""
    weights = fit(judged(200, {clue: 0.3}, kind), kind).weights
    assert all(weight >= 0 for weight in weights.values())
    assert weights[CLUES[clue]] >= 0.8 * sum(weights.values())


def test_a_clue_that_speaks_against_right_passages_gets_none() -> None:
    """Weights never fall below 0: more of a clue is never less likely."""
    weights = fit(judged(200, {TOGETHER: 0.3, MEANING: -0.3}), Kind.NAME).weights
    assert weights["meaning"] == 0 < weights["together"]


@pytest.mark.parametrize("kind", Kind)
def test_some_clues_count_in_questions_alone(kind: Kind) -> None:
    """Even where they would tell all."""
    telling = {CLUES.index(name): 0.4 for name in ONLY_FOR_QUESTIONS}
    weights = fit(judged(100, telling, kind), kind).weights
    assert all((weights[name] > 0) == (kind is Kind.QUESTION) for name in ONLY_FOR_QUESTIONS)


def test_what_is_usual_is_what_right_passages_have() -> None:
    """On average over queries, whatever wrong ones have."""
    some = judged(50, {TOGETHER: 0.3})
    usual = fit(some, Kind.NAME).usual
    for place, name in enumerate(CLUES):
        assert usual[name] == pytest.approx(np.mean([one.clues[one.right, place].mean() for one in some]))


def test_a_probability_is_the_share_that_is_right() -> None:
    """Calibrated: what is said of many passages is right that often."""
    some = judged(400, {TOGETHER: 0.2, MEANING: 0.1})
    weights = fit(some, Kind.NAME)
    chances = np.concatenate([probabilities(weights, one) for one in some])
    right = np.concatenate([one.right for one in some])
    assert chances.mean() == pytest.approx(right.mean(), abs=0.01)
    sure = chances >= np.quantile(chances, 0.95)
    assert chances[sure].mean() == pytest.approx(right[sure].mean(), abs=0.1)


def test_no_group_of_queries_drowns_another() -> None:
    """Four times as many count twice as much, not four times: what the few say is still heard."""
    few, many = judged(40, {MEANING: 0.3}, group="few"), judged(160, {TOGETHER: 0.3}, group="many", seed=5)
    weights = fit([*few, *many], Kind.NAME).weights
    assert 0.3 < weights["meaning"] / weights["together"] < 1


def test_where_nothing_is_right_there_is_nothing_to_fit() -> None:
    """Nor where everything is."""
    with pytest.raises(ValueError, match="no query with right and wrong passages"):
        fit(judged(10, {}, absent=True), Kind.NAME)
    with pytest.raises(ValueError, match="no query with right and wrong passages"):
        fit([], Kind.NAME)


def test_found_begins_where_few_absent_queries_reach() -> None:
    """At most so many of them have a hit called found; without any the odds must be even."""
    some = of_every_kind()
    fusion = fit_all(some, "x")
    absent = [one for one in some if one.group == "patrol absent"]
    wrongly = [bool((probabilities(fusion.by_kind[one.kind], one) >= fusion.found).any()) for one in absent]
    assert 0 < sum(wrongly) / len(wrongly) <= SHARE_FOUND_WRONGLY + 1 / len(wrongly)
    assert found_from(fusion.by_kind, [one for one in some if one not in absent]) == 0.5


# Judging


def test_no_query_is_judged_by_a_fit_that_saw_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor by one that saw it asked elsewhere, or in capitals; every query is judged once, in its place."""
    some = of_every_kind(20)
    some += [Judged("again", one.text.upper(), one.kind, one.clues, one.right) for one in some[:40]]
    fitted: list[tuple[Fusion, set[str]]] = []
    checked: list[str] = []

    def watched(others: Sequence[Judged], name: str) -> Fusion:
        fitted.append((fit_all(others, name), {one.text.casefold() for one in others}))
        return fitted[-1][0]

    def checking(weights: Weights, one: Judged) -> np.ndarray:
        for fusion, texts in fitted:
            if weights is fusion.by_kind[one.kind]:
                assert one.text.casefold() not in texts
                checked.append(one.text)
        return probabilities(weights, one)

    monkeypatch.setattr("benchmarks.fusion.fit_all", watched)
    monkeypatch.setattr("benchmarks.fusion.probabilities", checking)
    results = held_out(some)
    assert sorted(checked) == sorted(one.text for one in some)
    assert [result.n_hits for result in results] == [N_PASSAGES] * len(some)


def test_a_tie_with_a_wrong_passage_counts_against_us() -> None:
    """A right passage that stands level with wrong ones comes last of them; a query without one has no rank."""
    right = np.array([False, True, False, True])
    one = Judged("g", "x", Kind.NAME, np.zeros((4, len(CLUES))), right)
    assert ranked(np.array([0.9, 0.5, 0.5, 0.1]), one, 0.5).first == 3
    assert ranked(np.array([0.1, 0.9, 0.5, 0.9]), one, 0.9).first == 1  # level with another right one
    assert (ranked(np.array([0.9, 0.8, 0.1, 0.2]), one, 0.5).n_found, ranked(np.ones(4), one, 2).n_found) == (2, 0)
    absent = Judged("g", "x", Kind.NAME, np.zeros((2, len(CLUES))), np.array([False, False]))
    nowhere = ranked(np.array([0.5, 0.4]), absent, 0.5)
    assert (nowhere.first, nowhere.recall, nowhere.n_found) == (None, 0, 1)


def test_queries_told_apart_by_their_clues_are_ranked_first_held_out() -> None:
    """What was learnt from others holds for those left out; the report says so by group."""
    some = of_every_kind()
    held = held_out(some)
    fares, weights = tables(some, held, fit_all(some, "x"))
    by_group = {row["group"]: row for row in fares.rows}
    assert by_group["names"]["queries"] == 60
    assert all(by_group[group]["mrr"] > 0.7 for group in ("names", "questions", "descriptions"))
    assert "mrr" not in by_group["patrol absent"]
    assert by_group["patrol absent"]["found"] <= 100 * 2 * SHARE_FOUND_WRONGLY
    assert [row["kind"] for row in weights.rows] == [kind.value for kind in Kind]


# The file


def test_weights_survive_their_file() -> None:
    """What is written is what search reads: every probability is the same to three digits."""
    some = of_every_kind()
    fusion = fit_all(some, "fitted today")
    stored = json.loads(json.dumps(to_json(fusion, some, "2025-03-14T00:00:00+00:00")))
    read = parse(stored)
    assert (read.name, set(read.by_kind)) == ("fitted today", set(Kind))
    assert read.found == pytest.approx(fusion.found, abs=1e-4)
    assert stored["fitted_on"] == dict.fromkeys(("names", "questions", "descriptions", "patrol absent"), 60)
    random = np.random.default_rng(SEED)
    for kind in Kind:
        assert all(weight > 0 for weight in read.by_kind[kind].weights.values())
        assert set(read.by_kind[kind].usual) == set(read.by_kind[kind].weights)
        for values in (*random.uniform(0, 1, (20, 5)).tolist(), [None] * 5):
            evidence = Evidence(*values)
            assert read.probability(evidence, kind) == pytest.approx(fusion.probability(evidence, kind), abs=1e-3)


# The command

PASSAGES = {
    0: "the panthers finished the regular season. they won fifteen games.",
    1: "a glacier is a body of dense ice that moves under its own weight.",
    2: "the scavenger hunt of the university takes place in may.",
    3: "the telescope was built by galileo to look at the moons of jupiter.",
}
ASKED = {
    0: ("panthers", "panthers games", "regular season of the panthers fifteen games", "who won fifteen games?"),
    1: ("glacier", "dense ice", "body of dense ice under its own weight", "what is a glacier made of?"),
    2: ("scavenger hunt", "university", "scavenger hunt of the university takes place", "when is the scavenger hunt?"),
    3: ("galileo", "jupiter", "telescope built by galileo to see moons of jupiter", "who built the telescope?"),
}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    folder = tmp_path / "squad"
    folder.mkdir()
    write_lines(folder / "passages_wer23.jsonl", [{"id": key, "text": text} for key, text in PASSAGES.items()])
    questions = [
        {"id": f"{key}-{number}-{again}", "question": f"{text}{again}", "passage": {"wer23": key}}
        for key, texts in ASKED.items()
        for number, text in enumerate(texts)
        for again in ("", " again?" if text.endswith("?") else " again")
    ]
    write_lines(folder / "questions.jsonl", questions)
    return folder


def test_the_questions_of_the_command_are_of_every_kind() -> None:
    """Else there would be nothing to fit for one."""
    assert {understand(text).kind for texts in ASKED.values() for text in texts} == set(Kind)


@pytest.mark.parametrize("fits", [True, False])
def test_the_command_fits_what_search_then_reads(
    fits: bool, squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handmade data through the real index and model; without `--fit` nothing is written but the report."""
    file, report = tmp_path / "fusion.json", tmp_path / "out" / "report.json"
    monkeypatch.setattr("benchmarks.fusion.FILE", file)
    args = ["--spoken-squad", str(squad), "--report", str(report), *(["--fit"] if fits else [])]
    done = CliRunner().invoke(command, args, env={"EARWITNESS_CORPUS": None}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert file.exists() == fits
    if fits:
        stored = json.loads(file.read_text())
        assert set(parse(stored).by_kind) == set(Kind)
        assert stored["fitted_on"] == {"Spoken-SQuAD wer23": 32}
    (row,) = json.loads(report.read_text())["tables"]["held_out"]["rows"]
    assert row["queries"] == 32
    assert row["mrr"] > 0.8


def test_the_command_says_what_it_cannot_use(tmp_path: Path) -> None:
    """In words, without a traceback, and nothing is written."""
    args = ["--spoken-squad", str(tmp_path), "--report", str(tmp_path / "r.json"), "--fit"]
    done = CliRunner().invoke(command, args, env={"EARWITNESS_CORPUS": None})
    assert done.exit_code == 1
    assert "no passages_" in done.output
    assert not (tmp_path / "r.json").exists()
