"""Voices across recordings: `python -m benchmarks.voices --corpus DIR --report FILE.json`.

Hears who speaks in every recording of `patrol/` and `voices/`, compares every voice with those of all other recordings
of its set, and says how far a score can be trusted. Whoever shares most time with a label is who it stands for. Two
cameras of the same moments are not compared: they hear the same words.

Scores are judged held out, each pair by a fit on the recordings of neither; same and different people weigh the same,
however many pairs there are of either, which is what a score means (`transcribe.speaker_voices.same_voice`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import Numbers, Truths, fit
from benchmarks.corpus import Corpus, CorpusWrong, Reference, read_corpus
from benchmarks.machine import describe
from benchmarks.report import Report, write_report
from benchmarks.table import Column, Table, Value
from benchmarks.turns_alone import load_diarizer
from gpu.errors import GpuError
from gpu.offline import stay_offline
from service.voices import SHOWN_SCORE
from transcribe.diarization import Diarizer
from transcribe.errors import TranscribeError
from transcribe.media import decode
from transcribe.speaker_voices import MIN_SPEECH_MS, SAME_CONSTANT, SAME_WEIGHT
from transcribe.transcript import Turn

SETS = ("patrol", "voices")
BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A voice as heard, and whose it truly is."""

    recording: str
    pair: str | None
    person: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Two voices of different recordings of one set, a row each. `recordings`: (pairs, 2), as numbers."""

    likeness: Numbers
    same: Truths
    recordings: NDArray[np.int64]
    sets: NDArray[np.str_]

    def of(self, set_name: str) -> Truths:
        """Which rows are of a set."""
        rows: Truths = self.sets == set_name
        return rows


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of diarization.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
def command(folder: Path, report_file: Path, threads: int, limit: int | None) -> None:
    """Measure, and fit, how surely two voices are one person's."""
    stay_offline()
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        corpus = read_corpus(folder, limit)
        facts = describe(threads)
        voices = hear(corpus, threads)
        pairs = compare(voices)
        if pairs.same.all() or not pairs.same.any():
            raise CorpusWrong(folder, "nobody in it speaks in two recordings, or everybody is one person")
    except (CorpusWrong, GpuError, TranscribeError) as error:
        click.echo(f"benchmarks.voices: {error}", err=True)
        sys.exit(1)
    run = {"corpus": corpus.name, "recordings": {name: len(corpus.references(name)) for name in SETS}}
    tables = (likeness_table(voices, pairs), scale_table(pairs))
    for path in write_report(Report(made_at, facts, run, tables, {}, title="Voices across recordings"), report_file):
        click.echo(str(path))


def hear(corpus: Corpus, threads: int) -> dict[str, list[Voice]]:
    """The voices of each set."""
    diarizer = load_diarizer(threads)
    return {
        name: [voice for reference in corpus.references(name) for voice in _of_recording(diarizer, reference)]
        for name in SETS
    }


def _of_recording(diarizer: Diarizer, reference: Reference) -> list[Voice]:
    found = diarizer.diarize(decode(str(reference.media)).waveform)
    return [
        Voice(reference.name, reference.pair, person, voice.vector)
        for label, voice in found.voices.items()
        if (person := whose(label, found.turns, reference)) is not None
    ]


def whose(label: str, turns: Sequence[Turn], reference: Reference) -> str | None:
    """The person who shares most time with the turns of a label; None: nobody does."""
    shared: dict[str, int] = {}
    for turn in turns:
        for true in reference.turns if turn.speaker == label else ():
            shared[true.speaker] = shared.get(true.speaker, 0) + turn.span.overlap_ms(true.span)
    return max(shared, key=lambda who: shared[who]) if any(shared.values()) else None


def compare(voices: dict[str, list[Voice]]) -> Pairs:
    """Every two voices of one set and different recordings, but those of two cameras of the same moments."""
    names = {one.recording for some in voices.values() for one in some}
    numbers = {name: number for number, name in enumerate(sorted(names))}
    rows = [
        (
            float(one.vector @ other.vector),
            one.person == other.person,
            numbers[one.recording],
            numbers[other.recording],
            name,
        )
        for name, some in voices.items()
        for one, other in combinations(some, 2)
        if one.recording not in (other.recording, other.pair)
    ]
    likeness, same, first, second, sets = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Pairs(
        np.array(likeness, np.float64),
        np.array(same, np.bool_),
        np.array([first, second], np.int64).T.reshape(-1, 2),
        np.array(sets, np.str_),
    )


def even(same: Truths) -> Numbers:
    """How often each pair counts, so that both kinds count the same and all together as often as there are pairs."""
    n_same = max(1, int(same.sum()))
    return np.where(same, len(same) / (2 * n_same), len(same) / (2 * max(1, len(same) - n_same)))


def fitted(pairs: Pairs, used: Truths) -> tuple[float, float]:
    """Constant and weight of the log odds, from some of the pairs."""
    same = pairs.same[used]
    constant, (weight,) = fit(pairs.likeness[used][:, None], same, even(same))
    return constant, weight


def held_out(pairs: Pairs) -> Numbers:
    """The score of each pair, by a fit on the recordings of neither; where those teach nothing, an even one."""
    scores = np.full(len(pairs.same), 0.5)
    for both in np.unique(pairs.recordings, axis=0):
        others: Truths = np.logical_not(np.isin(pairs.recordings, both).any(axis=1))
        if pairs.same[others].all() or not pairs.same[others].any():
            continue
        constant, weight = fitted(pairs, others)
        mine = (pairs.recordings == both).all(axis=1)
        scores[mine] = 1 / (1 + np.exp(-(constant + weight * pairs.likeness[mine])))
    return scores


