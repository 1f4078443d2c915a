"""A question as somebody asks it of an archive, before anything in it is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from search.query import Mode, Sort

FILTERS = ("officer", "badge", "unit", "incident", "category", "recording", "speaker", "since", "until", "language")


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for, and which hits of it.

    `filters`: of `FILTERS`, and `confidence`, as typed; None or absent: not filtered.
    `doubtful`: whether what may not have been said matches, too.
    `offset`: hits to leave out first.
    `deadline_seconds`: from when the index and the models are open; None: that of the settings. An export knows none.
    `sort`: None for relevance, which in exact searches is by time.
    `machine`: whether what the machine heard is searched where people corrected it.
    `facets`: whether they are counted.
    """

    text: str
    mode: Mode = Mode.AUTO
    limit: int = 10
    filters: Mapping[str, str | None] = field(default_factory=dict)
    doubtful: bool = False
    offset: int = 0
    deadline_seconds: float | None = None
    sort: Sort | None = None
    machine: bool = False
    facets: bool = False

    @property
    def given(self) -> dict[str, str]:
        """The filters that have a value."""
        return {name: value for name, value in self.filters.items() if value is not None}
