"""What becomes of speed and of answers as an archive grows.

Distractors are made of the given data by a seeded script: two or three sentences of different passages, none of which
answers a question asked here. Their dense vectors are the means of their sentences' vectors (`SentenceMeans`): to
embed a million passages takes hours.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.archives import Archive, fill, make_transcript, untimed_segment
from benchmarks.measures import SEED, Ranked, estimates
from benchmarks.systems import rank
from benchmarks.table import Column, Table, Value
from benchmarks.vectors import KeptVectors, SentenceMeans, sentences
from search.embedding import Embedder
from search.protocols import Index
from search.query import Query
from search.searcher import Searcher
from transcribe.transcript import Covered, State, Transcript

SIZES = (100_000, 1_000_000)
QUESTIONS = 200
LIMIT = 10  # hits of one page, as a person asks for them
BLOCK = 1_000  # passages of a made-up recording
WORD_MS, HOLE_MS = 300, 2_000
MIN_WORDS = 4  # of a sentence; "Okay." is no distractor


def grow(
    archive: Archive,
    sources: Sequence[Transcript],
    sizes: Sequence[int],
    embedder: Embedder,
    kept: KeptVectors,
    folder: Path,
) -> list[dict[str, Value]]:
    """A row for the archive as it is and for each size; the index is filled up from one to the next.

    Args:
        sources: whose sentences become distractors.
        embedder: embeds the questions, each anew.
        kept: has, or gets, the vectors of passages and sentences.
    """
    from search.indexes.edge import EdgeIndex

    random_ = random.Random(SEED)
    asked = random_.sample(archive.questions, min(QUESTIONS, len(archive.questions)))
    answered = {answer.recording for question in asked for answer in question.query.relevant}
    pool = sorted(
        {
            sentence
            for transcript in sources
            if archive.names.get(transcript.recording.id) not in answered
            for segment in transcript.segments
            for sentence in sentences(segment.text)
            if len(sentence.split()) >= MIN_WORDS
        }
    )
    kept.passages(pool)
    small = replace(archive, questions=tuple(asked))
    rows: list[dict[str, Value]] = []
    n_passages = 0
    made = _blocks(pool, random_)
    for size in (0, *sizes) if pool else (0,):
        index = EdgeIndex.open(folder / "index")
        try:
            if not n_passages:
                n_passages = fill(index, archive.transcripts, kept)
            while n_passages < size:
                n_passages += fill(index, [next(made)], SentenceMeans(kept))
        finally:
            index.close()
        index = EdgeIndex.open(folder / "index")
        try:
            rows.append(_row(small, index, embedder, n_passages))
        finally:
            index.close()
    return rows


def _blocks(pool: Sequence[str], random_: random.Random) -> Iterator[Transcript]:
    """Recordings of recombined passages, without end; silence keeps passages from being each other's context."""
    number = 0
    while True:
        segments, coverage, at = [], [], 0
        for _ in range(BLOCK):
            some = random_.sample(pool, min(len(pool), random_.randint(2, 3)))
            text = " ".join(one if one[-1] in ".?!" else f"{one}." for one in some)
            end = at + WORD_MS * len(text.split())
            segments.append(untimed_segment(text, at, end))
            coverage += [
                Covered(at, end, State.SPEECH),
                Covered(end, end + HOLE_MS, State.DIGITAL_SILENCE),
            ]
            at = end + HOLE_MS
        yield make_transcript(f"distractors-{number}", segments, at, coverage=coverage)
        number += 1


def _row(archive: Archive, index: Index, embedder: Embedder, n_passages: int) -> dict[str, Value]:
    """Every question once to warm up, which is also what is judged, and once more against the clock."""
    searcher = Searcher(index, embedder)
    ranked: list[Ranked] = []
    for question in archive.questions:
        hits = searcher.search(Query(question.query.text, limit=LIMIT, filters=question.filters)).hits
        ranked.append(rank(archive, question, hits))
    spent_ms = []
    for question in archive.questions:
        started = time.perf_counter()
        searcher.search(Query(question.query.text, limit=LIMIT, filters=question.filters))
        spent_ms.append(1000 * (time.perf_counter() - started))
    embedding_ms = []
    for question in archive.questions:
        started = time.perf_counter()
        embedder.query(question.query.text)
        embedding_ms.append(1000 * (time.perf_counter() - started))
    worth = estimates(ranked)
    return {
        "passages": f"{n_passages:,}",
        "questions": len(ranked),
        "median_ms": round(float(np.median(spent_ms)), 1),
        "p95_ms": round(float(np.percentile(spent_ms, 95)), 1),
        "embedding_ms": round(float(np.median(embedding_ms)), 1),
        "mrr": round(worth["mrr"].mean, 3),
        "mrr_low": round(worth["mrr"].low, 3),
        "mrr_high": round(worth["mrr"].high, 3),
        "hit10": round(100 * worth["hit10"].mean, 1),
    }


def growth_table(name: str, rows: Sequence[dict[str, Value]]) -> Table:
    return Table(
        "growth",
        "As an archive grows",
        f"{name}, then with distractors: two or three sentences of different passages of the given data, none of which "
        "answers a question asked here. Their dense vectors are means of their sentences' own, not what the model "
        "makes of them together. A query in this process, one at a time, its embedding included, warm; ten hits, and "
        "MRR in them.",
        ("passages",),
        (
            Column("questions", "questions", digits=0),
            Column("median_ms", "median", "ms", "lower"),
            Column("p95_ms", "95th percentile", "ms", "lower"),
            Column("embedding_ms", "of that, embedding", "ms", "lower"),
            Column("mrr", "MRR", "", "higher", 3),
            Column("mrr_low", "from", digits=3),
            Column("mrr_high", "to", digits=3),
            Column("hit10", "hit@10", "%", "higher"),
        ),
        tuple(rows),
        ("median_ms", "p95_ms"),
    )
