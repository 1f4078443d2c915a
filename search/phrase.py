"""Exact phrases on word positions: where exactly these words were said, in this order.

The index finds rows whose text holds the tokens side by side; here each is checked against the words
themselves. A phrase may run across passages, and across speakers when the gap is at most two seconds (people
finish each other's sentences); never across digital silence, where a continuation ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from search.deadline import NEVER, Deadline
from search.passages import CONTINUATION_WORDS, DOUBTS, SpokenWord
from search.protocols import EVERYTHING, Filters, Index, Payload, point_id
from search.text import tokens
from transcribe.transcript import RecordingId

MAX_SPEAKER_GAP_MS = 2_000
READ_AHEAD = 8  # passages fetched at a time for a phrase longer than a continuation


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place the phrase was said: the span of exactly its words."""

    payload: Payload  # of the passage it starts in
    start_ms: int
    end_ms: int
    across_speakers: bool
    beyond: str  # its words after that passage; empty when it ends there
    doubts: tuple[str, ...]  # those of its words, each once; with any, it was perhaps not said exactly
    said: tuple[SpokenWord, ...]  # its words


def occurrences(
    index: Index, phrase: Sequence[str], filters: Filters = EVERYTHING, deadline: Deadline = NEVER
) -> Iterator[Occurrence]:
    """Every place the phrase was said, each once, in no order. Overlapping ones count each.

    Args:
        phrase: tokens of `search.text`; at least one.
        filters: on the passage the phrase starts in.
        deadline: ends it early; `has_cut` then says so.
    """
    # Every word of a continuation gives at least one token, so these lie within a passage and what follows it.
    head = phrase[:CONTINUATION_WORDS]
    for hit in deadline.within(index.phrase(head, filters)):
        yield from occurrences_from(index, hit.payload, phrase)


def occurrences_from(index: Index, payload: Payload, phrase: Sequence[str]) -> Iterator[Occurrence]:
    """Those that start in the passage's own words, in order: what starts later belongs to a later passage."""
    own = own_words(payload)
    words = [*own, *_after(payload)] if len(phrase) <= CONTINUATION_WORDS else _read_on(index, payload, len(phrase))
    spoken = [(token, position) for position, word in enumerate(words) for token in tokens(word.text)]
    found: set[tuple[int, int]] = set()  # a word of several tokens can hold a phrase twice; it was said once
    for start in range(len(spoken) - len(phrase) + 1):
        first, last = spoken[start][1], spoken[start + len(phrase) - 1][1]
        if first >= len(own):
            return
        if (first, last) in found or any(spoken[start + step][0] != token for step, token in enumerate(phrase)):
            continue
        found.add((first, last))
        said = words[first : last + 1]
        changes = [(one, two) for one, two in pairwise(said) if one.speaker != two.speaker]
        if all(two.start_ms - one.end_ms <= MAX_SPEAKER_GAP_MS for one, two in changes):
            yield Occurrence(
                payload,
                said[0].start_ms,
                max(word.end_ms for word in said),
                bool(changes),
                " ".join(word.text for word in words[len(own) : last + 1]),
                tuple(doubt for doubt in DOUBTS if any(doubt in word.doubts for word in said)),
                tuple(said),
            )


def _read_on(index: Index, payload: Payload, n_words: int) -> list[SpokenWord]:
    """The passage's words and at least `n_words` after them; fewer where the stream ends or breaks off."""
    words, last = own_words(payload), payload
    wanted = len(words) + n_words
    # A continuation shorter than its limit ended at silence or with the recording: it is all that follows.
    while len(words) < wanted and len(last["after"]) == CONTINUATION_WORDS:
        following = _following(index, last)
        if not following:
            break
        for later in following:
            words += own_words(later)
            last = later
            if len(last["after"]) < CONTINUATION_WORDS:
                break
    return words + _after(last)


def own_words(payload: Payload) -> list[SpokenWord]:
    """The passage's words that hold a token: a dash or an ellipsis must not keep two words apart."""
    words = [SpokenWord(start, end, text, payload["speaker"], tuple(d)) for start, end, text, *d in payload["words"]]
    return [word for word in words if tokens(word.text)]


def _after(payload: Payload) -> list[SpokenWord]:
    return [SpokenWord(start, end, text, speaker, tuple(d)) for start, end, text, speaker, *d in payload["after"]]


def _following(index: Index, payload: Payload) -> list[Payload]:
    """The next passages, in order, without a gap."""
    ids = [
        point_id(RecordingId(payload["recording_id"]), payload["version"], payload["ordinal"] + step)
        for step in range(1, READ_AHEAD + 1)
    ]
    found = index.retrieve(ids)
    return [found[key] for key in takewhile(found.__contains__, ids)]
