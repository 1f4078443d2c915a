"""How passages are weighed: `python -m benchmarks.fusion --report FILE [--fit]` with the data of benchmarks.retrieval.

Asks the real index what each leg knows of the passages every labelled query brings up, and judges weights by that.
With `--fit`, new ones are fitted and written to `search/fusion.json`: for each kind of query first those that put right
passages before wrong ones of the same query (conditional logistic regression, no weight below 0), then a scale and a
constant that make a probability of their sum. What the report says is held out in any case: a query is judged by a fit
on the other four fifths.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.archives import Archive, indexed, sampled
from benchmarks.corpus import CorpusWrong
from benchmarks.labelled import Labelled
from benchmarks.machine import describe
from benchmarks.measures import MEASURES, Ranked, estimate
from benchmarks.process import ProcessFailed
from benchmarks.report import Report, write_report
from benchmarks.spoken_squad import DataWrong
from benchmarks.systems import starts_near
from benchmarks.table import Column, Table, Value
from benchmarks.vectors import KeptVectors
from gpu.errors import GpuError
from gpu.models import ModelPlaces
from gpu.offline import stay_offline
from search.deadline import NEVER
from search.embedding import Embedder
from search.evidence import Gathering
from search.fusion import CLUES, FILE, ONLY_FOR_QUESTIONS, Fusion, Weights, clues
from search.query import Query
from search.searcher import LEGS
from search.understanding import Kind, understand
from service.indexing import load_embedder
from service.settings import load_settings

Numbers = NDArray[np.float64]
FOLDS = 5
L2 = 1e-3  # of a query's log loss: keeps a clue that is constant for a kind from growing
DEPTH = 100
MAX_MOMENTS = 10
SHARE_FOUND_WRONGLY = 0.15  # of absent queries, at most so many may have a hit called found


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One query: a row of clues for each passage it brought up, and which are right (none for `absent`)."""

    group: str
    text: str
    kind: Kind
    clues: Numbers  # (passages, CLUES)
    right: NDArray[np.bool_]

    @property
    def fold(self) -> int:
        """The same text is in one fold, wherever it is asked."""
        return hashlib.sha256(self.text.casefold().encode()).digest()[0] % FOLDS


def judge(archive: Archive, embedder: Embedder, folder: Path) -> Iterator[Judged]:
    """Every question of an archive, as the index answers it."""
    with indexed(archive.transcripts, embedder, folder) as index:
        for question in archive.questions:
            asked = understand(question.query.text)
            query = Query(question.query.text, limit=DEPTH, filters=question.filters)
            brought = Gathering(index, embedder, query, asked, LEGS, NEVER).gather()
            rows, right = [], []
            for key, payload in brought.payloads.items():
                said = brought.said.get(key)
                start_ms = said.start_ms if said else payload["start_ms"]
                rows.append([float(value or 0.0) for value in (clues(brought.evidence[key])[name] for name in CLUES)])
                right.append(
                    any(
                        archive.names.get(payload["recording_id"]) == answer.recording
                        and starts_near(start_ms, answer.span, archive.near_ms)
                        for answer in question.query.relevant
                    )
                )
            yield Judged(
                question.group,
                question.query.text,
                asked.kind,
                np.array(rows, np.float64).reshape(-1, len(CLUES)),
                np.array(right, np.bool_),
            )


def fit(judged: Sequence[Judged], kind: Kind) -> Weights:
    """Weights of one kind of query.

    Raises:
        ValueError: no query has a right passage, or none a wrong one.
    """
    ranked = [one for one in judged if one.right.any() and not one.right.all()]
    if not ranked:
        raise ValueError("no query with right and wrong passages")
    shares = _shares(ranked)

    def loss(weights: Numbers) -> tuple[float, Numbers]:
        total, slope = L2 * float(weights @ weights), 2 * L2 * weights
        for one, share in zip(ranked, shares, strict=True):
            scores = one.clues @ weights
            chances = np.exp(scores - scores.max())
            among = chances * one.right
            total -= share * float(np.log(among.sum() / chances.sum()))
            slope = slope - share * (one.clues.T @ (among / among.sum() - chances / chances.sum()))
        return total, slope

    bounds = [_bounds(name, kind) for name in CLUES]
    start = np.array([low + 1.0 if high is None else high for low, high in bounds])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    scale, constant = _calibrate(judged, best)
    usual = np.mean([one.clues[one.right].mean(axis=0) for one in ranked], axis=0)
    return Weights(
        constant,
        dict(zip(CLUES, (float(scale * weight) for weight in best), strict=True)),
        dict(zip(CLUES, map(float, usual), strict=True)),
    )