def equal_error(likeness: Numbers, same: Truths) -> float:
    """Where as many of one person are missed as of two are taken for one: the share of either."""
    steps = np.unique(likeness)
    missed = np.searchsorted(np.sort(likeness[same]), steps) / max(1, int(same.sum()))
    taken = 1 - np.searchsorted(np.sort(likeness[~same]), steps) / max(1, int((~same).sum()))
    place = int(np.abs(missed - taken).argmin())
    return float((missed[place] + taken[place]) / 2)


def log_loss(scores: Numbers, same: Truths) -> float:
    """In bits, at even odds (Cllr, Brummer and du Preez 2006): 1 for a score that always says 0.5."""
    right = np.clip(np.where(same, scores, 1 - scores), 1e-9, 1)
    return float(-(even(same) * np.log2(right)).sum() / len(same))


def calibration_error(scores: Numbers, same: Truths) -> float:
    """The mean distance of a score from how often it is right, over bins that count the same, at even odds."""
    order = np.argsort(scores, kind="stable")
    counts = even(same)[order]
    bins = np.minimum((np.cumsum(counts) - counts / 2) / counts.sum() * BINS, BINS - 1).astype(int)
    gaps = [
        abs(float((counts[some] * (scores[order][some] - same[order][some])).sum()))
        for some in (bins == number for number in range(BINS))
    ]
    return sum(gaps) / float(counts.sum())


def first_right(voices: Sequence[Voice]) -> float | None:
    """Of those heard in two recordings, how many have themselves as the most alike of all others."""
    right = []
    for one in voices:
        others = [other for other in voices if one.recording not in (other.recording, other.pair)]
        if any(other.person == one.person for other in others):
            best = max(others, key=lambda other: float(one.vector @ other.vector))
            right.append(best.person == one.person)
    return sum(right) / len(right) if right else None


def likeness_table(voices: dict[str, list[Voice]], pairs: Pairs) -> Table:
    """A row for each set, and one for both."""
    scores = held_out(pairs)
    rows: list[dict[str, Value]] = []
    for name in (*SETS, "both"):
        chosen = np.ones(len(pairs.same), bool) if name == "both" else pairs.of(name)
        same, mine = pairs.same[chosen], scores[chosen]
        if not same.any() or same.all():
            continue
        some = [voice for set_name in SETS if name in (set_name, "both") for voice in voices[set_name]]
        ranked = None if name == "both" else first_right(some)
        taken = int((mine[~same] >= SHOWN_SCORE).sum())
        rows.append(
            {
                "set": name,
                "voices": len(some),
                "same": int(same.sum()),
                "different": int((~same).sum()),
                "eer": round(100 * equal_error(pairs.likeness[chosen], same), 2),
                "log_loss": round(log_loss(mine, same), 3),
                "ece": round(100 * calibration_error(mine, same), 2),
                "missed": round(100 * float((mine[same] < SHOWN_SCORE).mean()), 2),
                "taken": round(100 * taken / int((~same).sum()), 2),
                "n_taken": taken,
                "first": None if ranked is None else round(100 * ranked, 1),
            }
        )
    return Table(
        "likeness",
        "Is it the same voice",
        f"Pairs of voices of different recordings of one set, of {MIN_SPEECH_MS / 1000:.0f} s of speech or more. "
        "Scores are held out: each pair is judged by a fit on the recordings of neither. Log loss and calibration "
        f"error are taken at even odds. Missed, and taken for one: at a score of {SHOWN_SCORE}; less is not shown. "
        "In an archive strangers are compared so much more often that most of what is shown will be strangers: one "
        "false match in a hundred pairs is a thousand in a hundred thousand voices. First: how often somebody heard in "
        "two recordings is first among all others. `patrol` is synthetic speech, `voices` real readers who do not talk "
        "to each other; footage is harder than both.",
        ("set",),
        (
            Column("voices", "voices", digits=0),
            Column("same", "pairs of one person", digits=0),
            Column("different", "pairs of two", digits=0),
            Column("eer", "equal error", "%", "lower", 2),
            Column("log_loss", "log loss", "bits", "lower", 3),
            Column("ece", "calibration error", "%", "lower", 2),
            Column("missed", "missed", "%", "lower"),
            Column("taken", "taken for one", "%", "lower", 2),
            Column("n_taken", "taken for one, pairs", "", "lower", 0),
            Column("first", "first is right", "%", "higher"),
        ),
        tuple(rows),
        ("eer", "missed", "taken"),
    )


def scale_table(pairs: Pairs) -> Table:
    """What a fit on all pairs says beside what the code has."""
    constant, weight = fitted(pairs, np.ones(len(pairs.same), bool))
    fits = (("fitted now", constant, weight), ("in the code", SAME_CONSTANT, SAME_WEIGHT))
    return Table(
        "scale",
        "From likeness to score",
        "Log odds of being one person's, for two voices of no likeness and for full likeness more: of a fit on all "
        "pairs of this corpus, and of `transcribe.speaker_voices`. Even: the likeness that gets a score of 0.5.",
        ("scale",),
        (
            Column("constant", "constant", digits=2),
            Column("weight", "weight", digits=2),
            Column("even", "even", digits=3),
        ),
        tuple(
            {"scale": name, "constant": round(first, 3), "weight": round(more, 3), "even": round(-first / more, 4)}
            for name, first, more in fits
        ),
        ("even",),
    )


if __name__ == "__main__":
    command()
