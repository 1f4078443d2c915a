"""Speakers: who said each word, and the transcript that says so.

Whisper knows words, the diarizer knows turns; here they meet.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice, takewhile
from statistics import fmean

from transcribe.spans import Span, merge
from transcribe.transcript import (
    ModelUse,
    Recording,
    Segment,
    Transcript,
    Turn,
    TurnsArtifact,
    Word,
    WordsArtifact,
    joined_text,
)

MAX_REACH_MS = 500  # how far from a turn a word may lie; diarizers trim the quiet start and end of a word
MIN_OVERLAP = 0.5  # of a word: the first or last sound of a neighbour's turn is not said at once with it
OVERLAP = "overlap"  # flag of a word: two spoke at once, and it may be the other's
MAX_FLICKER_WORDS = 2
MIN_STEADY_MS = 400  # two diarization frames of doubt last less; "yes" as an answer of its own lasts longer


def assign_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> list[str | None]:
    """Name for each word the speaker whose turns cover most of it.

    A tie goes to the previous word's speaker if it is among the tied, then to the turn that started first.

    Args:
        words: sorted by start. One that lasts no time counts as 1 ms.
        turns: any order; may overlap each other. Exclusive ones, where there are, know whose a word is in overlap.

    Returns:
        As many as there are words, in the same order. A word no turn touches takes the nearest turn within
        500 ms, else None: silence is not evidence.

    Cost: one sweep over both, after sorting the turns.
    """
    return _chosen(_claims([_lasting(word.span) for word in words], turns))


def assemble(recording: Recording, words: WordsArtifact, turns: TurnsArtifact | None) -> Transcript:
    """Join what two stages heard into a transcript: segments split where the speaker changes.

    A word goes to the speaker whose exclusive turns cover most of it: alone that is who speaks, in overlap who holds
    the floor. One that two speak over for half of it or more is flagged `overlap`.

    The parts of a split segment keep its language, flags and channel; their text is their joined words, their
    confidence the mean of their words'. The translation goes to the part with most words, for it cannot be
    split. A segment without words takes the speaker whose turns cover most of it.

    A change of speaker inside a segment that lasts at most two words and less than 400 ms, between words of
    one other speaker whose turns also cover it, is taken for an error of the diarizer and undone.

    Args:
        turns: None while diarization is missing: no segment has a speaker, and `speakers_known` is False.
    """
    assert words.recording_id == recording.id, "words of another recording"
    if turns is None:
        segments = tuple(replace(segment, speaker=None) for segment in words.segments)
        return Transcript(recording, _sorted(segments), (), words.coverage, words.models, speakers_known=False)
    assert turns.recording_id == recording.id, "turns of another recording"
    heard = _flagged(words.segments, _shared(turns.turns))
    parts = [
        part
        for segment, speakers in zip(heard, _speakers(heard, turns), strict=True)
        for part in _split(segment, speakers)
    ]
    return Transcript(
        recording,
        _sorted(parts),
        tuple(sorted(turns.turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))),
        words.coverage,
        _joined(words.models, turns.models),
        kinds=turns.kinds,
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one speaker's turns have to do with a span of time."""

    speaker: str
    overlap_ms: int
    distance_ms: int  # 0 where they overlap or touch
    since_ms: int  # start of the first turn that overlaps; when none does, of the nearest


def _claims(spans: Sequence[Span], turns: Sequence[Turn]) -> list[list[_Claim]]:
    """For each span (sorted by start) the claims of the speakers with a turn at most `MAX_REACH_MS` away."""
    by_speaker: dict[str, list[Span]] = {}
    for turn in turns:
        by_speaker.setdefault(turn.speaker, []).append(turn.span)
    # Merged, so that a speaker whose turns overlap each other does not count twice.
    waiting = sorted((held, speaker) for speaker, spans_held in by_speaker.items() for held in merge(spans_held))
    claims: list[list[_Claim]] = []
    near: list[tuple[Span, str]] = []
    upcoming = 0
    for span in spans:
        while upcoming < len(waiting) and waiting[upcoming][0].start_ms <= span.end_ms + MAX_REACH_MS:
            near.append(waiting[upcoming])
            upcoming += 1
        near = [(held, speaker) for held, speaker in near if held.end_ms + MAX_REACH_MS >= span.start_ms]
        # A long word may have brought turns near that are far from the shorter one after it.
        reached: dict[str, list[Span]] = {}
        for held, speaker in near:
            if _distance_ms(span, held) <= MAX_REACH_MS:
                reached.setdefault(speaker, []).append(held)
        claims.append([_claim(speaker, span, helds) for speaker, helds in reached.items()])
    return claims


def _claim(speaker: str, span: Span, turns: Sequence[Span]) -> _Claim:
    first = min(turns, key=lambda turn: (span.overlap_ms(turn) == 0, _distance_ms(span, turn), turn.start_ms))
    overlap_ms = sum(span.overlap_ms(turn) for turn in turns)
    return _Claim(speaker, overlap_ms, _distance_ms(span, first), first.start_ms)


def _chosen(claims: Sequence[Sequence[_Claim]]) -> list[str | None]:
    chosen: list[str | None] = []
    for rivals in claims:
        previous = chosen[-1] if chosen else None
        winner = min(
            rivals,
            key=lambda rival: (
                -rival.overlap_ms,
                rival.distance_ms,
                rival.speaker != previous,
                rival.since_ms,
                rival.speaker,
            ),
            default=None,
        )
        chosen.append(winner.speaker if winner else None)
    return chosen


