"""Angles: which places of several recordings are one moment, heard by several cameras.

Cameras of one scene are linked by the offset between their own times, told from what both heard, never from their
clocks. Two places are one moment when that offset puts them beside each other and they say alike words. Only links
between recordings that an answer found something in are looked at: a recording that the asker may not see neither is
an angle nor brings two others together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transcribe.transcript import RecordingId

if TYPE_CHECKING:
    from search.hit import Hit

# Starts, or ends, of one moment are at most so far apart under the offset: Whisper's starts of a word differ by 0.3 s
# between two cameras, an offset by as much, and two clocks by 0.1 s in a quarter of an hour.
NEAR_MS = 1_000
# Of the words of whichever says fewer, in both. Two cameras that each mishear a quarter share more than half; others
# who talk at the same moment share little.
ALIKE = 0.4


@dataclass(frozen=True, slots=True)
class Link:
    """The offset between two recordings of one scene: own time of the second = time in the first + offset.

    `error_ms`: how far off it may be. `by`: `words` or `sound`. `confidence` 0..1: how far it stands out from others.
    """

    first: RecordingId
    second: RecordingId
    offset_ms: int
    error_ms: int
    by: str
    confidence: float

    def turned(self) -> Link:
        """The same, told from the other side."""
        return Link(self.second, self.first, -self.offset_ms, self.error_ms, self.by, self.confidence)


LinksOf = Callable[[Collection[RecordingId]], Sequence[Link]]  # every link that has an end among these


def no_links(_recording_ids: Collection[RecordingId]) -> Sequence[Link]:
    """For an index whose recordings nobody linked."""
    return ()


@dataclass(frozen=True, slots=True)
class Angle:
    """One camera's hit of a moment, and how its time lies to that of the first angle (for that: 0, None, None).

    Time here = time in the first angle's recording + `offset_ms`.
    """

    hit: Hit
    offset_ms: int = 0
    offset_error_ms: int = 0
    by: str | None = None
    offset_confidence: float | None = None

    def to_json(self) -> dict[str, Any]:
        hit = self.hit
        return {
            "recording_id": hit.recording_id,
            "source": hit.source,
            "start_ms": hit.start_ms,
            "end_ms": hit.end_ms,
            "officer": hit.officer,
            "recorded_at": hit.recorded_at,
            "speaker": hit.speaker,
            "speaker_kind": hit.speaker_kind,
            "text": hit.text,
            "confidence": hit.confidence,
            "version": hit.version,
            "offset_ms": self.offset_ms,
            "offset_error_ms": self.offset_error_ms,
            "by": self.by,
            "offset_confidence": None if self.offset_confidence is None else round(self.offset_confidence, 3),
        }


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something was found. `words`: its tokens, to compare; None: the asked phrase, alike to itself."""

    recording_id: RecordingId
    start_ms: int
    end_ms: int
    words: tuple[str, ...] | None = None

    def says_alike(self, other: Spot) -> bool:
        if self.words is None or other.words is None:
            return True
        shared = sum((Counter(self.words) & Counter(other.words)).values())
        return shared > 0 and shared >= ALIKE * min(len(self.words), len(other.words))


class Timeline:
    """Linked recordings on common times, one for each scene.

    Of links that close a circle the least exact is left out, so that every two recordings have one offset.
    """

    def __init__(self, links: Collection[Link]) -> None:
        self._beside: dict[RecordingId, list[Link]] = defaultdict(list)
        scene_of: dict[RecordingId, RecordingId] = {}

        def scene(one: RecordingId) -> RecordingId:
            while scene_of.setdefault(one, one) != one:
                one = scene_of[one]
            return one

        for link in sorted(links, key=lambda link: (link.error_ms, link.first, link.second)):
            one, other = scene(link.first), scene(link.second)
            if one != other:
                scene_of[max(one, other)] = min(one, other)
                self._beside[link.first].append(link)
                self._beside[link.second].append(link.turned())
        self._places: dict[RecordingId, tuple[RecordingId, int]] = {}
        for root in sorted({scene(one) for one in self._beside}):
            for reached, path in self._paths(root):
                self._places[reached] = root, sum(link.offset_ms for link in path)

    def __contains__(self, recording_id: RecordingId) -> bool:
        return recording_id in self._places

    def place(self, recording_id: RecordingId) -> tuple[RecordingId, int]:
        """A scene, and own time - common time in it. Alone, it is a scene of its own."""
        return self._places.get(recording_id, (recording_id, 0))

    def between(self, first: RecordingId, second: RecordingId) -> Link:
        """The offset of two of one scene, along the links between them: errors add up, confidence is the least."""
        (path,) = (path for reached, path in self._paths(first) if reached == second)
        return Link(
            first,
            second,
            sum(link.offset_ms for link in path),
            sum(link.error_ms for link in path),
            "sound" if all(link.by == "sound" for link in path) else "words",
            min(link.confidence for link in path),
        )

    def _paths(self, root: RecordingId) -> list[tuple[RecordingId, list[Link]]]:
        """Every recording of the scene and the links that lead to it, the root first, with none."""
        paths: list[tuple[RecordingId, list[Link]]] = [(root, [])]
        seen = {root}
        for here, path in paths:
            for link in self._beside.get(here, ()):
                if link.second not in seen:
                    seen.add(link.second)
                    paths.append((link.second, [*path, link]))
        return paths


def among(links: Collection[Link], recording_ids: Collection[RecordingId]) -> list[Link]:
    """Those whose both ends are among these."""
    return [link for link in links if link.first in recording_ids and link.second in recording_ids]


def fold(spots: Sequence[Spot], timeline: Timeline) -> list[list[int]]:
    """Which spots are one moment: numbers of spots, each once, in their order; moments by their first.

    Of each recording a moment has at most one spot. Where several fit, the nearest belong together.

    Cost: of spots within reach of each other the square; those of recordings without a link are not compared.
    """
    placed = []
    for number, spot in enumerate(spots):
        scene, position_ms = timeline.place(spot.recording_id)
        if spot.recording_id in timeline:
            placed.append((scene, spot.start_ms - position_ms, spot.end_ms - position_ms, number))
    placed.sort()
    near: list[tuple[int, int, int]] = []
    for at, (scene, start_ms, end_ms, number) in enumerate(placed):
        for other_scene, other_start_ms, other_end_ms, other in placed[at + 1 :]:
            if other_scene != scene or other_start_ms > max(start_ms, end_ms) + NEAR_MS:
                break
            apart_ms = min(other_start_ms - start_ms, abs(other_end_ms - end_ms))
            if apart_ms <= NEAR_MS and spots[number].says_alike(spots[other]):
                near.append((apart_ms, min(number, other), max(number, other)))
    moment_of: dict[int, list[int]] = {}
    for _apart_ms, one, other in sorted(near):
        some, others = moment_of.get(one, [one]), moment_of.get(other, [other])
        if {spots[number].recording_id for number in some}.isdisjoint(spots[number].recording_id for number in others):
            together = sorted([*some, *others])
            moment_of.update(dict.fromkeys(together, together))
    moments = [moment_of.get(number, [number]) for number in range(len(spots))]
    return [moment for number, moment in enumerate(moments) if moment[0] == number]
