"""Speech that a window's answer leaves open: stretches without a word, or with words nobody should believe.

The decoder skips what it does not understand, most of all one voice behind another, and writes nonsense where
another language begins. Both happen inside windows that look well as a whole, so each answer is gone through
phrase by phrase, and what it leaves open is cut out, to be heard for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transcribe.decoding import Decoded
from transcribe.spans import Span, intersect, total_ms
from transcribe.windows import Window
from transcribe.words import place_words

SCRAP_MS = 250  # less than that is the edge of a believed word, not a word


@dataclass(frozen=True, slots=True)
class OpenSpeech:
    """A stretch of a window between words that are believed.

    window: the stretch as a window of its own. phrases: places, in the window's answer, of the phrases in it, which
    another answer would replace; empty where nothing was written down.
    """

    window: Window
    phrases: tuple[int, ...]


def open_speech(decoded: Decoded, window: Window, doubted: Sequence[bool], least_ms: int) -> list[OpenSpeech]:
    """Stretches with at least `least_ms` of speech between the words of phrases that are not doubted, in order.

    Args:
        doubted: per phrase of `decoded`.
    """
    placed = iter(place_words(decoded.words, window))
    believed: list[Span] = []
    middles: list[tuple[int, int]] = []  # of doubted phrases, with their place
    for place, (phrase, doubt) in enumerate(zip(decoded.phrases, doubted, strict=True)):
        words = [next(placed) for word in phrase.words if word.text.strip()]
        if not words:
            continue
        if doubt:
            middle_ms = (words[0].start_ms + words[-1].end_ms) // 2
            middles.append((min(middle_ms, window.span.end_ms - 1), place))
        else:
            believed += [word.span for word in words]
    found: list[OpenSpeech] = []
    left_ms = window.span.start_ms
    for word in [*sorted(believed), Span(window.span.end_ms, window.span.end_ms)]:
        if word.start_ms > left_ms:
            between = intersect(window.speech, [Span(left_ms, word.start_ms)])
            speech = [span for span in between if span.duration_ms >= SCRAP_MS]
            if total_ms(speech) >= least_ms:
                span = Span(speech[0].start_ms, speech[-1].end_ms)
                inside = tuple(place for middle_ms, place in middles if left_ms <= middle_ms < word.start_ms)
                found.append(OpenSpeech(Window(span, window.language, tuple(speech)), inside))
        left_ms = max(left_ms, word.end_ms)
    return found