def _bounds(clue: str, kind: Kind) -> tuple[float, float | None]:
    if clue in ONLY_FOR_QUESTIONS and kind is not Kind.QUESTION:
        return 0.0, 0.0
    return 0.0, None


def _shares(judged: Sequence[Judged]) -> Numbers:
    """What each query counts, together 1: a group four times as large counts twice, so that none drowns another."""
    groups = [one.group for one in judged]
    sizes = {group: groups.count(group) for group in groups}
    counts = np.array([1 / math.sqrt(sizes[group]) for group in groups])
    return np.asarray(counts / counts.sum())


def _calibrate(judged: Sequence[Judged], weights: Numbers) -> tuple[float, float]:
    """A scale, above 0, and a constant that make log odds of the sums of weighted clues."""
    # Where dozens of turns answer together, as in a meeting, each is a part of an answer and not a moment to be found.
    some = [one for one in judged if len(one.right) and one.right.sum() <= MAX_MOMENTS]
    sums = np.concatenate([one.clues @ weights for one in some])
    right = np.concatenate([one.right for one in some])
    counts = np.concatenate([np.full(len(one.right), share) for one, share in zip(some, _shares(some), strict=True)])

    def loss(line: Numbers) -> float:
        odds = line[0] * sums + line[1]
        return float((counts * np.logaddexp(0, np.where(right, -odds, odds))).sum())

    scale, constant = minimize(loss, np.array([1.0, -5.0]), method="L-BFGS-B", bounds=[(0.01, None), (None, None)]).x
    return float(scale), float(constant)


def fit_all(judged: Sequence[Judged], name: str) -> Fusion:
    """Weights of every kind, and where found begins: as low as absent queries allow."""
    weights = {kind: fit([one for one in judged if one.kind is kind], kind) for kind in Kind}
    return Fusion(weights, found_from(weights, judged), name)


def found_from(weights: Mapping[Kind, Weights], judged: Sequence[Judged]) -> float:
    """The probability that at most `SHARE_FOUND_WRONGLY` of the queries without an answer reach."""
    absent = [one for one in judged if not one.right.any() and "absent" in one.group and len(one.right)]
    best = sorted(float(probabilities(weights[one.kind], one).max()) for one in absent)
    return float(np.quantile(best, 1 - SHARE_FOUND_WRONGLY)) if best else 0.5


def probabilities(weights: Weights, one: Judged) -> Numbers:
    """Of each passage of a query."""
    odds = one.clues @ np.array([weights.weights.get(name, 0.0) for name in CLUES]) + weights.constant
    return np.asarray(1 / (1 + np.exp(-odds)))


def ranked(chances: Numbers, one: Judged, found: float) -> Ranked:
    """Where the first right passage stands; a wrong one as likely stands before it."""
    first = 1 + int((chances[~one.right] >= chances[one.right].max()).sum()) if one.right.any() else None
    recall = float(one.right[np.argsort(-chances)[:DEPTH]].sum() / max(1, one.right.sum()))
    return Ranked(first, recall, len(chances), int((chances >= found).sum()))


def held_out(judged: Sequence[Judged]) -> list[Ranked]:
    """Every query by a fit on the other folds."""
    results: dict[int, Ranked] = {}
    for fold in range(FOLDS):
        other = fit_all([one for one in judged if one.fold != fold], "held out")
        for number, one in enumerate(judged):
            if one.fold == fold:
                results[number] = ranked(probabilities(other.by_kind[one.kind], one), one, other.found)
    return [results[number] for number in range(len(judged))]


def to_json(fusion: Fusion, judged: Sequence[Judged], made_at: str) -> dict[str, object]:
    """The form of `fusion.json`."""
    groups = [one.group for one in judged]
    return {
        "name": fusion.name,
        "fitted_at": made_at,
        "fitted_on": {group: groups.count(group) for group in dict.fromkeys(groups)},
        "found": round(fusion.found, 4),
        "kinds": {
            kind.value: {
                "constant": round(weights.constant, 4),
                "weights": {name: round(value, 4) for name, value in weights.weights.items() if value},
                "usual": {name: round(value, 4) for name, value in weights.usual.items() if weights.weights[name]},
            }
            for kind, weights in fusion.by_kind.items()
        },
    }


