"""Speech spans to windows: what one encoder pass sees.

A window joins neighbouring speech of one language, because context helps Whisper more than beams do. It
never reaches across a long pause or digital silence: Whisper stretches the first word after a silence into
it, and fills silence with words nobody said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transcribe.spans import Span


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """max_pause_ms: a longer pause between two speech spans starts a new window.

    max_window_ms: shorter than the 30 s the encoder takes, which cost twice as much as 20 s (attention outgrows the
    cache); longer than 20 s, because context decides words: dev `speech` WER 4.9 % at 19 s, 1.8 % at 24 s and at 28 s,
    dev `patrol` 13.8 % at 19 s and at 24 s (whisper-base int8).
    """

    max_window_ms: int = 24_000
    max_pause_ms: int = 3_000


@dataclass(frozen=True, slots=True)
class Window:
    """Speech one encoder pass sees: `span` from its first to its last speech span."""

    span: Span
    language: str
    speech: tuple[Span, ...]


def build_windows(
    speech: Sequence[Span], languages: Sequence[str], silent: Sequence[Span], options: WindowOptions
) -> list[Window]:
    """Join neighbouring speech spans of one language; every span is in exactly one window, in order.

    Args:
        speech: sorted, apart, each short enough for a window.
        languages: as many as `speech`.
        silent: digital silence, sorted; no window reaches across any of it.
    """
    windows: list[Window] = []
    open_spans: list[Span] = []
    open_language = ""
    for span, language in zip(speech, languages, strict=True):
        joins = (
            bool(open_spans)
            and language == open_language
            and span.end_ms - open_spans[0].start_ms <= options.max_window_ms
            and span.start_ms - open_spans[-1].end_ms <= options.max_pause_ms
            and not any(s.start_ms < span.start_ms and s.end_ms > open_spans[-1].end_ms for s in silent)
        )
        if open_spans and not joins:
            windows.append(_window(open_spans, open_language))
            open_spans = []
        open_spans.append(span)
        open_language = language
    if open_spans:
        windows.append(_window(open_spans, open_language))
    return windows


def split_window(window: Window) -> list[Window]:
    """Two windows, parted at the longest pause between speech spans; the same one when there is none."""
    if len(window.speech) < 2:
        return [window]
    spans = list(window.speech)
    at = max(range(1, len(spans)), key=lambda i: (spans[i].start_ms - spans[i - 1].end_ms, -i))
    return [_window(spans[:at], window.language), _window(spans[at:], window.language)]


def _window(spans: list[Span], language: str) -> Window:
    return Window(Span(spans[0].start_ms, spans[-1].end_ms), language, tuple(spans))
