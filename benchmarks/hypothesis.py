"""What a system says was said in one recording: the one form every metric reads, ours and every peer's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transcribe.transcript import Covered, Segment, State, Turn, Word


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Times are ms of recording time. What a system does not tell is empty.

    segments: sorted by start; `words` empty where the system gave no word times, `speaker` None where it told none.
    turns: sorted by start, may overlap.
    coverage: only ours has it.
    """

    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    coverage: tuple[Covered, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A subset of the transcript's JSON form."""
        return {
            "segments": [
                {
                    "start_ms": segment.start_ms,
                    "end_ms": segment.end_ms,
                    "speaker": segment.speaker,
                    "text": segment.text,
                    "language": segment.language,
                    "words": [
                        {"start_ms": word.start_ms, "end_ms": word.end_ms, "text": word.text} for word in segment.words
                    ],
                }
                for segment in self.segments
            ],
            "turns": [
                {"start_ms": turn.start_ms, "end_ms": turn.end_ms, "speaker": turn.speaker} for turn in self.turns
            ],
            "coverage": [
                {"start_ms": covered.start_ms, "end_ms": covered.end_ms, "state": covered.state.value}
                for covered in self.coverage
            ],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Hypothesis:
        """Read that form, or a whole exported transcript; confidences are not looked at and become 1."""
        return Hypothesis(
            tuple(
                Segment(
                    segment["start_ms"],
                    segment["end_ms"],
                    segment["text"],
                    segment["language"],
                    1.0,
                    tuple(Word(word["start_ms"], word["end_ms"], word["text"], 1.0) for word in segment["words"]),
                    segment["speaker"],
                )
                for segment in data["segments"]
            ),
            tuple(Turn(turn["start_ms"], turn["end_ms"], turn["speaker"]) for turn in data["turns"]),
            tuple(
                Covered(covered["start_ms"], covered["end_ms"], State(covered["state"])) for covered in data["coverage"]
            ),
        )
