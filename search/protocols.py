"""The seam of the index: one write verb, the ways to ask, and what goes in and comes out.

Three adapters implement it (`search.indexes`): `exact`, brute force in NumPy and the oracle of the contract
tests; `edge`, a Qdrant Edge shard in a folder; `cluster`, a Qdrant server.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search.access import ALL, Grants
from search.bm25 import SparseVector
from search.folding import filter_field as filter_field
from search.folding import fold as fold
from transcribe.transcript import RecordingId

PointId = str  # UUID in its 36-character form
Payload = Mapping[str, Any]


class Edition(StrEnum):
    """Which rows of a recording that people corrected; of any other there is one edition, which has no name."""

    CORRECTED = "corrected"  # what is shown and searched, unless the other is asked for
    MACHINE = "machine"  # what was heard before anybody changed it, or by newer models since


class Leg(StrEnum):
    """A way of matching that is asked by vector."""

    MEANING = "meaning"
    WORDS = "words"
    SOUNDS = "sounds"


@dataclass(frozen=True, slots=True)
class Row:
    """A passage as the index keeps it."""

    id: PointId
    meaning: NDArray[np.float32]  # (dimension,), length 1
    words: SparseVector
    sounds: SparseVector
    payload: Payload

    @property
    def sparse(self) -> dict[Leg, SparseVector]:
        """The sparse vectors that hold something: a row without terms has none."""
        return {leg: one for leg, one in ((Leg.WORDS, self.words), (Leg.SOUNDS, self.sounds)) if one.indices}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which a number must lie; None: no bound on that side."""

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def hold(self, value: float) -> bool:
        """Whether it lies there."""
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def narrowed(self, more: Bounds) -> Bounds:
        """Where both hold."""

        def tighter(choose: Callable[[list[float]], float], *some: float | None) -> float | None:
            given = [one for one in some if one is not None]
            return choose(given) if given else None

        return Bounds(
            tighter(max, self.above, more.above),
            tighter(max, self.at_least, more.at_least),
            tighter(min, self.below, more.below),
            tighter(min, self.at_most, more.at_most),
        )


@dataclass(frozen=True, slots=True)
class Filters:
    """What a passage must be; None: anything. Case and surrounding space do not count.

    `speaker` is a label, or a kind: `wearer` or `radio`. `since_ms` (inclusive) and `until_ms` (exclusive) are UTC
    epoch ms of the moment the passage starts; footage whose recording time is unknown passes neither. `confidence` is
    that of the passage: the mean of its words'. `machine`: of recordings that were corrected, what the machine heard
    instead; None: both editions. `grants`: what the asker may see; it is part of every question, so that nothing can be
    asked without it.
    """

    recording_id: RecordingId | None = None
    officer: str | None = None
    badge: str | None = None
    unit: str | None = None
    incident_id: str | None = None
    category: str | None = None
    language: str | None = None
    speaker: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    confidence: Bounds | None = None
    machine: bool | None = False
    grants: Grants = ALL

    def unequal(self) -> dict[str, str]:
        """Payload field to the value it must not have; rows without the field pass."""
        if self.machine is None:
            return {}
        return {EDITION_FIELD: Edition.CORRECTED if self.machine else Edition.MACHINE}

    def equal(self) -> dict[str, str]:
        """Payload field of the filter to the folded value it must have."""
        return {filter_field(name): fold(value) for name in FILTERED if (value := getattr(self, name)) is not None}


EVERYTHING = Filters()
EVERY_EDITION = Filters(machine=None)  # the rows one searches, and those kept beside them

EDITION_FIELD = "edition"  # of the payload; only rows of corrected recordings have it

# Every one has a folded copy in the payload under `filter_field`; the original is what is shown. A copy may be a list:
# one value of it that is asked for is enough, as in Qdrant.
FILTERED = ("recording_id", "officer", "badge", "unit", "incident_id", "category", "language", "speaker")


@dataclass(frozen=True, slots=True)
class LegQuery:
    """One leg of a search: a dense vector for `meaning`, a sparse one, not empty, for the others.

    `among`: only these rows, where given; who names them knows their payloads, and gets none.
    """

    leg: Leg
    vector: NDArray[np.float32] | SparseVector
    limit: int
    filters: Filters = EVERYTHING
    among: frozenset[PointId] | None = None


@dataclass(frozen=True, slots=True)
class LegHit:
    """A row that matched one leg, with that leg's own score."""

    id: PointId
    score: float
    payload: Payload


class Index(Protocol):
    """Rows of every recording, found by vector, by phrase, and by filter."""

    def replace(self, recording_id: RecordingId, version: str, rows: Sequence[Row]) -> None:
        """Make `rows` all that the index holds of a recording, in every edition. Doing it twice changes nothing.

        Readers see the old rows, the new ones, or for a moment both; never none. A replace that was
        cut short is mended by the next.
        """
        ...

    def remove(self, recording_id: RecordingId) -> None:
        """Forget a recording; one that is not there is no error."""
        ...

    def query_batch(self, queries: Sequence[LegQuery]) -> list[list[LegHit]]:
        """Hits per query, best first; equal scores by id. Rows sharing no term with a sparse query are left out.

        A sparse score is the sum over shared terms of weight times weight: how rare a term is, who asks puts in.
        """
        ...

    def phrase(self, tokens: Sequence[str], filters: Filters = EVERYTHING) -> Iterator[LegHit]:
        """Every row whose `exact` text holds the tokens side by side in this order; score 1; in no order."""
        ...

    def retrieve(self, ids: Sequence[PointId]) -> dict[PointId, Payload]:
        """Payloads of the rows that are there, whoever asks: for neighbours of a row that may be seen.

        Grants go by recording, so what is beside it may be seen as well.
        """
        ...

    def count(self, filters: Filters = EVERYTHING) -> int:
        """How many rows pass, exactly."""
        ...

    def document_frequencies(self, terms: Collection[str], filters: Filters = EVERYTHING) -> dict[str, int]:
        """In how many of the rows that pass each of these terms of `search.bm25` is, exactly."""
        ...

    def relabel(self, recording_id: RecordingId, fields: Mapping[str, Any]) -> None:
        """Set these payload fields on every row of a recording; None takes a field out. All else stays as it is."""
        ...

    def versions(self) -> dict[RecordingId, dict[str, int]]:
        """Per recording the versions it has rows of, and how many.

        One version each, two where it was corrected, and more where a replace was cut short.
        """
        ...

    def flush(self) -> None:
        """What was replaced or removed survives a power loss from here on."""
        ...

    def close(self) -> None: ...


def point_id(recording_id: RecordingId, version: str, ordinal: int) -> PointId:
    """The same row always has the same id, so writing it again replaces it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"earwitness:{recording_id}:{version}:{ordinal}"))