def tables(judged: Sequence[Judged], held: Sequence[Ranked], fusion: Fusion) -> tuple[Table, Table]:
    """How queries fare, a row per group; and the weights."""
    rows: list[dict[str, Value]] = []
    for group in dict.fromkeys(one.group for one in judged):
        some = [ranked for ranked, one in zip(held, judged, strict=True) if one.group == group]
        row: dict[str, Value] = {"group": group, "queries": len(some)}
        row["found"] = 100 * sum(one.n_found > 0 for one in some) / len(some)
        if not group.endswith("absent"):
            row |= {measure: estimate([one.value(measure) for one in some]).mean for measure in MEASURES}
        rows.append(row)
    fares = Table(
        "held_out",
        "Queries, held out",
        "With a hit called found: for absent queries the fewer the better; for others it need not be the right one.",
        ("group",),
        (
            Column("queries", "queries", digits=0),
            *(Column(measure, measure, "", "higher", 3) for measure in MEASURES),
            Column("found", "with a hit called found", "%"),
        ),
        tuple(rows),
        ("mrr", "hit10"),
    )
    weights = Table(
        "weights",
        "Weights",
        f"Of all queries together: log odds for one more of each clue. Found from {fusion.found:.2f}.",
        ("kind",),
        tuple(Column(name, name.replace("_", " "), digits=2) for name in ("constant", *CLUES)),
        tuple(
            {"kind": kind.value, "constant": one.constant, **{name: one.weights.get(name) for name in CLUES}}
            for kind, one in fusion.by_kind.items()
        ),
        CLUES,
    )
    return fares, weights


@click.command()
@click.option("--spoken-squad", "squad", type=click.Path(path_type=Path), help="passages_*.jsonl and questions.jsonl.")
@click.option("--qmsum", type=click.Path(path_type=Path), help="Meetings, one JSON a line.")
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", help="With patrol/.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="A data folder that heard the corpus. [else: ingest]"
)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--fit", "fits", is_flag=True, help=f"Fit new weights and write them to {FILE.name}.")
@click.option("--sample", type=click.IntRange(1), default=500, show_default=True, help="Questions of a group at most.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of each model.")
def command(
    squad: Path | None,
    qmsum: Path | None,
    folder: Path | None,
    data: Path | None,
    report_file: Path,
    fits: bool,
    sample: int,
    threads: int,
) -> None:
    """Judge, or fit, how the legs are weighed."""
    stay_offline()
    started = time.perf_counter()
    judged: list[Judged] = []
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(threads)
    try:
        labelled = Labelled.read(squad, qmsum, folder, data, ())
        kept = KeptVectors(
            load_embedder(load_settings(threads=threads)),
            ModelPlaces.from_environment().cache / "benchmarks" / "vectors",
        )
        with tempfile.TemporaryDirectory(prefix="earwitness-fusion-") as work:
            for archive in _archives(labelled, Path(tempfile.mkdtemp(dir=work)), threads):
                asked = sampled(archive, sample)
                click.echo(
                    f"[{(time.perf_counter() - started) / 60:5.1f} min] {asked.name}, {len(asked.questions)} questions",
                    err=True,
                )
                judged += judge(asked, kept, Path(tempfile.mkdtemp(dir=work)))
                kept.save()
        held = held_out(judged)
        fusion = fit_all(judged, f"fitted {made_at[:10]}")
    except (CorpusWrong, DataWrong, GpuError, ProcessFailed, ValueError) as error:
        click.echo(f"benchmarks.fusion: {error}", err=True)
        sys.exit(1)
    if fits:
        FILE.write_text(json.dumps(to_json(fusion, judged, made_at), indent=1) + "\n", "utf-8")
    remark = "Weights were fitted on these queries." if fits else "Nothing was written: the weights are for comparison."
    run = {"corpus": labelled.corpus.name if labelled.corpus else "none", "recordings": {}, "questions": len(judged)}
    report = Report(made_at, facts, run, tables(judged, held, fusion), {}, remark, "How passages are weighed")
    for path in write_report(report, report_file):
        click.echo(str(path))


def _archives(labelled: Labelled, work: Path, threads: int) -> Iterator[Archive]:
    yield from (*labelled.squads(), *labelled.qmsum())
    if labelled.corpus:
        yield labelled.as_heard(work, threads)
        yield labelled.as_labelled()


if __name__ == "__main__":
    command()
