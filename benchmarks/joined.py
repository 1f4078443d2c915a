"""Two peers put together: the words of one with the speakers of another, as most who run both do it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.hypothesis import Hypothesis
from benchmarks.outcome import Heard, Outcome
from transcribe.spans import Span
from transcribe.transcript import Segment, Turn, Word, joined_text


def joined(words: Outcome, turns: Outcome) -> Outcome:
    """Both over the sets both heard. Its seconds are the sum of theirs."""
    sets = {}
    for name in words.sets.keys() & turns.sets.keys():
        first, second = words.sets[name], turns.sets[name]
        hypotheses = {
            recording: with_speakers(hypothesis, second.hypotheses[recording].turns)
            for recording, hypothesis in first.hypotheses.items()
            if recording in second.hypotheses
        }
        stages = {**first.stage_seconds, **second.stage_seconds}
        sets[name] = Heard(first.audio_seconds, stages, hypotheses, (*first.failures, *second.failures))
    return Outcome(f"{words.system} + {turns.system}", words.tells | turns.tells, sets)


def with_speakers(hypothesis: Hypothesis, turns: Sequence[Turn]) -> Hypothesis:
    """Cut segments where the speaker changes: each word goes to the turn that covers most of it.

    A word no turn touches takes the nearest turn; without turns nobody is told apart.
    """
    segments = []
    for segment in hypothesis.segments:
        run: list[Word] = []
        speaker: str | None = None
        for word in segment.words:
            here = _speaker_at(word.span, turns)
            if run and here != speaker:
                segments.append(_segment(run, segment.language, speaker))
                run = []
            run.append(word)
            speaker = here
        if run:
            segments.append(_segment(run, segment.language, speaker))
    return Hypothesis(tuple(segments), tuple(turns))


def _speaker_at(span: Span, turns: Sequence[Turn]) -> str | None:
    def nearness(turn: Turn) -> tuple[int, int]:
        return (turn.span.overlap_ms(span), -max(turn.start_ms - span.end_ms, span.start_ms - turn.end_ms, 0))

    return max(turns, key=nearness).speaker if turns else None


def _segment(words: Sequence[Word], language: str, speaker: str | None) -> Segment:
    end_ms = max(word.end_ms for word in words)
    return Segment(words[0].start_ms, end_ms, joined_text(words), language, 1.0, tuple(words), speaker)
