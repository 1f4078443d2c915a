"""A query as it is asked: plain text under filters, or a pattern of phrases, from what somebody typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from search.errors import QueryWrong
from search.expression import And, Expression, Field, Phrase, Words, leaves, position_of
from search.grammar import both, parse
from search.protocols import EVERYTHING, Bounds, Filters, fold

AROUND_MS = 30_000  # AND: all of it within so long; NOT: nothing of it so long before and after

_BOUNDS = {">": "above", ">=": "at_least", "<": "below", "<=": "at_most"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Phrases combined, and what each of its fields asks of a passage."""

    expression: Expression
    where: Mapping[Field, Filters]

    def __str__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a typed query comes to.

    `text` is what legs look for: all of a text without fields and quotes as it was typed. With a pattern, that is
    looked for instead.
    """

    text: str
    filters: Filters
    pattern: Pattern | None


def read(text: str, filters: Filters, where: Callable[[Field], Filters], one_leg: bool = False) -> Reading:
    """Read a query, and take the fields that must hold for all of it into the filters.

    Args:
        filters: what must hold besides.
        where: what a field asks of a passage.
        one_leg: it is asked of one leg, which knows no operators.

    Raises:
        EmptyQuery, QueryWrong, and what `where` raises.
    """
    expression = parse(text)
    parts = expression.parts if isinstance(expression, And) else (expression,)
    said = [part for part in parts if not isinstance(part, Field)]
    meant = {field: where(field) for field in leaves(expression) if isinstance(field, Field)}
    plain = isinstance(said[0], Words) or (len(said) == 1 and isinstance(said[0], Phrase))
    if one_leg and not plain:
        raise QueryWrong(position_of(said[1] if len(said) > 1 else said[0]), "plain text: this mode combines nothing")
    left: list[Expression] = []
    for field in (part for part in parts if isinstance(part, Field)):
        narrowed = narrow(filters, meant[field])
        if narrowed is not None:
            filters = narrowed
        elif plain:
            raise QueryWrong(field.position, f"one value of {field.name}: another was given")
        else:
            left.append(field)
    if not plain:
        return Reading(text, filters, Pattern(both([*left, *said]), meant))
    return Reading(str(said[0]), filters, None)


def bounds(comparison: str | None) -> Bounds | None:
    """A comparison as the grammar lets one through, such as `>=0.7`."""
    if comparison is None:
        return None
    sign = comparison.rstrip("0123456789.")
    return Bounds(**{_BOUNDS[sign]: float(comparison.removeprefix(sign))})


def narrow(filters: Filters, more: Filters) -> Filters | None:
    """Filters that ask for both, of what both may see; None where no one filter can."""
    asked: dict[str, object] = {"grants": filters.grants.both(more.grants)}
    for name in (field.name for field in fields(Filters) if field.name != "grants"):
        one, other = getattr(filters, name), getattr(more, name)
        if one is None or other is None:
            asked[name] = other if one is None else one
        elif one == other:
            asked[name] = one
        elif name == "since_ms":
            asked[name] = max(one, other)
        elif name == "until_ms":
            asked[name] = min(one, other)
        elif isinstance(one, Bounds):
            asked[name] = one.narrowed(other)
        elif isinstance(one, str) and fold(one) == fold(other):
            asked[name] = one
        else:
            return None
    return replace(EVERYTHING, **asked)  # type: ignore[arg-type]  # the names are those of its fields
