"""What a query says once it is read: phrases, fields, and how they are combined. Printing one reads as itself again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# What is asked of a passage besides its words. `after` is inclusive, `before` exclusive.
FIELDS = (
    "speaker",
    "officer",
    "badge",
    "unit",
    "incident",
    "category",
    "recording",
    "language",
    "after",
    "before",
    "confidence",
)
OPERATORS = ("AND", "OR", "NOT", "WITHIN", "BEFORE")  # upper case only: what somebody said is typed in lower case

_PLAIN_VALUE = re.compile(r"[\w.:+<>=-]+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side, in this order. `position` is that of its first character in the query."""

    tokens: tuple[str, ...]  # of `search.text`; at least one
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f'"{" ".join(self.tokens)}"'


@dataclass(frozen=True, slots=True)
class Field:
    """Something besides words that must hold: one of FIELDS, and its value as typed."""

    name: str
    value: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        value = self.value
        return f"{self.name}:{value}" if _PLAIN_VALUE.fullmatch(value) else f"{self.name}:{quoted(value)}"


@dataclass(frozen=True, slots=True)
class Words:
    """Plain text, to be found by every leg; alone, or in one `And` with nothing but fields."""

    text: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class And:
    """All of these, said within a short stretch; none of them an `And`, at least two."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        if any(isinstance(part, Words) for part in self.parts):
            return " ".join(map(str, self.parts))
        return " AND ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these; none of them an `Or`, at least two."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " OR ".join(_inside(one) for one in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """This must not hold, or not be said nearby; it is no `Not` itself."""

    part: Expression
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"NOT {_inside(self.part)}"


@dataclass(frozen=True, slots=True)
class Within:
    """Both, in either order, with at most `ms` between them."""

    left: Expression
    right: Expression
    ms: int

    def __str__(self) -> str:
        return f"{_inside(self.left)} WITHIN {_length(self.ms)} OF {_inside(self.right)}"


@dataclass(frozen=True, slots=True)
class Before:
    """The first, then the second with at most `ms` between them."""

    first: Expression
    second: Expression
    ms: int

    def __str__(self) -> str:
        return f"{_inside(self.first)} BEFORE {_length(self.ms)} {_inside(self.second)}"


Expression = Phrase | Field | Words | And | Or | Not | Within | Before


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """What an expression is made of; empty for a phrase, a field, plain words."""
    match expression:
        case And(parts) | Or(parts):
            return parts
        case Not(part):
            return (part,)
        case Within(left, right) | Before(left, right):
            return left, right
    return ()


def leaves(expression: Expression) -> Iterator[Phrase | Field | Words]:
    """Phrases, fields and plain words, from left to right."""
    if isinstance(expression, Phrase | Field | Words):
        yield expression
    for part in parts_of(expression):
        yield from leaves(part)


def position_of(expression: Expression) -> int:
    """Where in the query it begins."""
    if isinstance(expression, Phrase | Field | Words | Not):
        return expression.position
    return min(map(position_of, parts_of(expression)))


def quoted(text: str) -> str:
    """In double quotes; one inside is written twice."""
    return '"' + text.replace('"', '""') + '"'


def _inside(expression: Expression) -> str:
    return str(expression) if isinstance(expression, Phrase | Field) else f"({expression})"


def _length(ms: int) -> str:
    return f"{ms}ms" if ms % 1000 else f"{ms // 1000}s"
