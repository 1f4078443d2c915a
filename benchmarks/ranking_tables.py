"""Rankings as tables: what each system is worth, what each leg adds, and what it says when there is nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.archives import Question
from benchmarks.measures import MEASURES, RESAMPLES, Ranked, difference, estimates
from benchmarks.outcome import OURS
from benchmarks.systems import DEPTH, WITHOUT, Asked
from benchmarks.table import Column, Table, Value

ABSENT = ": absent"  # how the group of questions ends to which nothing is right
_PERCENT = {"mrr": 1, "hit1": 100, "hit10": 100, "recall": 100}
_DIGITS = {"mrr": 3, "hit1": 1, "hit10": 1, "recall": 1}
_TITLES = {"mrr": "MRR", "hit1": "hit@1", "hit10": "hit@10", "recall": f"recall@{DEPTH}"}

Rankings = Mapping[str, Asked]  # by system's name


def by_group(questions: Sequence[Question], ranked: Sequence[Ranked]) -> dict[str, list[Ranked]]:
    """The rankings of each group, in order of first appearance."""
    groups: dict[str, list[Ranked]] = {question.group: [] for question in questions}
    for question, one in zip(questions, ranked, strict=True):
        groups[question.group].append(one)
    return groups


def rankings_table(name: str, title: str, questions: Sequence[Question], asked: Rankings, note: str) -> Table:
    """A row for each group of questions and each system; without numbers where a system cannot run."""
    rows: list[dict[str, Value]] = []
    groups = [group for group in dict.fromkeys(one.group for one in questions) if not group.endswith(ABSENT)]
    for group in groups:
        for system, answer in asked.items():
            row: dict[str, Value] = {"set": group, "system": system}
            if answer.ranked is not None:
                ranked = by_group(questions, answer.ranked)[group]
                row["questions"] = len(ranked)
                for measure, worth in estimates(ranked).items():
                    factor, digits = _PERCENT[measure], _DIGITS[measure]
                    row[measure] = round(factor * worth.mean, digits)
                    row[f"{measure}_low"] = round(factor * worth.low, digits)
                    row[f"{measure}_high"] = round(factor * worth.high, digits)
            rows.append(row)
    return Table(
        name,
        title,
        f"{note} The first {DEPTH} hits count. From and to: the middle 95 % of {RESAMPLES} bootstrap samples of the "
        "questions. Exact mode orders its hits by time, not by likeness. A dash: that cannot run here.",
        ("set", "system"),
        (
            Column("questions", "questions", digits=0),
            *(
                column
                for measure in MEASURES
                for unit in ("" if measure == "mrr" else "%",)
                for column in (
                    Column(measure, _TITLES[measure], unit, "higher", _DIGITS[measure]),
                    Column(f"{measure}_low", "from", unit, "", _DIGITS[measure]),
                    Column(f"{measure}_high", "to", unit, "", _DIGITS[measure]),
                )
            ),
        ),
        tuple(rows),
        ("mrr",),
    )


def legs_table(parts: Sequence[tuple[Sequence[Question], Rankings]]) -> Table:
    """What taking a leg away costs, on the same questions: positive is what the leg adds."""
    rows: list[dict[str, Value]] = []
    for questions, asked in parts:
        whole = asked[OURS].ranked
        if whole is None:
            continue
        groups = by_group(questions, whole)
        for system in WITHOUT:
            less = asked[system.name].ranked if system.name in asked else None
            if less is None:
                continue
            of_less = by_group(questions, less)
            for group, ranked in groups.items():
                if group.endswith(ABSENT):
                    continue
                row: dict[str, Value] = {"set": group, "left out": system.name.removeprefix("without ")}
                for measure in ("mrr", "hit10"):
                    cost = difference(ranked, of_less[group], measure)
                    factor, digits = _PERCENT[measure], _DIGITS[measure]
                    row[measure] = round(factor * cost.mean, digits)
                    row[f"{measure}_low"] = round(factor * cost.low, digits)
                    row[f"{measure}_high"] = round(factor * cost.high, digits)
                    row[f"{measure}_sure"] = int(cost.excludes_zero) * (1 if cost.mean > 0 else -1)
                rows.append(row)
    return Table(
        "legs",
        "What each leg adds",
        "All legs less all but one, question by question: what is positive is lost without the leg, what is negative "
        "would be won. Sure: 1 or -1 where the interval excludes zero, else 0.",
        ("set", "left out"),
        (
            Column("mrr", "MRR", "", "higher", 3),
            Column("mrr_low", "from", digits=3),
            Column("mrr_high", "to", digits=3),
            Column("mrr_sure", "sure", "", "higher", 0),
            Column("hit10", "hit@10", "points", "higher"),
            Column("hit10_low", "from", "points"),
            Column("hit10_high", "to", "points"),
            Column("hit10_sure", "sure", "", "higher", 0),
        ),
        tuple(rows),
        ("mrr",),
    )


def absent_table(parts: Sequence[tuple[Sequence[Question], Rankings]]) -> Table:
    """What nobody says: the right answer is no hit, or none that is marked as found."""
    rows: list[dict[str, Value]] = []
    for questions, asked in parts:
        for system, answer in asked.items():
            if answer.ranked is None:
                continue
            for group, ranked in by_group(questions, answer.ranked).items():
                if group.endswith(ABSENT):
                    rows.append(
                        {
                            "set": group,
                            "system": system,
                            "questions": len(ranked),
                            "silent": round(100 * sum(one.n_hits == 0 for one in ranked) / len(ranked), 1),
                            "unclaimed": round(100 * sum(one.n_found == 0 for one in ranked) / len(ranked), 1),
                        }
                    )
    return Table(
        "absent",
        "What nobody says",
        "Every hit is wrong. Exact mode should return none, and the search should mark none as found.",
        ("set", "system"),
        (
            Column("questions", "questions", digits=0),
            Column("silent", "nothing returned", "%"),
            Column("unclaimed", "nothing marked as found", "%", "higher"),
        ),
        tuple(rows),
        ("unclaimed",),
    )
