"""Rewriting: words a person wrote, in the time of those a machine heard.

A word that stays keeps its span, confidence and place. Written words share the time of those they replace, in order,
each as long as its letters; as many as they replace take their spans one by one, and one in place of nothing lies
between its neighbours, where it may last no time at all. Times are never invented outside what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from statistics import fmean

from transcribe.formats.lines import spacing
from transcribe.spans import Span
from transcribe.transcript import CORRECTED, Segment, Word

# A person who states what was said takes back that it may not have been (`search.passages.DOUBTS`).
DOUBTFUL, PRIMED = "doubtful", "primed"

# Of a word that a person wrote. It is no measure of any model, and whoever shows it must say so: the flag does. It
# stands here so that a passage somebody listened to is not left out where only sure ones are asked for.
WRITTEN_CONFIDENCE = 1.0


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word of a segment, what stands before it in the text, and whether a person vouches for it."""

    space: str
    word: Word
    vouched: bool


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`text` instead of the words [first, last) of a segment; it has at least one word."""

    first: int
    last: int
    text: str


def rewrite(segment: Segment, rewrites: Sequence[Rewrite]) -> list[Segment]:
    """The segment as a person wrote it: words that differ are flagged `corrected`, and so is the segment.

    Doubt is lifted from all that was rewritten, changed or not; where there is neither doubt nor change, the segment
    stays as it is. Where a doubtful segment is rewritten in part, it falls into parts, and the others stay doubtful. A
    translation is dropped: it is one of what was not said.

    Args:
        rewrites: sorted, apart, within the segment, which has words.
    """
    placed = list(_placed(segment, rewrites))
    if DOUBTFUL not in segment.flags and tuple(one.word for one in placed) == segment.words:
        return [segment]
    if DOUBTFUL not in segment.flags or all(one.vouched for one in placed):
        doubted = () if all(one.vouched for one in placed) else segment.flags
        return [_of(segment, placed, _corrected_flags(segment.flags, kept=doubted), segment.span)]
    runs = [list(run) for _vouched, run in groupby(placed, key=lambda one: one.vouched)]
    parts = []
    for at, run in enumerate(runs):
        start_ms = segment.start_ms if at == 0 else run[0].word.start_ms
        end_ms = segment.end_ms if at == len(runs) - 1 else max(one.word.end_ms for one in run)
        flags = _corrected_flags(segment.flags) if run[0].vouched else segment.flags
        parts.append(_of(segment, run, flags, Span(start_ms, end_ms)))
    return parts


def rewrite_untimed(segment: Segment, text: str) -> Segment:
    """The same for a segment of which nobody knows when each word was said."""
    text = " ".join(text.split())
    if text == segment.text and DOUBTFUL not in segment.flags:
        return segment
    flags = _corrected_flags(segment.flags)
    return replace(segment, text=text, flags=flags, translation=None, confidence=WRITTEN_CONFIDENCE)


def without(segment: Segment, span: Span) -> Segment | None:
    """The segment without the words whose middle lies in the span; None where nothing is left."""

    def outside(one: Span) -> bool:
        return not span.start_ms <= (one.start_ms + one.end_ms) / 2 < span.end_ms

    if not segment.words:
        return segment if outside(segment.span) else None
    placed = list(_placed(segment, ()))
    left = [one for one in placed if outside(one.word.span)]
    if len(left) == len(placed):
        return segment
    if not left:
        return None
    start_ms = segment.start_ms if left[0] is placed[0] else left[0].word.start_ms
    end_ms = segment.end_ms if left[-1] is placed[-1] else max(one.word.end_ms for one in left)
    return _of(segment, left, _corrected_flags(segment.flags, kept=segment.flags), Span(start_ms, end_ms))


def _of(segment: Segment, placed: Sequence[_Placed], flags: tuple[str, ...], span: Span) -> Segment:
    return replace(
        segment,
        start_ms=span.start_ms,
        end_ms=max(span.end_ms, *(one.word.end_ms for one in placed)),
        text="".join(one.space + one.word.text for one in placed).strip(),
        confidence=round(fmean(one.word.confidence for one in placed), 4),
        words=tuple(one.word for one in placed),
        flags=flags,
        translation=None,
    )


def _corrected_flags(flags: Sequence[str], kept: Sequence[str] = ()) -> tuple[str, ...]:
    """With `corrected`, without doubt unless that is among the kept."""
    stays = [flag for flag in flags if flag in kept or flag not in (DOUBTFUL, PRIMED)]
    return tuple(dict.fromkeys([*stays, CORRECTED]))


def _placed(segment: Segment, rewrites: Sequence[Rewrite]) -> Iterator[_Placed]:
    """The segment's words, those of the rewrites in place of what they replace."""
    spaces, words = spacing(segment), segment.words
    at = 0
    for one in rewrites:
        yield from (_Placed(spaces[place], words[place], False) for place in range(at, one.first))
        yield from _rewritten(segment, spaces, one)
        at = one.last
    yield from (_Placed(spaces[place], words[place], False) for place in range(at, len(words)))


