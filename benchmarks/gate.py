"""What each rule of the gate catches, and what it costs: `python -m benchmarks.gate --corpus DIR --report FILE`.

Hears speech, clean and with noise added, and half an hour of everything but speech. For each rule: how many windows
it had decoded again, and, of the words it doubted or kept from being written down, how many had been said. A rule earns
its place where few of them were.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.calibration import labelled
from benchmarks.corpus import CorpusWrong, Reference, read_corpus
from benchmarks.hypothesis import Hypothesis
from benchmarks.machine import describe
from benchmarks.mixes import write_mixes
from benchmarks.noise import write_noisy
from benchmarks.report import Report, write_report
from benchmarks.stress import DEFAULT_SEED, speech_for_stress, write_stress
from benchmarks.table import Column, Table, Value
from gpu.devices import pick_device, wait_without_spinning
from gpu.errors import GpuError
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces
from gpu.offline import stay_offline
from transcribe.gate import UNHEARD, Finding
from transcribe.hearing import Step
from transcribe.media import decode
from transcribe.segments import HeardWindow
from transcribe.spans import Span
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import Segment
from transcribe.words import place_words

TOGETHER = 16
BELIEVED, RECOVERED = "(nothing: believed)", "(speech left open: recovered)"


@dataclass(slots=True)
class Watched:
    """Every answer of one recording."""

    answers: list[tuple[Step, HeardWindow]] = field(default_factory=list)

    def see(self, step: Step, heard: HeardWindow) -> None:
        self.answers.append((step, heard))

    def of(self, *steps: Step) -> list[HeardWindow]:
        return [heard for step, heard in self.answers if step in steps]


@dataclass(slots=True)
class Caught:
    """What one rule did in one set. Words it left in the text and flagged, or kept out of it, and the right ones."""

    windows: int = 0
    doubted: Counter[bool] = field(default_factory=Counter)  # by whether the word was said
    unwritten: Counter[bool] = field(default_factory=Counter)


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", "report_file", type=click.Path(path_type=Path), required=True, help="JSON; Markdown beside.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--stress-minutes", type=click.FloatRange(0.0), default=8.0, show_default=True, help="0: no stress set.")
@click.option("--limit", type=click.IntRange(1), help="At most so many recordings of each set, for a quick check.")
def command(folder: Path, report_file: Path, threads: int, stress_minutes: float, limit: int | None) -> None:
    """Count what each rule of the gate catches."""
    stay_offline()
    wait_without_spinning()
    device = replace(pick_device("cpu", 1), runners=threads)
    try:
        corpus = read_corpus(folder, limit)
        places = ModelPlaces.from_environment()
        cache = places.cache / "benchmarks"
        sets = {"patrol": corpus.patrol, **write_noisy(corpus, cache), "speech": corpus.speech}
        sets["pauses"] = write_mixes(corpus, cache).get("pauses", ())
        if stress_minutes:
            made = write_stress(cache, stress_minutes, DEFAULT_SEED, speech_for_stress(corpus))
            sets["nobody speaks"] = tuple(Reference(path.stem, path) for path in made)
        models = HearingModels.find(None, device, places)
    except (CorpusWrong, GpuError) as error:
        click.echo(f"benchmarks.gate: {error}", err=True)
        sys.exit(1)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    facts = describe(threads)
    rows: list[dict[str, Value]] = []
    listener = Listener(models, HearingOptions(), device)
    try:
        for name, references in sets.items():
            if references:
                rows += caught_rows(name, references, _watch(listener, references))
                click.echo(f"  {name}: {len(references)} recordings", err=True)
    finally:
        listener.close()
    run = {
        "corpus": corpus.name,
        "recordings": {name: len(references) for name, references in sets.items()},
        "stress_minutes": stress_minutes,
        "seed": DEFAULT_SEED,
    }
    report = Report(made_at, facts, run, (gate_table(rows),), {}, title="What the gate catches")
    for path in write_report(report, report_file):
        click.echo(str(path))


@dataclass(frozen=True, slots=True)
class Phrase:
    """What became of one phrase. window: the span it was heard in."""

    window: Span
    findings: frozenset[Finding]


def _phrases(reference: Reference, settled: Sequence[HeardWindow]) -> list[tuple[Phrase, list[bool]]]:
    """Every phrase of a recording, also those that are not written down, and of each word whether it was said."""
    phrases: list[Phrase] = []
    segments: list[Segment] = []
    for heard in settled:
        placed = place_words(heard.decoded.words, heard.window)
        for phrase, doubts in zip(heard.decoded.phrases, heard.doubts, strict=True):
            words, placed = placed[: len(phrase.words)], placed[len(phrase.words) :]
            if not words:
                continue
            number = str(len(phrases))  # words carry the number of their phrase through the alignment
            phrases.append(Phrase(heard.window.span, doubts | (heard.found & UNHEARD)))
            numbered = tuple(replace(word, flags=(number,)) for word in words)
            segments.append(
                Segment(words[0].start_ms, words[-1].end_ms, phrase.text, heard.window.language, 1.0, numbered)
            )
    said: list[list[bool]] = [[] for _ in phrases]
    for word, right in labelled(reference.utterances, Hypothesis(tuple(segments))):
        said[int(word.flags[0])].append(right)
    return list(zip(phrases, said, strict=True))


def _percent(verdicts: Counter[bool]) -> float | None:
    return round(100 * verdicts[True] / verdicts.total(), 1) if verdicts else None


def gate_table(rows: Sequence[Mapping[str, Value]]) -> Table:
    """The counts of every set."""
    return Table(
        "gate",
        "What the gate catches",
        "Windows: whose first answer the rule found something in; in the row of what was believed, all windows, and "
        "how many more were decoded for each hundred of them: what the gate costs. Words: of phrases the rule doubts "
        "in the end; and those it kept from being written down, their speech covered as unintelligible. Several rules "
        "may doubt a phrase. A word is right where it was said; a loop is counted before it is shortened.",
        ("set", "rule"),
        (
            Column("windows", "windows", digits=0),
            Column("again", "decoded again", "%"),
            Column("words", "words", digits=0),
            Column("right", "of them right", "%"),
            Column("unwritten", "not written", digits=0),
            Column("unwritten_right", "of them right", "%"),
        ),
        tuple(rows),
        ("words", "unwritten"),
    )


def _watch(listener: Listener, references: Sequence[Reference]) -> list[Watched]:
    hearing, batcher = listener.load()

    def one(reference: Reference) -> Watched:
        watched = Watched()
        batcher.submit(hearing.hear(decode(str(reference.media)), StageSeconds(), watch=watched.see)).result()
        return watched

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(one, references))


def caught_rows(set_name: str, references: Sequence[Reference], watched: Sequence[Watched]) -> list[dict[str, Value]]:
    """A row per rule that found anything, one for what none did, and one for speech recovered."""
    by_rule: dict[str, Caught] = {BELIEVED: Caught(), RECOVERED: Caught()}
    n_windows = n_again = 0
    for reference, one in zip(references, watched, strict=True):
        first = one.of(Step.FIRST)
        n_windows += len(first)
        n_again += len(one.of(Step.AGAIN, Step.RECOVERED, Step.IN_VAIN))
        for heard in first:
            for finding in heard.found:
                by_rule.setdefault(finding, Caught()).windows += 1
        recovered = {heard.window.span for heard in one.of(Step.RECOVERED)}
        by_rule[RECOVERED].windows += len(recovered)
        for phrase, said in _phrases(reference, one.of(Step.SETTLED)):
            known = RECOVERED if phrase.window in recovered else BELIEVED
            for rule in phrase.findings or {known}:
                caught = by_rule.setdefault(rule, Caught())
                (caught.unwritten if phrase.findings & UNHEARD else caught.doubted).update(said)
    rows: list[dict[str, Value]] = []
    for rule, caught in sorted(by_rule.items()):
        rows.append(
            {
                "set": set_name,
                "rule": rule,
                "windows": caught.windows if rule != BELIEVED else n_windows,
                "again": round(100 * n_again / max(1, n_windows), 1) if rule == BELIEVED else None,
                "words": caught.doubted.total(),
                "right": _percent(caught.doubted),
                "unwritten": caught.unwritten.total(),
                "unwritten_right": _percent(caught.unwritten),
            }
        )
    return rows


if __name__ == "__main__":
    command()
