"""Context: what was said in the seconds around a hit, line by line, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.passages import SpokenWord
from search.phrase import own_words
from search.protocols import Index, Payload, PointId, point_id
from transcribe.transcript import RecordingId

CONTEXT_MS = 8_000  # on each side: as long as the longest passage, so that a question before an answer is seen
MAX_LINES = 4  # on each side; more speakers than that in eight seconds are a crowd


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker said in a go; of a longer passage the part that is near."""

    start_ms: int
    end_ms: int
    speaker: str | None
    speaker_kind: str | None
    text: str

    def to_json(self) -> dict[str, Any]:
        return {
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "speaker": self.speaker,
            "speaker_kind": self.speaker_kind,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Shown:
    """What a hit shows, to read around it: its first passage and its last, and its span in ms.

    `runs_on`: its last words are those of passages after the last.
    """

    first: Payload
    last: Payload
    start_ms: int
    end_ms: int
    runs_on: bool = False


def around(index: Index, shown: Sequence[Shown]) -> list[tuple[tuple[Line, ...], tuple[Line, ...]]]:
    """The lines before and after each, in the order of time; empty where silence or nothing lies there.

    One question to the index for all. Neighbours are of the same recording and version as the hit, so whoever may see
    the hit may see them.
    """
    wanted = [key for one in shown for steps in (_before(one), _after(one)) for key in steps]
    known = index.retrieve(list(dict.fromkeys(wanted))) if wanted else {}
    return [(_lines_before(one, known), _lines_after(one, known)) for one in shown]


def _before(one: Shown) -> list[PointId]:
    if not one.first["context_before"]:
        return []
    return [_id(one.first, -step) for step in range(1, MAX_LINES + 1) if one.first["ordinal"] >= step]


def _after(one: Shown) -> list[PointId]:
    return [_id(one.last, step) for step in range(1, MAX_LINES + 1)] if one.last["context_after"] else []


def _id(payload: Payload, step: int) -> PointId:
    return point_id(RecordingId(payload["recording_id"]), payload["version"], payload["ordinal"] + step)


def _lines_before(one: Shown, known: Mapping[PointId, Payload]) -> tuple[Line, ...]:
    lines = []
    for key in _before(one):
        if (payload := known.get(key)) is None:
            break
        line = _line(payload, one.first["start_ms"] - CONTEXT_MS, one.end_ms)
        if line is None:
            break
        lines.append(line)
        if not payload["context_before"]:  # what lies before is not connected, or not shown beside what is sure
            break
    return tuple(reversed(lines))


def _lines_after(one: Shown, known: Mapping[PointId, Payload]) -> tuple[Line, ...]:
    lines = []
    for key in _after(one):
        if (payload := known.get(key)) is None:
            break
        from_ms = one.end_ms if one.runs_on else payload["start_ms"]
        line = _line(payload, from_ms, max(one.end_ms, one.last["end_ms"]) + CONTEXT_MS)
        if line is not None:
            lines.append(line)
        elif payload["start_ms"] >= one.end_ms:
            break
        if not payload["context_after"]:
            break
    return tuple(lines)


def _line(payload: Payload, from_ms: int, to_ms: int) -> Line | None:
    """The words of a passage that start between; all of its text where that is all of them."""
    words = own_words(payload)
    near = [word for word in words if from_ms <= word.start_ms < to_ms]
    if not near:
        return None
    text = payload["text"] if len(near) == len(words) else _part(near, near[0] != words[0], near[-1] != words[-1])
    kind = payload.get("speaker_kind")
    return Line(near[0].start_ms, max(word.end_ms for word in near), payload["speaker"], kind, text)


def _part(words: Sequence[SpokenWord], cut_before: bool, cut_after: bool) -> str:
    """Words of a longer passage, with a mark where it is cut."""
    texts = ["…"] * cut_before + [word.text.strip() for word in words] + ["…"] * cut_after
    return " ".join(texts)
