"""How far a word's confidence can be trusted: `python -m benchmarks.confidence --corpus DIR --report FILE [--fit]`.

Hears a labelled corpus, clean and with noise added (benchmarks/noise.py), and asks of every word heard whether it was
said. Without `--fit`, the calibration this version ships (`transcribe/confidence.json`) is judged on the corpus beside
Whisper's own probability. With `--fit`, a new one is fitted on it and put in its place; what the report then says is
held out: the words of a recording, clean and noisy, are judged by a fit on all other recordings.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from benchmarks.calibration import (
    Numbers,
    Truths,
    area_under_curve,
    brier_score,
    expected_calibration_error,
    fit,
    labelled,
    reliability,
)
from benchmarks.corpus import CorpusWrong, Reference, read_corpus
from benchmarks.hypothesis import Hypothesis
from benchmarks.machine import describe
from benchmarks.mixes import write_mixes
from benchmarks.noise import write_noisy
from benchmarks.report import Report, write_report
from benchmarks.table import Column, Table, Value
from gpu.devices import pick_device, wait_without_spinning
from gpu.errors import GpuError
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import Model, ModelPlaces
from gpu.offline import stay_offline
from transcribe.confidence import CLUES, FILE, Calibration, calibration_of, clues
from transcribe.decoding import Decoded
from transcribe.media import decode
from transcribe.stage_seconds import StageSeconds

TOGETHER = 16
EVERYTHING = "all but mixes"
HELD_OUT = (
    "Calibrated claims are held out: the words of a recording, clean and noisy, are judged by a fit on all other "
    "recordings. Mixes are strung together from the same speech, heard in other windows, and judged by the final fit."
)
SHIPPED = "Calibrated claims are those of the calibration this version ships; transcribe/confidence.json says of what."
MIXES = ("pauses", "two languages")  # other windows of the same speech: never fitted on


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Labelled words, a row each. `groups`: words of one recording, clean or noisy, share a number."""

    raw: Numbers  # Whisper's own probability
    clues: Numbers  # (words, clues)
    right: Truths
    groups: Numbers

    @staticmethod
    def of(words: Sequence[tuple[float, tuple[float, ...], bool, int]]) -> Evidence:
        raw, found, right, groups = zip(*words, strict=True) if words else ((), (), (), ())
        return Evidence(
            np.array(raw, np.float64),
            np.array(found, np.float64).reshape(-1, len(CLUES)),
            np.array(right, np.bool_),
            np.array(groups, np.float64),
        )

    @staticmethod
    def joined(some: Sequence[Evidence]) -> Evidence:
        return Evidence(
            *(np.concatenate([getattr(one, name) for one in some]) for name in ("raw", "clues", "right", "groups"))
        )


