"""What an asker may see: grants, decided by what is said about a recording, never by what was said in it.

Grants go with the filters to whatever is asked of an index. What they do not admit is not ranked, not counted, and
makes no word less rare: an answer is that of an archive which holds nothing else (a test states this law).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from search.folding import filter_field, fold
from transcribe.transcript import RecordingId

LIMITED = ("unit", "incident_id", "category", "officer")  # what a scope can be limited by; of metadata
ACCESS_FIELD = "access"


class Access(StrEnum):
    """Which kind of footage it is; a store compares one word faster and more alike than two truths."""

    OPEN = "open"
    RESTRICTED = "restricted"
    SEALED = "sealed"
    RESTRICTED_AND_SEALED = "restricted and sealed"

    @classmethod
    def of(cls, restricted: bool, sealed: bool) -> Access:
        if sealed:
            return cls.RESTRICTED_AND_SEALED if restricted else cls.SEALED
        return cls.RESTRICTED if restricted else cls.OPEN


@dataclass(frozen=True, slots=True)
class Scope:
    """Footage of which all of this is true; None: whatever it is, or unknown.

    Footage whose metadata does not say what it is limited by is not in it. Restricted footage is only in a scope that
    says so, and sealed footage likewise; what is both needs both.
    """

    unit: str | None = None
    incident_id: str | None = None
    category: str | None = None
    officer: str | None = None
    restricted: bool = False
    sealed: bool = False

    def equal(self) -> dict[str, str]:
        """Payload field to the folded value it must have."""
        return {filter_field(name): fold(value) for name in LIMITED if (value := getattr(self, name)) is not None}

    def kinds(self) -> tuple[Access, ...]:
        """The kinds of footage that are in it."""
        restricted, sealed = ((False, True) if may else (False,) for may in (self.restricted, self.sealed))
        return tuple(Access.of(one, other) for one in restricted for other in sealed)

    def admits(self, payload: Mapping[str, Any]) -> bool:
        """Whether a passage with this payload is in it; one that does not say what kind it is, is not."""
        return payload.get(ACCESS_FIELD) in self.kinds() and all(
            payload.get(field) == value for field, value in self.equal().items()
        )

    def both(self, other: Scope) -> Scope | None:
        """Footage in this one and the other; None: there can be none."""
        limits: dict[str, str | None] = {}
        for name in LIMITED:
            one, two = getattr(self, name), getattr(other, name)
            if one is not None and two is not None and fold(one) != fold(two):
                return None
            limits[name] = two if one is None else one
        return Scope(**limits, restricted=self.restricted and other.restricted, sealed=self.sealed and other.sealed)

    def covers(self, other: Scope) -> bool:
        """Whether all that is in the other is in this one."""
        theirs = other.equal().items()
        return self.equal().items() <= theirs and self.restricted >= other.restricted and self.sealed >= other.sealed


@dataclass(frozen=True, slots=True)
class Grants:
    """Footage in any of the scopes; without one, none.

    but_not: recordings to leave out all the same: those of which the index does not say yet what the catalog says.
    """

    scopes: tuple[Scope, ...]
    but_not: frozenset[RecordingId] = frozenset()

    def admits(self, payload: Mapping[str, Any]) -> bool:
        """Whether a passage with this payload may be seen."""
        return payload["recording_id"] not in self.but_not and any(scope.admits(payload) for scope in self.scopes)

    def both(self, other: Grants) -> Grants:
        """What this and the other admit: never more than either."""
        shared = [scope for one in self.scopes for two in other.scopes if (scope := one.both(two)) is not None]
        return Grants(tuple(_widest(shared)), self.but_not | other.but_not)


def _widest(scopes: list[Scope]) -> Iterator[Scope]:
    """Those no other covers, each once."""
    for place, scope in enumerate(scopes):
        before, after = scopes[:place], scopes[place + 1 :]
        if not any(one.covers(scope) for one in before) and not any(
            one.covers(scope) and not scope.covers(one) for one in after
        ):
            yield scope


# Who may read the data folder may see what is not sealed; sealed footage only who asks for it by name.
ALL = Grants((Scope(restricted=True),))
SEALED_TOO = Grants((Scope(restricted=True, sealed=True),))
NOTHING = Grants(())
