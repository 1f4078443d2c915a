"""Word errors: WER, and the three that ask who said it or when.

- WER: all words of a recording in time order, against all words heard (jiwer).
- cpWER: words per speaker, speakers matched for the fewest errors (meeteval). A wrong speaker costs twice.
- ORC-WER: each utterance may be found in any speaker's stream: overlap and speaker errors cost nothing. meeteval's
  greedy search, which can only overestimate; the exact one grows with the power of the number of speakers.
- tcpWER: cpWER, and a word more than `COLLAR_SECONDS` from its place does not count.

Counts are kept and added; a rate is taken last, so that recordings weigh as many words as they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.corpus import Utterance
from benchmarks.hypothesis import Hypothesis
from benchmarks.normalise import normalise
from transcribe.spans import Span
from transcribe.transcript import Segment

COLLAR_SECONDS = 5.0  # as in the CHiME-7 and CHiME-8 challenges


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Counts over `length` reference words."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    length: int = 0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )

    def percent(self, errors: int | None = None) -> float | None:
        """Errors (all kinds, unless a count is given) per hundred reference words; None without any."""
        if self.length == 0:
            return None
        total = self.substitutions + self.deletions + self.insertions if errors is None else errors
        return 100 * total / self.length


def language_at(span: Span, utterances: Sequence[Utterance]) -> str:
    """The true language there: of the utterance that overlaps most, else of the nearest one; "en" without any.

    What a system believes the language to be must not choose how its text is read.
    """
    if not utterances:
        return "en"

    def nearness(utterance: Utterance) -> tuple[int, int]:
        distance = max(utterance.span.start_ms - span.end_ms, span.start_ms - utterance.span.end_ms, 0)
        return (utterance.span.overlap_ms(span), -distance)

    return max(utterances, key=nearness).language


def heard_text(segment: Segment, utterances: Sequence[Utterance]) -> str:
    """A segment's text, normalised in the language truly spoken there."""
    return normalise(segment.text, language_at(segment.span, utterances))


def word_errors(utterances: Sequence[Utterance], hypothesis: Hypothesis) -> WordErrors:
    """WER of one recording; utterances and segments each in order of their start."""
    import jiwer

    said = " ".join(normalise(one.text, one.language) for one in sorted(utterances, key=lambda one: one.span))
    heard = " ".join(heard_text(one, utterances) for one in sorted(hypothesis.segments, key=lambda one: one.span))
    said, heard = " ".join(said.split()), " ".join(heard.split())
    if not said or not heard:
        return WordErrors(0, len(said.split()), len(heard.split()), len(said.split()))
    found = jiwer.process_words(said, heard)
    return WordErrors(found.substitutions, found.deletions, found.insertions, len(said.split()))


@dataclass(frozen=True, slots=True)
class SpeakerWordErrors:
    """The three that look at streams of speakers."""

    cp: WordErrors = WordErrors()
    orc: WordErrors = WordErrors()
    tcp: WordErrors = WordErrors()

    def __add__(self, other: SpeakerWordErrors) -> SpeakerWordErrors:
        return SpeakerWordErrors(self.cp + other.cp, self.orc + other.orc, self.tcp + other.tcp)


def speaker_word_errors(
    utterances: Sequence[Utterance], hypothesis: Hypothesis, tells_speakers: bool = True
) -> SpeakerWordErrors:
    """cpWER, ORC-WER and tcpWER of one recording.

    A segment without a speaker goes to a stream of its own kind. Of a system that tells no speakers there is one
    stream; only ORC-WER says something about it, and the other two stay without counts.
    """
    from meeteval.io import SegLST
    from meeteval.wer.wer.cp import cp_word_error_rate
    from meeteval.wer.wer.orc import greedy_orc_word_error_rate
    from meeteval.wer.wer.time_constrained import time_constrained_minimum_permutation_word_error_rate

    said = [
        _entry(one.span, one.speaker or "unknown", normalise(one.text, one.language))
        for one in utterances
        if normalise(one.text, one.language)
    ]
    heard = [
        _entry(one.span, one.speaker or "unknown", text)
        for one in hypothesis.segments
        if (text := heard_text(one, utterances))
    ]
    if not said or not heard:
        n_said, n_heard = (sum(len(entry["words"].split()) for entry in entries) for entries in (said, heard))
        errors = WordErrors(0, n_said, n_heard, n_said)
        return SpeakerWordErrors(errors, errors, errors)
    reference, spoken = SegLST(said), SegLST(heard)
    orc = _counts(greedy_orc_word_error_rate(reference, spoken))
    if not tells_speakers:
        return SpeakerWordErrors(orc=orc)
    return SpeakerWordErrors(
        _counts(cp_word_error_rate(reference, spoken)),
        orc,
        _counts(time_constrained_minimum_permutation_word_error_rate(reference, spoken, collar=COLLAR_SECONDS)),
    )


def _entry(span: Span, speaker: str, words: str) -> dict[str, Any]:
    return {
        "session_id": "recording",
        "speaker": speaker,
        "start_time": span.start_ms / 1000,
        "end_time": span.end_ms / 1000,
        "words": words,
    }


def _counts(rate: Any) -> WordErrors:
    return WordErrors(rate.substitutions, rate.deletions, rate.insertions, rate.length)
