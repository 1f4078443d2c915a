"""Passages to rows: vectors, and the payload that makes a hit need no second read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.bm25 import AVG_PASSAGE_WORDS, passage_terms, passage_vector
from search.embedding import Embedder, Vectors
from search.folding import filter_field, fold
from search.labels import Labels
from search.passages import (
    CONTINUATION_WORDS,
    MAX_PASSAGE_MS,
    MAX_PAUSE_MS,
    MIN_CUT_MS,
    Passage,
    build_passages,
    stream,
)
from search.phonemes import engine_version, heard
from search.protocols import EDITION_FIELD, Edition, Row, point_id
from search.schema import TERMS_FIELD
from search.sounds import AVG_PASSAGE_PHONEMES, LENGTH_SHARE, RUN
from search.sounds import passage_vector as sounds_vector
from search.text import tokens
from transcribe.transcript import Kind, ModelUse, Recording, Transcript, canonical_json

# Raised when what a row holds changes; every recording is then indexed again from its transcript.
SCHEMA_VERSION = 5

# What stands around a passage weighs in its meaning as much as so many words of its own. On dev, without it MRR is 0.05
# lower for paraphrases and for what a certain person said; 8 and 12 words are no better.
CONTEXT_AS_WORDS = 4
MAX_CONTEXT_WORDS = 10  # of two neighbours, one of three words says less than one of ten; a longer one says no more

UNTIMED = "no_word_times"  # flag: the text was heard, but not when each of its words was said


def passages_fingerprint(model: ModelUse) -> str:
    """What rows depend on besides the transcript and its metadata."""
    parts = [SCHEMA_VERSION, model.sha256, MAX_PASSAGE_MS, MAX_PAUSE_MS, CONTINUATION_WORDS, AVG_PASSAGE_WORDS]
    parts += [MIN_CUT_MS, CONTEXT_AS_WORDS]
    parts += [engine_version(), RUN, LENGTH_SHARE, AVG_PASSAGE_PHONEMES]  # None: rows without sounds, until it runs
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:16]


def editions(
    corrected: Transcript, machine: Transcript, embedder: Embedder, labels: Labels | None = None
) -> tuple[list[Row], list[Row]]:
    """The rows of a recording that people corrected, and those of what the machine heard, kept beside them.

    Arguments as of `rows`.

    Most of what both say is the same, and is embedded once.
    """
    once = _Once(embedder)
    found = []
    for edition, transcript in ((Edition.CORRECTED, corrected), (Edition.MACHINE, machine)):
        made = rows(transcript, build_passages(transcript), once, labels)
        found.append([replace(row, payload={**row.payload, EDITION_FIELD: edition.value}) for row in made])
    return found[0], found[1]


class _Once:
    """An embedder that remembers what it embedded."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self._known = embedder, dict[str, NDArray[np.float32]]()
        self.use, self.dimension = embedder.use, embedder.dimension

    def passages(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.passages(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else self._embedder.passages([])

    def query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.query(text)


def rows(
    transcript: Transcript, passages: Sequence[Passage], embedder: Embedder, labels: Labels | None = None
) -> list[Row]:
    """One row per passage, under these labels; None: the transcript's metadata, neither sealed nor held.

    A passage that is not English is embedded by its translation where it has one: the bundled embedder
    reads English only. Sounds are those of what was said, never of a translation; without espeak-ng rows have none.
    """
    version, said_of_it = transcript.version, (labels or Labels(transcript.recording.metadata)).payload()
    shared = {name: value for name, value in said_of_it.items() if value is not None}
    sounded = engine_version() is not None
    sounds = [heard([word.text for word in stream(one)], one.language) if sounded else [] for one in passages]
    vectors = _in_context(embedder.passages([passage.translation or passage.text for passage in passages]), passages)
    return [
        Row(
            point_id(passage.recording_id, version, passage.ordinal),
            vectors[position],
            passage_vector(passage.text, passage.language, passage.translation),
            sounds_vector(sounds[position]),
            shared
            | _payload(transcript.recording, version, passage, transcript.kind_of(passage.speaker), sounds[position]),
        )
        for position, passage in enumerate(passages)
    ]


def _in_context(vectors: Vectors, passages: Sequence[Passage]) -> Vectors:
    """Each vector with something of its neighbours': the fewer words a passage has, the more it means by them.

    "No, I didn't" answers what was asked before. Neighbours are those shown around a hit; rows keep length 1.
    """
    if not passages:
        return vectors
    n_words = np.array([max(1, len(tokens(passage.translation or passage.text))) for passage in passages])
    mixed = vectors.copy()
    for place, passage in enumerate(passages):
        sides = ((place - 1, passage.context_before), (place + 1, passage.context_after))
        beside = [side for side, context in sides if context]
        if beside:
            around = np.average(vectors[beside], axis=0, weights=np.minimum(n_words[beside], MAX_CONTEXT_WORDS))
            mixed[place] += around * min(1.0, CONTEXT_AS_WORDS / n_words[place])
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed


def _payload(
    recording: Recording, version: str, passage: Passage, kind: Kind | None, sounds: Sequence[str]
) -> dict[str, Any]:
    own = stream(passage)
    spoken = [token for word in (*own, *passage.after) for token in tokens(word.text)]
    untimed = () if passage.words else (UNTIMED,)
    payload: dict[str, Any] = {
        "recording_id": recording.id,
        "source": recording.source,
        "version": version,
        "ordinal": passage.ordinal,
        "start_ms": passage.start_ms,
        "end_ms": passage.end_ms,
        "speaker": passage.speaker,
        "speaker_kind": kind.value if kind else None,
        "language": passage.language,
        "text": passage.text,
        "translation": passage.translation,
        "confidence": passage.confidence,
        "flags": [*passage.flags, *untimed],
        "context_before": passage.context_before,
        "context_after": passage.context_after,
        # A word's doubts stand behind its fields: most words have none, and there are millions.
        "words": [[word.start_ms, word.end_ms, word.text, *word.doubts] for word in own],
        "after": [[word.start_ms, word.end_ms, word.text, word.speaker, *word.doubts] for word in passage.after],
        "sounds": " ".join(sounds),  # phonemes, as many stretches of them as words
        "exact": " ".join(spoken),
        TERMS_FIELD: passage_terms(passage.text, passage.language, passage.translation),
        "moment_ms": _moment_ms(recording.metadata.get("recorded_at"), passage.start_ms),
    }
    heard = {"recording_id": recording.id, "language": passage.language, "speaker": passage.speaker}
    payload |= {filter_field(name): fold(value) for name, value in heard.items() if value is not None}
    if kind and passage.speaker is not None:
        payload[filter_field("speaker")] = [fold(passage.speaker), fold(kind.value)]
    return payload


def _moment_ms(recorded_at: str | None, start_ms: int) -> int | None:
    """When a passage was said, UTC epoch ms; None where the recording's time is unknown.

    A time without offset is taken as UTC: whoever knows the agency's zone adds it before.
    """
    if recorded_at is None:
        return None
    try:
        time = datetime.fromisoformat(recorded_at)
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000) + start_ms
    except (ValueError, OverflowError):
        return None