class Notes:
    """A rating of words that keeps what is known of each, and gives it its number in the notes as its probability."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self.words: list[tuple[float, tuple[float, ...]]] = []

    def __call__(self, decoded: Decoded) -> Decoded:
        with self._writing:
            first = len(self.words)
            self.words += zip((word.probability for word in decoded.words), clues(decoded), strict=True)
        numbers = iter(range(first, len(self.words)))
        phrases = [
            replace(one, words=tuple(replace(word, probability=float(next(numbers))) for word in one.words))
            for one in decoded.phrases
        ]
        return replace(decoded, phrases=tuple(phrases))


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--fit", "fits", is_flag=True, help=f"Fit a new calibration and write it to {FILE.name}.")
@click.option("--asr-model", help="A name or path. [default: the one `earwitness ingest` takes on a CPU]")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
def command(
    folder: Path, report_file: Path, fits: bool, asr_model: str | None, threads: int, limit: int | None
) -> None:
    """Judge, or fit, the confidence of words on a labelled corpus."""
    if fits and limit:
        raise click.UsageError("--fit takes the whole corpus: leave out --limit")
    stay_offline()
    wait_without_spinning()
    device = replace(pick_device("cpu", 1), runners=threads)
    try:
        corpus = read_corpus(folder, limit)
        places = ModelPlaces.from_environment()
        models = HearingModels.find(asr_model, device, places)
        cache = places.cache / "benchmarks"
        noisy = write_noisy(corpus, cache)
        mixes = write_mixes(corpus, cache)
    except (CorpusWrong, GpuError) as error:
        click.echo(f"benchmarks.confidence: {error}", err=True)
        sys.exit(1)
    groups = {
        one.media: number
        for some in ((*corpus.patrol, *corpus.speech), *noisy.values())
        for number, one in enumerate(some)  # noisy recordings come in the order of the clean ones
    }
    sets = {"patrol": corpus.patrol, **noisy, "speech": corpus.speech}
    unfitted = {name: mixes[name] for name in MIXES if name in mixes}
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(threads)
    notes = Notes()
    listener = Listener(models, HearingOptions(), device, notes)
    evidence: dict[str, Evidence] = {}
    for name, references in {**sets, **unfitted}.items():
        if references:
            click.echo(f"hearing {name}", err=True)
            evidence[name] = hear(listener, notes, references, groups)
    listener.close()

    fitted = Evidence.joined([evidence[name] for name in sets if name in evidence])
    if fitted.right.all() or not fitted.right.any() or len(np.unique(fitted.groups)) < 2:
        click.echo(f"benchmarks.confidence: {folder} teaches nothing: it takes two recordings, and words", err=True)
        sys.exit(1)
    calibration = Calibration(*fit(fitted.clues, fitted.right)) if fits else calibration_of(models.asr.sha256)
    tables = judged(evidence, tuple(name for name in sets if name in evidence), calibration, fits)
    if fits:
        assert calibration is not None
        words = {name: len(evidence[name].right) for name in sets if name in evidence}
        write(calibration, models.asr, device.compute_type, corpus.name, words, made_at, tables[0].rows[0])
        click.echo(str(FILE))
    run = {"corpus": corpus.name, "recordings": {name: len(some) for name, some in {**sets, **unfitted}.items()}}
    report = Report(made_at, facts, run, tables, {}, title="How far a word's confidence can be trusted")
    for path in write_report(report, report_file):
        click.echo(str(path))


def judged(
    evidence: Mapping[str, Evidence], fitted_on: Sequence[str], calibration: Calibration | None, fits: bool
) -> tuple[Table, ...]:
    """The tables of the report.

    Args:
        fitted_on: sets that a calibration is, or may be, fitted on.
        fits: `calibration` was fitted on them just now; they are judged held out.
    """
    fitted = Evidence.joined([evidence[name] for name in fitted_on])
    claims = {
        name: held_out(one, fitted) if fits and name in fitted_on else rated(calibration, one)
        for name, one in evidence.items()
    }
    claims[EVERYTHING] = np.concatenate([claims[name] for name in fitted_on])
    scores = confidence_table({EVERYTHING: fitted, **evidence}, claims, HELD_OUT if fits else SHIPPED)
    made = [scores, reliability_table(fitted, claims[EVERYTHING])]
    return (*made, weights_table(calibration)) if calibration else tuple(made)


def write(
    calibration: Calibration,
    model: Model,
    compute_type: str,
    corpus: str,
    words: Mapping[str, int],
    made_at: str,
    scores: Mapping[str, Value],
) -> None:
    """Put a calibration in the place of the one for the same weights; those for other models stay.

    Args:
        words: how many of each set it was fitted on. scores: held out, over all of them.
    """
    known = json.loads(FILE.read_text(encoding="utf-8"))
    known["models"][model.sha256] = {
        "constant": calibration.constant,
        "weights": dict(zip(CLUES, calibration.weights, strict=True)),
        "model": model.name,
        "revision": model.revision,
        "compute_type": compute_type,
        "corpus": corpus,
        "words": dict(words),
        "fitted_at": made_at,
        "held_out": {key: value for key, value in scores.items() if key != "set"},
    }
    FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def hear(listener: Listener, notes: Notes, references: Sequence[Reference], groups: Mapping[Path, int]) -> Evidence:
    """Every word heard in a set that says something."""

    def one(reference: Reference) -> list[tuple[float, tuple[float, ...], bool, int]]:
        segments = listener.words(decode(str(reference.media)), StageSeconds()).segments
        group = groups.get(reference.media, -1)
        return [
            (*notes.words[int(word.confidence)], right, group)
            for word, right in labelled(reference.utterances, Hypothesis(segments))
        ]

    with ThreadPoolExecutor(TOGETHER) as pool:
        return Evidence.of([word for words in pool.map(one, references) for word in words])


def rated(calibration: Calibration | None, evidence: Evidence) -> Numbers:
    """What the words claim: of a model without a calibration, Whisper's own probability."""
    if calibration is None:
        return evidence.raw
    return _claims(calibration, evidence.clues)


