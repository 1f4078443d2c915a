"""Transcripts as people speak them: lines with a speaker, a start and words of even length."""

from __future__ import annotations

from collections.abc import Sequence

from transcribe.spans import Span, subtract
from transcribe.transcript import (
    Covered,
    MediaFacts,
    ModelUse,
    Recording,
    RecordingId,
    Segment,
    State,
    Transcript,
    Word,
)

WORD_MS = 300
MODEL = ModelUse("whisper-base", "1.0.0", "d0" * 32)


def line(
    speaker: str | None,
    start_ms: int,
    text: str,
    language: str = "en",
    translation: str | None = None,
    flags: Sequence[str] = (),
    word_ms: int = WORD_MS,
    primed: Sequence[str] = (),
) -> Segment:
    """A segment whose words follow each other without pauses, from `start_ms`; those in `primed` are flagged so."""
    words = tuple(
        Word(
            start_ms + n * word_ms,
            start_ms + (n + 1) * word_ms,
            word,
            0.9,
            ("primed",) if word in primed else (),
        )
        for n, word in enumerate(text.split())
    )
    end_ms = max((word.end_ms for word in words), default=start_ms)
    return Segment(start_ms, end_ms, text, language, 0.8, words, speaker, tuple(flags), translation)


def spoken(
    *lines: Segment | tuple[str | None, int, str],
    recording: str = "a",
    silent: Sequence[Span] = (),
    state: State = State.DIGITAL_SILENCE,
    **metadata: str,
) -> Transcript:
    """A transcript of these lines.

    Args:
        recording: a hex digit; the recording's id is it, 64 times.
        silent: stretches in `state`; the rest of the recording is speech.
        metadata: officer, recorded_at and so on.
    """
    segments = sorted(
        (one if isinstance(one, Segment) else line(*one) for one in lines), key=lambda segment: segment.start_ms
    )
    end_ms = max([segment.end_ms for segment in segments] + [span.end_ms for span in silent], default=0)
    speech = [Covered(span.start_ms, span.end_ms, State.SPEECH) for span in subtract([Span(0, end_ms)], silent)]
    holes = [Covered(span.start_ms, span.end_ms, state) for span in silent]
    return Transcript(
        Recording(
            RecordingId(recording * 64), f"/footage/{recording}.mp4", MediaFacts(end_ms, "mp4", ("aac",)), metadata
        ),
        tuple(segments),
        (),
        tuple(sorted([*speech, *holes], key=lambda covered: covered.start_ms)),
        (MODEL,),
    )
