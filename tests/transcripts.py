"""Transcripts to test with: small ones built by hand, and Hypothesis strategies for any.

Strategies keep what the types promise: words sorted and within their segment, segments sorted by start,
coverage a partition.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import strategies as st

from transcribe.spans import Span
from transcribe.transcript import (
    Covered,
    Kind,
    MediaFacts,
    ModelUse,
    Recording,
    RecordingId,
    Segment,
    SpeakerKind,
    State,
    Transcript,
    Turn,
    TurnsArtifact,
    Word,
    WordsArtifact,
    joined_text,
)

RECORDING_ID = RecordingId("ab" * 32)
WHISPER = ModelUse("whisper-base", "1.0.0", "d0" * 32, {"beam_size": 5, "language": None})
DIARIZER = ModelUse("segmentation-3.0", "0.2.2", "da" * 32, {"threshold": 0.7})


def said(text: str, start_ms: int = 0, word_ms: int = 300, confidence: float = 0.9) -> tuple[Word, ...]:
    """The words of `text`, each `word_ms` long, without pauses."""
    return tuple(
        Word(start_ms + i * word_ms, start_ms + (i + 1) * word_ms, word, confidence)
        for i, word in enumerate(text.split())
    )


def segment(
    words: Sequence[Word],
    speaker: str | None = None,
    language: str = "en",
    flags: Sequence[str] = (),
    translation: str | None = None,
    channel: int | None = None,
) -> Segment:
    """A segment of these words (at least one), as long as they are."""
    return Segment(
        words[0].start_ms,
        max(word.end_ms for word in words),
        joined_text(words),
        language,
        0.8,
        tuple(words),
        speaker,
        tuple(flags),
        translation,
        channel,
    )


def recording(duration_ms: int = 60_000, source: str = "/footage/traffic stop.mp4", **metadata: str) -> Recording:
    return Recording(RECORDING_ID, source, MediaFacts(duration_ms, "mp4", ("aac",), ("h264",), 1), metadata)


def transcript(
    segments: Sequence[Segment] = (),
    turns: Sequence[Turn] = (),
    coverage: Sequence[Covered] = (),
    duration_ms: int = 60_000,
    source: str = "/footage/traffic stop.mp4",
) -> Transcript:
    return Transcript(
        recording(duration_ms, source), tuple(segments), tuple(turns), tuple(coverage), (WHISPER, DIARIZER)
    )


def words_artifact(segments: Sequence[Segment], coverage: Sequence[Covered] = ()) -> WordsArtifact:
    return WordsArtifact(RECORDING_ID, recording().media, tuple(segments), tuple(coverage), (WHISPER,))


def turns_artifact(
    turns: Sequence[Turn], exclusive: Sequence[Turn] = (), kinds: Sequence[SpeakerKind] = ()
) -> TurnsArtifact:
    return TurnsArtifact(RECORDING_ID, tuple(turns), (DIARIZER,), tuple(exclusive), tuple(kinds))


SPEAKERS = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")

PLAIN_WORDS = st.text(st.sampled_from("abcdeñéüß文'.,?-0123456789"), min_size=1, max_size=12)

# What some format reserves, and what breaks lines or fields.
AWKWARD_WORDS = st.one_of(
    st.sampled_from(
        [
            r"-->",
            r"&",
            r"&amp;",
            r"<v",
            r"<b>x</b>",
            r"<ALT>",
            r"{",
            r"}",
            r"@",
            r";;",
            r";",
            r"1984",
            r"NOTE",
            r"WEBVTT",
            r"\N",
            r'"',
            r"T-shirt",
            "a b",
            "a\nb",
            "x\r\ny",
            "\u2028",
            "\xa0",
            "\x00",
            "00:00:01.000 --> 00:00:02.000",
        ]
    ),
    st.text(min_size=1, max_size=8),
)


@st.composite
def spans(draw: st.DrawFn, max_ms: int = 100) -> Span:
    """Any span between 0 and `max_ms`, empty ones too."""
    first, second = draw(st.integers(0, max_ms)), draw(st.integers(0, max_ms))
    return Span(min(first, second), max(first, second))


@st.composite
def words_in_order(
    draw: st.DrawFn, texts: st.SearchStrategy[str] = PLAIN_WORDS, min_size: int = 0, max_size: int = 12
) -> list[Word]:
    """Words sorted by start; they may overlap, and last no time at all."""
    starts = sorted(draw(st.lists(st.integers(0, 20_000), min_size=min_size, max_size=max_size)))
    return [
        Word(
            start,
            start + draw(st.integers(0, 1500)),
            draw(texts),
            draw(st.floats(0, 1, width=16)),
            draw(st.sampled_from([(), ("primed",)])),
        )
        for start in starts
    ]


@st.composite
def segments(
    draw: st.DrawFn,
    texts: st.SearchStrategy[str] = PLAIN_WORDS,
    speakers: st.SearchStrategy[str | None] = st.none(),  # noqa: B008 - strategies are immutable
    min_words: int = 0,
) -> Segment:
    """A segment, with or without words, whose text is its words or, when it has none, of its own."""
    words = draw(words_in_order(texts, min_size=min_words))
    start = words[0].start_ms if words else draw(st.integers(0, 20_000))
    end = max((word.end_ms for word in words), default=start)
    return Segment(
        max(0, start - draw(st.integers(0, 500))),
        end + draw(st.integers(0, 500)),
        joined_text(words) if words else draw(texts),
        draw(st.sampled_from(["en", "es", "zh"])),
        draw(st.floats(0, 1, width=16)),
        tuple(words),
        draw(speakers),
        tuple(draw(st.lists(st.sampled_from(["low_confidence", "repeated", "doubtful"]), max_size=2, unique=True))),
        draw(st.none() | texts),
        draw(st.none() | st.integers(0, 3)),
    )


@st.composite
def turn_lists(draw: st.DrawFn, max_size: int = 8) -> list[Turn]:
    """Turns sorted by start; those of one speaker may overlap too."""
    turns = [
        Turn(start, start + draw(st.integers(0, 6000)), draw(st.sampled_from(SPEAKERS)))
        for start in draw(st.lists(st.integers(0, 20_000), max_size=max_size))
    ]
    return sorted(turns, key=lambda turn: turn.start_ms)


SPEAKER_KINDS = st.builds(
    SpeakerKind, st.sampled_from(SPEAKERS), st.none() | st.sampled_from(Kind), st.floats(0, 1, width=16)
)


@st.composite
def coverages(draw: st.DrawFn, duration_ms: int) -> list[Covered]:
    """A partition of `[0, duration_ms)`; neighbours may share a state."""
    cuts = draw(st.sets(st.integers(1, duration_ms - 1), max_size=6)) if duration_ms > 1 else set()
    edges = [0, *sorted(cuts), duration_ms]
    return [
        Covered(start, end, draw(st.sampled_from(State))) for start, end in itertools.pairwise(edges) if start < end
    ]


@st.composite
def transcripts(draw: st.DrawFn, texts: st.SearchStrategy[str] = PLAIN_WORDS, min_words: int = 0) -> Transcript:
    """Any transcript; its segments may overlap."""
    speakers = st.none() | st.sampled_from(SPEAKERS)
    said_here = draw(st.lists(segments(texts, speakers, min_words), max_size=6))
    duration_ms = draw(st.integers(0, 30_000))
    metadata = draw(st.dictionaries(st.sampled_from(["officer", "unit", "recorded_at"]), st.text(max_size=10)))
    source = draw(st.sampled_from(["/footage/traffic stop.mp4", "s3://bucket/a/b;c.mkv", ';;odd "name\n.mp4', "x"]))
    return Transcript(
        recording(duration_ms, source, **metadata),
        tuple(sorted(said_here, key=lambda s: s.start_ms)),
        tuple(draw(turn_lists())),
        tuple(draw(coverages(duration_ms))),
        (WHISPER, DIARIZER),
        draw(st.booleans()),
        tuple(draw(st.lists(SPEAKER_KINDS, max_size=3, unique_by=lambda one: one.speaker))),
    )
