"""Angles: `python -m benchmarks.angles --corpus DIR --data DIR --report FILE.md`.

For every two patrol recordings that the corpus calls a pair: how far off the offset between them is, by words and by
sound, and how many of the phrases that are said on both cameras, and heard on both, are one hit with two angles.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import describe
from search.angles import Link
from search.hit import Hit
from search.indexes.edge import EdgeIndex
from search.query import Query
from search.searcher import Searcher
from search.text import tokens
from service.alignment import align
from service.catalog import Catalog, RecordingRow
from service.export import current_transcript
from service.settings import load_settings
from service.transcripts import TranscriptStore
from transcribe.alignment import align_words

PHRASE_WORDS = (2, 3, 4)
NEAR_MS = 1_000  # two places are one moment when the true offset puts them so near each other
PROMISED_ERROR_MS, PROMISED_SHARE = 300, 0.9


@dataclass(slots=True)
class Folding:
    """Phrases by what became of them."""

    said_on_both: int = 0
    heard_on_one: list[str] = field(default_factory=list)
    heard_on_both: int = 0
    one_hit_each: int = 0  # each of its places that both cameras heard is one hit with two angles
    apart: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        return self.one_hit_each / max(1, self.heard_on_both)


def pairs(corpus: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Labels of recordings that are a pair, the one that the offset counts from first."""
    labels = {path.stem: json.loads(path.read_text()) for path in sorted((corpus / "patrol").glob("*.json"))}
    for label in labels.values():
        if label.get("pair") in labels and label["pair_offset_s"]:
            yield labels[label["pair"]], label


def phrases(label: dict[str, Any]) -> set[tuple[str, ...]]:
    """Every run of so many words of what is said in one go."""
    said = [tokens(utterance["text"]) for utterance in label["utterances"]]
    return {tuple(one[at : at + n]) for one in said for n in PHRASE_WORDS for at in range(len(one) - n + 1)}


def folding(searcher: Searcher, asked: set[tuple[str, ...]], first: str, second: str, offset_ms: int) -> Folding:
    """Ask for each phrase exactly.

    Args:
        first, second: recording ids; `offset_ms`: the true one, own time of the second = time in the first + offset.
    """
    counted = Folding(len(asked))
    for phrase in sorted(asked):
        hits = searcher.search(Query(f'"{" ".join(phrase)}"', limit=1_000)).hits
        here, there = (
            [one.start_ms for hit in hits for one in hit.every_angle if one.recording_id == name]
            for name in (first, second)
        )
        heard_by_both = [at for at in here if any(abs(at + offset_ms - other) <= NEAR_MS for other in there)]
        if not heard_by_both:
            counted.heard_on_one += [" ".join(phrase)] if here or there else []
            continue
        counted.heard_on_both += 1
        right = [hit for hit in hits if _is_pair(hit, first, second, offset_ms)]
        if len(right) >= len(heard_by_both):
            counted.one_hit_each += 1
        else:
            counted.apart.append(" ".join(phrase))
    return counted


def _is_pair(hit: Hit, first: str, second: str, offset_ms: int) -> bool:
    starts: dict[str, int] = {one.recording_id: one.start_ms for one in hit.every_angle}
    return starts.keys() == {first, second} and abs(starts[first] + offset_ms - starts[second]) <= NEAR_MS


def ingest(corpus: Path, data: Path, names: set[str]) -> None:
    """Hear the recordings, unless they were heard into this folder before."""
    files = [str(corpus / "patrol" / name) for name in sorted(names)]
    command = [str(Path(sys.executable).with_name("earwitness")), "--data", str(data), "ingest", *files]
    subprocess.run([*command, "--manifest", str(corpus / "patrol" / "manifest.csv")], check=True)


@click.command()
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Archive to hear the pairs into.")
@click.option("--report", type=click.Path(path_type=Path), required=True, help="Markdown file to write.")
def main(corpus: Path, data: Path, report: Path) -> None:
    """Measure offsets and folding on the pairs of a corpus. Exit code 1 when a promise is broken."""
    labelled = list(pairs(corpus))
    ingest(corpus, data, {label["file"] for pair in labelled for label in pair})
    settings, rows, kept = load_settings(data=data), [], True
    machine = (facts := describe(threads=0))["machine"]
    notes: list[str] = []
    with Catalog.open(settings.catalog) as catalog:
        store = TranscriptStore(settings.transcripts)
        known = {Path(row.sources[0]).name: row for row in catalog.recordings() if row.sources}
        for label, other in labelled:
            first, second = known[label["file"]], known[other["file"]]
            true_ms = round(1000 * (other["pair_offset_s"] - label["pair_offset_s"]))
            words_ms, spent_ms = _by_words(store, first, second)
            links = [link for link in catalog.links_of([first.id]) if second.id in (link.first, link.second)]
            index = EdgeIndex.open(settings.index)
            try:
                searcher = Searcher(index, None, links_of=catalog.links_of)
                counted = folding(searcher, phrases(label) & phrases(other), first.id, second.id, true_ms)
            finally:
                index.close()
            sound = align(catalog, store, first, second).sound
            told = _told(links, first)
            rows.append(
                f"| {label['id']}, {other['id']} | {true_ms} | {_off(words_ms, true_ms)} | {_off(told, true_ms)} | "
                f"{_off(sound.offset_ms if sound else None, true_ms)} | {spent_ms:.0f} | {counted.said_on_both} | "
                f"{len(counted.heard_on_one)} | {counted.heard_on_both} | "
                f"{counted.one_hit_each} ({counted.share:.1%}) |"
            )
            notes += [f"- {label['id']}, {other['id']}, heard on both and not folded: {one}" for one in counted.apart]
            kept &= told is not None and abs(told - true_ms) <= PROMISED_ERROR_MS and counted.share >= PROMISED_SHARE
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(
        "# Angles\n\n"
        f"`python -m benchmarks.angles`; {machine['system']}, {machine['processor']}, {machine['cores']} cores, load "
        f"{machine['load_at_start']} at the start, Python {machine['python']}; commit {facts['commit']}"
        f"{' with changes' if facts['changed_since_commit'] else ''}.\n\n"
        f"Promised: the kept offset within {PROMISED_ERROR_MS} ms of the truth, and {PROMISED_SHARE:.0%} of the "
        "phrases heard on both cameras folded into one hit with two angles each time. Phrases: every run of "
        f"{', '.join(map(str, PHRASE_WORDS))} words that the labels have in both.\n\n"
        "| pair | true offset (ms) | words are off by | kept for searches, off by | sound is off by | words took (ms) "
        "| phrases said on both | heard on one only | heard on both | one hit, two angles |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
        + ("\n" + "\n".join(notes) + "\n" if notes else ""),
        encoding="utf-8",
    )
    click.echo(report.read_text(encoding="utf-8"))
    sys.exit(0 if kept and rows else 1)


def _by_words(store: TranscriptStore, first: RecordingRow, second: RecordingRow) -> tuple[int | None, float]:
    """The offset, and the milliseconds it took to read both transcripts and align them."""
    started = time.perf_counter()
    found = align_words(*(current_transcript(row, store).words for row in (first, second)))
    return found.offset_ms, 1000 * (time.perf_counter() - started)


def _told(links: list[Link], first: RecordingRow) -> int | None:
    return next((link.offset_ms if link.first == first.id else -link.offset_ms for link in links), None)


def _off(measured_ms: int | None, true_ms: int) -> str:
    return "no offset" if measured_ms is None else f"{measured_ms - true_ms:+d} ms"


if __name__ == "__main__":
    main()
