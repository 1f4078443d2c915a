"""Passages: what one hit shows, and the unit that is embedded and indexed.

A passage is what one speaker said in one language between pauses. Passages of a recording are ordered by start;
their words, one passage after another, are the recording's *stream* of words, in which phrases are looked for.

What was decoded but not trusted (a `doubtful` segment) is a passage apart from what was. Glued together, one flag
would speak of both, and invented words would weigh in the vectors of what was really said. Doubt falls on whole
windows, so this cuts where a window ends, seldom inside a sentence; phrases run across passages in any case. Were
doubt ever to fall on single words, passages would become crumbs, and words alone should carry it, as `primed` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from statistics import fmean

from search.text import tokens
from transcribe.spans import Span, merge
from transcribe.transcript import RecordingId, Segment, State, Transcript, Word, joined_text

MAX_PAUSE_MS = 1_500  # longer, and the next words answer something else
# A sentence or two: a hit begins near what was asked for, and its vector says one thing. On dev, paraphrases that have
# their moment in the first ten are 1 in 20 more than with 20 s.
MAX_PASSAGE_MS = 8_000
MIN_CUT_MS = 4_000  # a long passage is cut between here and its maximum, so that no crumbs are left over
CONTINUATION_WORDS = 24  # a phrase of up to 25 words is verified without reading another passage
CONTEXT_WORDS = 12  # of each neighbour, shown around a hit

DOUBTFUL = "doubtful"  # flag of a segment: the decoder's result stayed suspicious, it may not have been said
PRIMED = "primed"  # flag of a word: a vocabulary may have suggested it, and a decode without one did not agree
DOUBTS = (DOUBTFUL, PRIMED)  # a word with one of these is not enough to say that something was said exactly

_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "।")


@dataclass(frozen=True, slots=True)
class PassageWord:
    """A word of a passage, as Whisper wrote it."""

    start_ms: int
    end_ms: int
    text: str
    doubts: tuple[str, ...] = ()  # which of DOUBTS it has, its own or its segment's


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of the stream. One that stands for a passage without words holds all its text."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """What one speaker said in one language between pauses, doubtful throughout or not at all."""

    recording_id: RecordingId
    ordinal: int  # 0, 1, 2… in the order of start
    start_ms: int
    end_ms: int
    speaker: str | None
    language: str
    text: str
    translation: str | None  # English, by machine
    confidence: float  # mean over the words
    words: tuple[PassageWord, ...]  # empty: something was said, but not when each word was
    flags: tuple[str, ...]  # of its segments, and `primed` where a word is
    # The next CONTINUATION_WORDS words of the stream that hold a token; fewer only where the stream ends, or breaks
    # off at digital silence or at what was not processed.
    after: tuple[SpokenWord, ...] = ()
    # The neighbours' text; empty where silence or nothing lies between, and beside what is sure where they are not.
    context_before: str = ""
    context_after: str = ""


def build_passages(transcript: Transcript) -> list[Passage]:
    """Cut a transcript into passages.

    A passage ends where the speaker or the language changes, where doubt begins or ends, at a pause of more than
    1.5 s, and where digital silence or an unprocessed stretch lies between two words. One that would last more
    than 8 s is cut at a sentence's end if there is one after its first 4 s, else at the longest pause there; a
    single longer word stays whole.

    Returns:
        Sorted by start. Every word is in exactly one passage; a segment without words is a passage of its own,
        with text and no words; one with neither gives none. Empty when nothing was said. Where a segment is
        spread over passages, its translation goes to the one with most of its words, for it cannot be split.
    """
    holes = merge(c.span for c in transcript.coverage if c.state in (State.DIGITAL_SILENCE, State.NOT_PROCESSED))
    segments = transcript.segments
    # Segments may overlap. Words said in one go stay together; what was said goes by when it began.
    stretches = sorted(_runs(_said(segments), segments, holes), key=_start_ms)
    whole = _runs([said for stretch in stretches for said in stretch], segments, holes)
    parts = sorted((part for stretch in whole for part in _cut(stretch)), key=_start_ms)
    translations = _translations(parts, segments)
    passages = [_passage(transcript, ordinal, part, translations.get(ordinal)) for ordinal, part in enumerate(parts)]
    connected = [not _hole_between(left[-1].word, right[0].word, holes) for left, right in pairwise(parts)]
    return [_with_surroundings(passage, passages, connected) for passage in passages]


@dataclass(frozen=True, slots=True)
class _Said:
    """A word and the number of its segment; for a segment without words, one word that stands for its text."""

    word: Word
    segment: int
    timed: bool = True


def _said(segments: Sequence[Segment]) -> list[_Said]:
    said: list[_Said] = []
    for number, segment in enumerate(segments):
        said += [_Said(word, number) for word in segment.words]
        if not segment.words and segment.text.strip():
            text = Word(segment.start_ms, segment.end_ms, segment.text.strip(), segment.confidence)
            said.append(_Said(text, number, timed=False))
    return said


def _runs(said: Sequence[_Said], segments: Sequence[Segment], holes: Sequence[Span]) -> list[list[_Said]]:
    """Split between two words that do not belong to one passage."""
    runs: list[list[_Said]] = []
    for one in said:
        if runs and _together(runs[-1][-1], one, segments, holes):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _together(left: _Said, right: _Said, segments: Sequence[Segment], holes: Sequence[Span]) -> bool:
    before, after = segments[left.segment], segments[right.segment]
    return (
        left.timed
        and right.timed
        and (before.speaker, before.language) == (after.speaker, after.language)
        and (DOUBTFUL in before.flags) == (DOUBTFUL in after.flags)
        and right.word.start_ms - left.word.end_ms <= MAX_PAUSE_MS
        and not _hole_between(left.word, right.word, holes)
    )


def _hole_between(left: Word, right: Word, holes: Sequence[Span]) -> bool:
    """Whether a hole lies between the middles of two words: a word may reach a little into the silence after it."""
    low, high = sorted(((left.start_ms + left.end_ms) // 2, (right.start_ms + right.end_ms) // 2))
    first = bisect_right(holes, low, key=lambda hole: hole.end_ms)
    return first < len(holes) and holes[first].start_ms < high


def _start_ms(part: Sequence[_Said]) -> int:
    return min(said.word.start_ms for said in part)


def _end_ms(part: Sequence[_Said]) -> int:
    return max(said.word.end_ms for said in part)


def _cut(stretch: list[_Said]) -> list[list[_Said]]:
    parts = []
    while len(stretch) > 1 and _end_ms(stretch) - _start_ms(stretch) > MAX_PASSAGE_MS:
        at = _cut_at(stretch)
        parts.append(stretch[:at])
        stretch = stretch[at:]
    return [*parts, stretch]


def _cut_at(stretch: Sequence[_Said]) -> int:
    """How many words the first part gets: at least one, not all."""
    start = end = stretch[0].word.start_ms
    places: list[tuple[bool, bool, int, int]] = []  # the best sorts last
    for at, (left, right) in enumerate(pairwise(stretch), 1):
        start, end = min(start, left.word.start_ms), max(end, left.word.end_ms)
        if end - start > MAX_PASSAGE_MS:
            break
        late_enough = end - start >= MIN_CUT_MS
        ends_sentence = late_enough and left.word.text.rstrip("\"'”’»)").endswith(_SENTENCE_ENDS)
        pause_ms = right.word.start_ms - left.word.end_ms if late_enough else 0
        places.append((late_enough, ends_sentence, pause_ms, at))
    return max(places)[-1] if places else 1


def _translations(parts: Sequence[Sequence[_Said]], segments: Sequence[Segment]) -> dict[int, str]:
    """The translation of each part that has one."""
    homes: dict[int, tuple[int, int]] = {}  # segment: most of its words in one part, that part
    for ordinal, part in enumerate(parts):
        for number, n_words in Counter(said.segment for said in part).items():
            if n_words > homes.get(number, (0, 0))[0]:
                homes[number] = n_words, ordinal
    texts: dict[int, list[str]] = {}
    for number, (_, ordinal) in sorted(homes.items()):
        if translation := segments[number].translation:
            texts.setdefault(ordinal, []).append(translation.strip())
    return {ordinal: " ".join(translated) for ordinal, translated in texts.items()}


def _passage(transcript: Transcript, ordinal: int, part: Sequence[_Said], translation: str | None) -> Passage:
    segments = [transcript.segments[number] for number in dict.fromkeys(said.segment for said in part)]
    texts = []
    for number, group in groupby(part, key=lambda said: said.segment):
        words = [said.word for said in group]
        segment = transcript.segments[number]
        whole = len(words) >= len(segment.words)
        texts.append(segment.text.strip() if whole and segment.text.strip() else joined_text(words))
    flags = dict.fromkeys(flag for segment in segments for flag in segment.flags)
    doubts = [_doubts(said.word, transcript.segments[said.segment]) for said in part]
    return Passage(
        transcript.recording.id,
        ordinal,
        _start_ms(part),
        _end_ms(part),
        segments[0].speaker,
        segments[0].language,
        " ".join(texts),
        translation,
        fmean(said.word.confidence for said in part),
        tuple(
            PassageWord(said.word.start_ms, said.word.end_ms, said.word.text, doubted)
            for said, doubted in zip(part, doubts, strict=True)
            if said.timed
        ),
        tuple(dict.fromkeys([*flags, *(doubt for doubted in doubts for doubt in doubted)])),
    )


def _doubts(word: Word, segment: Segment) -> tuple[str, ...]:
    return tuple(doubt for doubt in DOUBTS if doubt in word.flags or doubt in segment.flags)


def _with_surroundings(passage: Passage, passages: Sequence[Passage], connected: Sequence[bool]) -> Passage:
    """The passage with what the stream says around it. `connected[i]`: nothing lies between passages i and i + 1."""
    at = passage.ordinal
    follows: list[SpokenWord] = []
    while len(follows) < CONTINUATION_WORDS and at < len(connected) and connected[at]:
        at += 1
        follows += [word for word in stream(passages[at]) if tokens(word.text)]
    before, after = "", ""
    if passage.ordinal > 0 and connected[passage.ordinal - 1]:
        before = _beside(passage, passages[passage.ordinal - 1])
    if passage.ordinal < len(connected) and connected[passage.ordinal]:
        after = _beside(passage, passages[passage.ordinal + 1])
    return replace(
        passage,
        after=tuple(follows[:CONTINUATION_WORDS]),
        context_before=" ".join(before.split()[-CONTEXT_WORDS:]),
        context_after=" ".join(after.split()[:CONTEXT_WORDS]),
    )


def _beside(passage: Passage, neighbour: Passage) -> str:
    """A neighbour's text as context: around what is sure, nothing is shown that may not have been said."""
    return "" if DOUBTFUL in neighbour.flags and DOUBTFUL not in passage.flags else neighbour.text


def stream(passage: Passage) -> list[SpokenWord]:
    """What a passage gives to the stream: its words, or one word that stands for its text."""
    doubts = tuple(doubt for doubt in DOUBTS if doubt in passage.flags)
    words = passage.words or (PassageWord(passage.start_ms, passage.end_ms, passage.text, doubts),)
    return [SpokenWord(word.start_ms, word.end_ms, word.text, passage.speaker, word.doubts) for word in words]
