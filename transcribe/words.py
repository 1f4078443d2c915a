"""Words of a window in recording time."""

from __future__ import annotations

from collections.abc import Sequence

from transcribe.decoding import TimedWord
from transcribe.spans import Span
from transcribe.transcript import Word
from transcribe.windows import Window

LONG_PAUSE_MS = 300  # no word reaches across a pause this long


def place_words(timed: Sequence[TimedWord], window: Window) -> list[Word]:
    """Words in recording time: monotonic, inside the window, their edges inside its speech.

    Cross-attention likes to start the first word after a pause inside the pause, or at the end of the speech
    before it; a word that reaches across a long pause belongs to the side on which it lasts longer, and a word that
    touches speech is cut to the speech it touches.
    """
    placed: list[Word] = []
    earliest = window.span.start_ms
    for word in timed:
        text = word.text.strip()
        if not text:
            continue
        start = min(max(window.span.start_ms + round(word.start_s * 1000), earliest), window.span.end_ms)
        end = min(max(window.span.start_ms + round(word.end_s * 1000), start), window.span.end_ms)
        start, end = _inside_speech(start, end, window.speech)
        flags = ("primed",) if word.primed else ()
        placed.append(Word(start, end, text, round(word.probability, 4), flags))
        earliest = end
    return placed


def _inside_speech(start_ms: int, end_ms: int, speech: Sequence[Span]) -> tuple[int, int]:
    """The word's part in the stretch of speech it shares most time with; the word as it is when there is none."""
    touched = [span for span in speech if span.start_ms < end_ms and span.end_ms > start_ms]
    if not touched:
        return start_ms, end_ms
    stretches: list[list[Span]] = [[touched[0]]]
    for span in touched[1:]:
        if span.start_ms - stretches[-1][-1].end_ms >= LONG_PAUSE_MS:
            stretches.append([])
        stretches[-1].append(span)
    word = Span(start_ms, end_ms)
    longest = max(stretches, key=lambda stretch: sum(span.overlap_ms(word) for span in stretch))
    return max(start_ms, longest[0].start_ms), min(end_ms, longest[-1].end_ms)