def _shared(turns: Sequence[Turn]) -> list[Span]:
    """Where two or more speak at once: a span set."""
    by_speaker: dict[str, list[Span]] = {}
    for turn in turns:
        by_speaker.setdefault(turn.speaker, []).append(turn.span)
    shared: list[Span] = []
    latest = Span(0, 0)  # of the speakers' merged turns so far the one that ends last
    for span in sorted(held for spans in by_speaker.values() for held in merge(spans)):
        if latest.overlap_ms(span):
            shared.append(Span(span.start_ms, min(span.end_ms, latest.end_ms)))
        latest = max(latest, span, key=lambda one: one.end_ms)
    return merge(shared)


def _flagged(segments: Sequence[Segment], shared: Sequence[Span]) -> list[Segment]:
    """The segments, those of their words flagged that lie where two speak at once."""
    if not shared:
        return list(segments)
    return [
        replace(
            segment,
            words=tuple(
                replace(word, flags=(*word.flags, OVERLAP)) if _is_shared(word, shared) else word
                for word in segment.words
            ),
        )
        for segment in segments
    ]


def _is_shared(word: Word, shared: Sequence[Span]) -> bool:
    span = _lasting(word.span)
    first = bisect_right(shared, span.start_ms, key=lambda one: one.end_ms)
    over = takewhile(lambda one: one.start_ms < span.end_ms, islice(shared, first, None))
    return sum(span.overlap_ms(one) for one in over) >= MIN_OVERLAP * span.duration_ms


def _speakers(segments: Sequence[Segment], turns: TurnsArtifact) -> list[list[str | None]]:
    """For each segment the speakers of its words, flickers undone; of the segment itself when it has no words."""
    places = [(i, j) for i, segment in enumerate(segments) for j in range(len(segment.words))]
    places.sort(key=lambda place: segments[place[0]].words[place[1]].start_ms)
    spans = [_lasting(segments[i].words[j].span) for i, j in places]
    claims = _claims(spans, turns.turns)
    chosen = _chosen(_claims(spans, turns.exclusive) if turns.exclusive else claims)
    found = dict(zip(places, zip(chosen, claims, strict=True), strict=True))

    wordless = sorted((segment.span, i) for i, segment in enumerate(segments) if not segment.words)
    covering = _claims([span for span, _ in wordless], turns.turns)
    holders = _chosen([[claim for claim in rivals if claim.overlap_ms] for rivals in covering])
    held = {i: holder for (_, i), holder in zip(wordless, holders, strict=True)}

    speakers: list[list[str | None]] = []
    for i, segment in enumerate(segments):
        if segment.words:
            mine = [found[i, j] for j in range(len(segment.words))]
            speakers.append(_steady(segment.words, [speaker for speaker, _ in mine], [claims for _, claims in mine]))
        else:
            speakers.append([held[i]])
    return speakers


def _steady(
    words: Sequence[Word], speakers: Sequence[str | None], claims: Sequence[Sequence[_Claim]]
) -> list[str | None]:
    """The speakers without changes too brief to be true."""
    steady = list(speakers)
    runs = _runs(speakers)
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        neighbour = steady[before[-1]]
        if neighbour is None or neighbour == speakers[run[0]] or neighbour != speakers[after[0]]:
            continue
        lasts_ms = max(words[i].end_ms for i in run) - words[run[0]].start_ms
        brief = len(run) <= MAX_FLICKER_WORDS and lasts_ms < MIN_STEADY_MS
        if brief and all(any(c.speaker == neighbour and c.overlap_ms for c in claims[i]) for i in run):
            for i in run:
                steady[i] = neighbour
    return steady


def _split(segment: Segment, speakers: Sequence[str | None]) -> list[Segment]:
    """The segment's parts by one speaker each; the first and the last keep its start and its end."""
    runs = _runs(speakers)
    if len(runs) == 1:
        return [replace(segment, speaker=speakers[0])]
    largest = max(range(len(runs)), key=lambda i: len(runs[i]))  # the first of equals
    parts: list[Segment] = []
    for i, run in enumerate(runs):
        words = segment.words[run[0] : run[-1] + 1]
        parts.append(
            replace(
                segment,
                start_ms=words[0].start_ms if i > 0 else segment.start_ms,
                end_ms=max(word.end_ms for word in words) if i < len(runs) - 1 else segment.end_ms,
                text=joined_text(words),
                confidence=fmean(word.confidence for word in words),
                words=words,
                speaker=speakers[run[0]],
                translation=segment.translation if i == largest else None,
            )
        )
    return parts


def _runs(speakers: Sequence[str | None]) -> list[list[int]]:
    """Indices of neighbours with one speaker, in order."""
    return [list(run) for _, run in groupby(range(len(speakers)), key=lambda i: speakers[i])]


def _joined(models: Sequence[ModelUse], others: Sequence[ModelUse]) -> tuple[ModelUse, ...]:
    return (*models, *(model for model in others if model not in models))


def _sorted(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    return tuple(sorted(segments, key=lambda segment: (segment.start_ms, segment.end_ms)))


def _lasting(span: Span) -> Span:
    """Whisper lets words start and end at once; as a moment it still lies in a turn or not."""
    return Span(span.start_ms, max(span.end_ms, span.start_ms + 1))


def _distance_ms(span: Span, other: Span) -> int:
    return max(0, other.start_ms - span.end_ms, span.start_ms - other.end_ms)