def held_out(evidence: Evidence, fitted: Evidence) -> Numbers:
    """What the words claim when each recording is judged by a fit on all the others."""
    claims = np.zeros(len(evidence.raw))
    for group in np.unique(evidence.groups):
        others = fitted.groups != group
        mine = evidence.groups == group
        calibration = Calibration(*fit(fitted.clues[others], fitted.right[others]))
        claims[mine] = _claims(calibration, evidence.clues[mine])
    return claims


def _claims(calibration: Calibration, found: Numbers) -> Numbers:
    return np.array([calibration.chance(tuple(one)) for one in found], np.float64)


def confidence_table(evidence: Mapping[str, Evidence], claims: Mapping[str, Numbers], how: str) -> Table:
    """A row per set, and one for all that a calibration is fitted on."""
    rows: list[dict[str, Value]] = []
    for name, one in evidence.items():
        if not len(one.right):
            continue
        row: dict[str, Value] = {"set": name, "words": len(one.right), "right": round(100 * float(one.right.mean()), 2)}
        for kind, said in (("raw", one.raw), ("calibrated", claims[name])):
            row[f"claimed_{kind}"] = round(100 * float(said.mean()), 2)
            row[f"ece_{kind}"] = round(100 * expected_calibration_error(said, one.right), 2)
            row[f"brier_{kind}"] = round(brier_score(said, one.right), 4)
            auc = area_under_curve(said, one.right)
            row[f"auc_{kind}"] = None if auc is None else round(auc, 4)
        rows.append(row)
    return Table(
        "confidence",
        "How far a word's confidence can be trusted",
        f"{how} ECE: expected calibration error over ten bins of equally many words. Raw is Whisper's own probability "
        "of the word, the mean over its tokens. Words in the wrong place of the alignment count as wrong, as for WER.",
        ("set",),
        (
            Column("words", "words heard", digits=0),
            Column("right", "of them right", "%"),
            Column("claimed_raw", "raw: mean", "%"),
            Column("claimed_calibrated", "calibrated: mean", "%"),
            Column("ece_raw", "raw: ECE", "%", "lower"),
            Column("ece_calibrated", "calibrated: ECE", "%", "lower"),
            Column("brier_raw", "raw: Brier", "", "lower", 4),
            Column("brier_calibrated", "calibrated: Brier", "", "lower", 4),
            Column("auc_raw", "raw: AUC", "", "higher", 3),
            Column("auc_calibrated", "calibrated: AUC", "", "higher", 3),
        ),
        tuple(rows),
        ("ece_raw", "ece_calibrated"),
    )


def reliability_table(evidence: Evidence, claims: Numbers) -> Table:
    """The points of the reliability diagram."""
    raw, calibrated = (reliability(said, evidence.right) for said in (evidence.raw, claims))
    rows: list[dict[str, Value]] = [
        {
            "bin": f"{number} of {len(raw)}",
            "claimed_raw": round(100 * before.claimed, 2),
            "right_raw": round(100 * before.right, 2),
            "claimed_calibrated": round(100 * after.claimed, 2),
            "right_calibrated": round(100 * after.right, 2),
        }
        for number, (before, after) in enumerate(zip(raw, calibrated, strict=True), 1)
    ]
    return Table(
        "reliability",
        "Words by how sure they are",
        "Ten bins of equally many words of all sets that a calibration is fitted on, sorted by what they claim.",
        ("bin",),
        (
            Column("claimed_raw", "claimed", "%"),
            Column("right_raw", "right", "%"),
            Column("claimed_calibrated", "claimed, calibrated", "%"),
            Column("right_calibrated", "right", "%"),
        ),
        tuple(rows),
        (),
        (("raw", "claimed_raw", "right_raw"), ("calibrated", "claimed_calibrated", "right_calibrated")),
    )


def weights_table(calibration: Calibration) -> Table:
    """What a clue is worth."""
    return Table(
        "clues",
        "What speaks for a word",
        "Log odds of being right for one more of each, which are log odds themselves: of the word's own probability, "
        "of its neighbours', of the mean over its window.",
        ("clue",),
        (Column("weight", "log odds", "", "", 3),),
        tuple(
            {"clue": clue, "weight": round(weight, 4)}
            for clue, weight in zip(("(constant)", *CLUES), (calibration.constant, *calibration.weights), strict=True)
        ),
        ("weight",),
    )


if __name__ == "__main__":
    command()
