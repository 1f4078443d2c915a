"""Terms looked for: by our search, by its exact mode, and by a plain search in the text of our transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchmarks.archives import Archive
from benchmarks.finding import NEAR_MS
from benchmarks.outcome import OURS
from benchmarks.systems import DEPTH
from benchmarks.table import Column, Table, Value
from benchmarks.term_scores import Detection, TermScore, best_value, score_where
from benchmarks.terms import Term
from search.embedding import Embedder
from search.protocols import Index
from search.query import Mode, Query
from search.searcher import Searcher
from transcribe.transcript import Transcript

TEXT_SEARCH = "exact text search"
EXACT_MODE = f"{OURS}, exact mode"
THRESHOLDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.04, *(step / 20 for step in range(1, 20)))
MANY = 10_000  # exact mode: every place there is

Found = dict[str, list[list[Detection]]]  # by system, for each term


def look_for(terms: Sequence[Term], archive: Archive, index: Index, embedder: Embedder) -> Found:
    """What each system claims of each term."""
    searcher = Searcher(index, embedder)
    labelled = [one for one in archive.transcripts if one.recording.id in archive.names]
    others = [one for one in archive.transcripts if one.recording.id not in archive.names]
    found: Found = {OURS: [], EXACT_MODE: [], TEXT_SEARCH: []}
    words_of = [(archive.names[one.recording.id], list(_words(one))) for one in labelled]
    words_of_others = [(None, list(_words(one))) for one in others]
    for term in terms:
        for system, mode, limit in ((OURS, Mode.AUTO, DEPTH), (EXACT_MODE, Mode.EXACT, MANY)):
            hits = searcher.search(Query(term.text, mode, limit)).hits
            found[system].append(
                [
                    Detection(
                        archive.names.get(hit.recording_id),
                        hit.start_ms,
                        hit.score,
                        hit.found,
                    )
                    for hit in hits
                ]
            )
        wanted = [word for word, _ in _split(term.text, 0)]
        found[TEXT_SEARCH].append(
            [
                Detection(recording, start_ms, 1.0)
                for recording, words in (*words_of, *words_of_others)
                for start_ms in _places(wanted, words)
            ]
        )
    return found


def _words(transcript: Transcript) -> Iterator[tuple[str, int]]:
    """Every word in lower case and without punctuation, and when it starts."""
    for segment in transcript.segments:
        if segment.words:
            for word in segment.words:
                yield from _split(word.text, word.start_ms)
        else:
            yield from _split(segment.text, segment.start_ms)


def _split(text: str, start_ms: int) -> list[tuple[str, int]]:
    return [(word, start_ms) for word in re.findall(r"[^\W_]+", text.casefold())]


def _places(wanted: Sequence[str], words: Sequence[tuple[str, int]]) -> Iterator[int]:
    for first, (word, start_ms) in enumerate(words):
        if word == wanted[0] and [one for one, _ in words[first : first + len(wanted)]] == list(wanted):
            yield start_ms


def terms_table(terms: Sequence[Term], found: Found, recorded_ms: int) -> Table:
    """A row for all terms and for each kind, and each system."""
    rows: list[dict[str, Value]] = []
    for kind in ("all", *dict.fromkeys(term.kind for term in terms)):
        chosen = [number for number, term in enumerate(terms) if kind in ("all", term.kind)]
        some = [terms[number] for number in chosen]
        for system, detections in found.items():
            of_some = [detections[number] for number in chosen]
            at = score_where(some, of_some, None, recorded_ms, NEAR_MS)
            best, threshold = best_value(some, of_some, recorded_ms, NEAR_MS)
            rows.append(
                {
                    "set": f"{kind} terms" if kind == "all" else f"{kind}s",
                    "system": system,
                    "terms": len(some),
                    "occurrences": sum(len(term.occurrences) for term in some),
                    **_values(at),
                    "mtwv": round(best, 3),
                    "threshold": round(threshold, 3) if best > 0 else None,
                }
            )
    return Table(
        "terms",
        "Names, streets, plates and numbers",
        f"Terms of the labels, looked for in our transcripts ({recorded_ms / 60_000:.1f} minutes). A claim is right "
        f"when it starts at most {NEAR_MS / 1000:.0f} s from an utterance that says the term; each is found once. "
        f"{OURS}: hits it marks as found, of the first {DEPTH}. {TEXT_SEARCH}: the term's words side by side, in lower "
        "case, without punctuation, and nothing else. ATWV: NIST's term-weighted value, beta 999.9, of what is shown; "
        "MTWV: at the best threshold, with hindsight. With so little speech one false alarm of a term costs its "
        "value as much as not finding it at all. Elsewhere: claims in other people's text, which may truly say it.",
        ("set", "system"),
        (
            Column("terms", "terms", digits=0),
            Column("occurrences", "occurrences", digits=0),
            Column("recall", "recall", "%", "higher"),
            Column("false", "false alarms per term-hour", "", "lower", 2),
            Column("outside", "elsewhere, per term", "", "", 2),
            Column("atwv", "ATWV", "", "higher", 3),
            Column("mtwv", "MTWV", "", "higher", 3),
            Column("threshold", "its threshold", "", "", 3),
        ),
        tuple(rows),
        ("recall",),
    )


def thresholds_table(terms: Sequence[Term], found: Found, recorded_ms: int) -> Table:
    """Our search at every threshold, for all terms and for names."""
    names = [number for number, term in enumerate(terms) if term.kind == "name"]
    sets = {"all": list(range(len(terms)))} | ({"names": names} if names else {})
    rows: list[dict[str, Value]] = []
    for threshold in THRESHOLDS:
        row: dict[str, Value] = {"threshold": f"{threshold:.3f}"}
        for name, chosen in sets.items():
            at = score_where(
                [terms[number] for number in chosen],
                [found[OURS][number] for number in chosen],
                threshold,
                recorded_ms,
                NEAR_MS,
            )
            row |= {f"{name}_{key}": value for key, value in _values(at).items()}
        rows.append(row)
    columns = [
        column
        for name in sets
        for column in (
            Column(f"{name}_recall", f"{name}: recall", "%", "higher"),
            Column(f"{name}_false", f"{name}: false alarms per term-hour", "", "lower", 2),
            Column(f"{name}_outside", f"{name}: elsewhere, per term", "", "", 2),
            Column(f"{name}_atwv", f"{name}: TWV", "", "higher", 3),
        )
    ]
    return Table(
        "thresholds",
        "Terms at every threshold",
        "Our search, showing every hit with at least this score, whatever it is marked as.",
        ("threshold",),
        tuple(columns),
        tuple(rows),
        tuple(f"{name}_recall" for name in sets),
    )


def _values(at: TermScore) -> dict[str, Value]:
    return {
        "recall": round(100 * at.recall, 2),
        "false": round(at.false_per_hour, 3),
        "outside": round(at.outside_per_term, 3),
        "atwv": round(at.value, 3),
    }