def _rewritten(segment: Segment, spaces: Sequence[str], rewrite: Rewrite) -> Iterator[_Placed]:
    """What differs is written anew. Words that stand together in the text (`T` + `-shirt`) are compared as one."""
    words, tokens = segment.words, rewrite.text.split()
    starts = [at for at in range(rewrite.first, rewrite.last) if at == rewrite.first or spaces[at]]
    edges = [*starts, rewrite.last]
    heard = ["".join(word.text for word in words[a:b]) for a, b in pairwise(edges)]
    placed: list[tuple[bool, Word]] = []  # whether a space stands before it
    for what, i, i_end, j, j_end in SequenceMatcher(None, heard, tokens, autojunk=False).get_opcodes():
        if what == "equal":
            placed += [(at in starts, _sure(words[at])) for at in range(edges[i], edges[i_end])]
        else:
            placed += [(True, word) for word in _written(segment, edges[i], edges[i_end], tokens[j:j_end])]
    for at, (apart, word) in enumerate(placed):  # what stands before all of it stays as it is
        yield _Placed(spaces[rewrite.first] if at == 0 else " " * apart, word, True)


def _sure(word: Word) -> Word:
    return replace(word, flags=tuple(flag for flag in word.flags if flag not in (DOUBTFUL, PRIMED)))


def _written(segment: Segment, first: int, last: int, texts: Sequence[str]) -> list[Word]:
    """The words of `texts` in the time of the words [first, last), or between their neighbours where there are none."""
    words = segment.words
    old = words[first:last]
    flags = _corrected_flags([flag for word in old for flag in word.flags])
    if len(old) == len(texts):
        return [
            Word(one.start_ms, one.end_ms, text, WRITTEN_CONFIDENCE, _corrected_flags(one.flags))
            for one, text in zip(old, texts, strict=True)
        ]
    follows_ms = words[last].start_ms if last < len(words) else max(segment.end_ms, words[-1].end_ms)
    if old:
        start_ms, end_ms = old[0].start_ms, max(word.end_ms for word in old)
    else:
        start_ms, end_ms = words[first - 1].end_ms if first else segment.start_ms, follows_ms
    # Words may overlap; the next must not begin before these.
    start_ms, end_ms = min(start_ms, follows_ms), min(end_ms, follows_ms)
    spans = share(Span(start_ms, end_ms), [len(text) for text in texts])
    return [
        Word(span.start_ms, span.end_ms, text, WRITTEN_CONFIDENCE, flags)
        for span, text in zip(spans, texts, strict=True)
    ]


def share(span: Span, lengths: Sequence[int]) -> list[Span]:
    """The span cut into as many as there are lengths, in their proportion, without gaps."""
    total, passed, edge = sum(lengths), 0, span.start_ms
    spans = []
    for length in lengths:
        passed += length
        end = span.start_ms + round(span.duration_ms * passed / total)
        spans.append(Span(edge, end))
        edge = end
    return spans
