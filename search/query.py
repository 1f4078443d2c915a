"""What somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from search.errors import EmptyQuery, PageTooDeep
from search.pattern import Pattern
from search.protocols import EVERYTHING, Filters
from search.text import tokens

__all__ = ["Filters", "Mode", "Query", "Sort"]

MAX_PLACES = 10_000  # so many hits are held in memory for a page that ends there; about 200 MB

_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"))


class Mode(StrEnum):
    """How to match: `auto` combines every leg that can run, the others ask one."""

    AUTO = "auto"
    EXACT = "exact"
    WORDS = "words"
    SOUNDS = "sounds"
    MEANING = "meaning"

    @property
    def is_one_leg(self) -> bool:
        """Whether one leg alone is asked, by its ranking: it combines nothing."""
        return self not in (Mode.AUTO, Mode.EXACT)


class Sort(StrEnum):
    """What hits are ordered by; what is alike comes by recorded time and id."""

    RELEVANCE = "relevance"  # places of an exact query are alike
    TIME = "time"
    LATEST = "-time"


@dataclass(frozen=True, slots=True)
class Query:
    """A question: what was said, roughly or exactly.

    `pattern`: phrases combined, looked for exactly instead of the text. `typed`: the whole of what was typed, where
    the text is what was left of it once its fields became filters; None: the text.
    `doubtful`: whether what may not have been said matches too: doubtful passages, and words with one of
    `search.passages.DOUBTS` as said exactly.
    `offset`: how many hits to leave out first.
    `sort`: None for relevance; `order` is what that comes to.
    `facets_in`: count facets, months by the clocks of this zone; None: count none.

    Raises:
        EmptyQuery: no token is left of the text.
        PageTooDeep: the page ends beyond `MAX_PLACES`.
    """

    text: str
    mode: Mode = Mode.AUTO
    limit: int = 10
    filters: Filters = EVERYTHING
    doubtful: bool = False
    offset: int = 0
    pattern: Pattern | None = None
    typed: str | None = None
    sort: Sort | None = None
    facets_in: ZoneInfo | None = None

    def __post_init__(self) -> None:
        if not self.tokens:
            raise EmptyQuery(self.text)
        if self.offset + self.limit > MAX_PLACES:
            raise PageTooDeep(self.offset, self.limit, MAX_PLACES)

    @property
    def tokens(self) -> list[str]:
        return tokens(self.text)

    @property
    def is_exact(self) -> bool:
        """Whether only these words in this order will do: asked for, the whole query in quotes, or phrases combined."""
        text = self.text.strip()
        quoted = len(text) > 1 and any(
            text[0] == opening and text[-1] == closing and not {opening, closing} & set(text[1:-1])
            for opening, closing in _QUOTES
        )
        return self.pattern is not None or self.mode is Mode.EXACT or (self.mode is Mode.AUTO and quoted)

    @property
    def order(self) -> Sort:
        """What its hits come by: places, which are all alike, by time unless the latest are asked for first."""
        asked = self.sort or Sort.RELEVANCE
        return Sort.TIME if self.is_exact and asked is Sort.RELEVANCE else asked

    @property
    def latest_first(self) -> bool:
        return self.order is Sort.LATEST
