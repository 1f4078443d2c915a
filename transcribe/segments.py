"""From heard windows to segments: what is written down, what is only covered, and what is marked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from transcribe.confidence import Rate, as_decoded
from transcribe.decoding import Decoded, Phrase
from transcribe.gate import LOST, UNHEARD, Finding, shorten_loops
from transcribe.transcript import Segment
from transcribe.windows import Window
from transcribe.words import place_words


@dataclass(frozen=True, slots=True)
class HeardWindow:
    """A window and what is believed to be said in it.

    found: what stays suspicious about the whole. doubts: the same for each phrase; one with any is doubtful.
    """

    window: Window
    decoded: Decoded
    found: frozenset[Finding]
    doubts: tuple[frozenset[Finding], ...]

    @staticmethod
    def believed(window: Window, decoded: Decoded) -> HeardWindow:
        """Nothing is suspicious about it."""
        return HeardWindow(window, decoded, frozenset(), (frozenset(),) * len(decoded.phrases))

    def without(self, places: Collection[int]) -> HeardWindow:
        """The same with some phrases left out."""
        stays = [place for place in range(len(self.decoded.phrases)) if place not in places]
        decoded = replace(self.decoded, phrases=tuple(self.decoded.phrases[place] for place in stays))
        return replace(self, decoded=decoded, doubts=tuple(self.doubts[place] for place in stays))


def segments_of(heard: HeardWindow, translation: Sequence[Phrase], rate: Rate = as_decoded) -> list[Segment]:
    """What one window adds to the transcript: a segment per phrase, its words inside the window's speech.

    A segment is as sure as its words are on average, so that it means the same in whichever parts it is cut later.
    """
    window = heard.window
    if heard.found & UNHEARD:
        return []
    decoded = rate(shorten_loops(heard.decoded, [bool(some & LOST) for some in heard.doubts]))
    placed = place_words(decoded.words, window)
    segments: list[Segment] = []
    for phrase, doubted in zip(decoded.phrases, heard.doubts, strict=True):
        words, placed = placed[: len(phrase.words)], placed[len(phrase.words) :]
        if not words or doubted & UNHEARD:
            continue
        segments.append(
            Segment(
                words[0].start_ms,
                words[-1].end_ms,
                phrase.text,
                window.language,
                round(fmean(word.confidence for word in words), 4),
                tuple(words),
                flags=("doubtful",) if doubted else (),
                translation=_translated(phrase, translation),
            )
        )
    return segments


def _translated(phrase: Phrase, translation: Sequence[Phrase]) -> str | None:
    """The translated phrases that share most of their time, or most of this phrase's, with it."""
    parts = []
    for one in translation:
        shared = min(phrase.end_s, one.end_s) - max(phrase.start_s, one.start_s)
        shorter = max(0.01, min(phrase.end_s - phrase.start_s, one.end_s - one.start_s))
        if shared / shorter >= 0.5:
            parts.append(one.text)
    return " ".join(parts) or None
