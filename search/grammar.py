"""The query language: from what somebody typed to an expression, or to the character where it stops making sense.

    query  = any { "OR" any }
    any    = one { [ "AND" ] one }
    one    = { "NOT" } near
    near   = part { ( "WITHIN" length "OF" | "BEFORE" length ) part }
    part   = phrase | words | field | "(" query ")"
    phrase = words in double quotes, “…”, „…“ or «…»
    field  = name ":" ( value | value in quotes )
    length = number ( "ms" | "s" | "min" | "h" )

Words beside each other are one phrase. A text that has neither an operator nor quotes is no such query: its fields
are taken out, and the rest is plain text, whatever brackets and dashes it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from search.errors import EmptyQuery, QueryWrong
from search.expression import (
    FIELDS,
    OPERATORS,
    And,
    Before,
    Expression,
    Field,
    Not,
    Or,
    Phrase,
    Within,
    Words,
    leaves,
    parts_of,
    position_of,
)
from search.text import tokens

MAX_PARTS = 40  # phrases and fields: each phrase is a pass over the index
MAX_DEPTH = 20  # parentheses inside each other
MAX_LENGTH_MS = 24 * 3_600_000

_ALIASES = {"lang": "language", "since": "after", "until": "before"}
_CLOSING = {'"': '"', "“": '”"', "„": "“”", "«": "»"}
_UNITS_MS = {"ms": 1, "s": 1_000, "sec": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_LENGTH = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(ms|sec|s|min|m|h)(?![^\s()])")
_FIELD = re.compile(r"([A-Za-z_]+):(?=[^\s()])(?!//)")
_FIELD_WITHOUT_VALUE = re.compile(rf"(?:{'|'.join((*FIELDS, *_ALIASES))}):(?=[\s()]|$)")
_BARE = re.compile(r"[^\s()]+")
_COMPARISON = re.compile(r"(>=|<=|>|<)\s*((?:0|1)?\.?[0-9]{1,4})")

_WORDS = "words to look for"


class _Kind(Enum):
    WORD = auto()
    QUOTED = auto()
    FIELD = auto()
    OPERATOR = auto()
    OPEN = auto()
    CLOSE = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class _Token:
    """`text`: a word as typed, what stands between quotes, a field's value, an operator; `name`: that of a field."""

    kind: _Kind
    position: int
    end: int
    text: str = ""
    name: str = ""
    ms: int = 0


def parse(text: str) -> Expression:
    """What a query says.

    Returns:
        `Words` for plain text, or an `And` of fields and last `Words`; else phrases combined, at least one of them
        looked for, never only left out.

    Raises:
        EmptyQuery: it has no word, or nothing but fields.
        QueryWrong: it cannot be read, or says nothing that can be found.
    """
    if not tokens(text):
        raise EmptyQuery(text)
    found = _tokens(text)
    if not any(token.kind in (_Kind.OPERATOR, _Kind.QUOTED) for token in found):
        return _plain(text, found)
    expression = _Parser(found).query()
    if all(isinstance(leaf, Field) for leaf in leaves(expression)):
        raise EmptyQuery(text)
    if _sort(expression) is not _Sort.PLACES:
        raise QueryWrong(position_of(expression), f"{_WORDS} beside what NOT leaves out")
    return expression


def _plain(text: str, found: Sequence[_Token]) -> Expression:
    fields = [token for token in found if token.kind is _Kind.FIELD]
    if not fields:
        return Words(text)
    _check_number(found)
    rest, at = "", 0
    for token in fields:
        rest, at = f"{rest}{text[at : token.position]} ", token.end
    rest = " ".join(f"{rest}{text[at:]}".split())
    if not tokens(rest):
        raise EmptyQuery(text)
    begin = next((token.position for token in found if token.kind is _Kind.WORD), 0)
    return And((*map(_field, fields), Words(rest, begin)))


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found.append(_token(text, at))
        at = found[-1].end
    return [*found, _Token(_Kind.END, len(text), len(text))]


def _token(text: str, at: int) -> _Token:
    if text[at] in "()":
        return _Token(_Kind.OPEN if text[at] == "(" else _Kind.CLOSE, at, at + 1)
    if text[at] in _CLOSING:
        inside, end = _between_quotes(text, at)
        return _Token(_Kind.QUOTED, at, end, inside)
    if named := _FIELD.match(text, at):
        return _field_token(text, named)
    if named := _FIELD_WITHOUT_VALUE.match(text, at):
        raise QueryWrong(named.end(), "a value right after the colon, in quotes where it has spaces")
    bare = _BARE.match(text, at)
    assert bare is not None
    if bare[0] not in OPERATORS:
        return _Token(_Kind.WORD, at, bare.end(), bare[0])
    if bare[0] not in ("WITHIN", "BEFORE"):
        return _Token(_Kind.OPERATOR, at, bare.end(), bare[0])
    return _near(text, bare)


def _field_token(text: str, named: re.Match[str]) -> _Token:
    name = named[1].casefold()
    name = _ALIASES.get(name, name)
    if name not in FIELDS:
        raise QueryWrong(named.start(), f"one of {', '.join(FIELDS)}, or a space after the colon")
    at = named.end()
    if text[at] in _CLOSING:
        value, end = _between_quotes(text, at)
    else:
        bare = _BARE.match(text, at)
        assert bare is not None
        value, end = bare[0], bare.end()
    return _Token(_Kind.FIELD, named.start(), end, _value(name, value, at), name)


def _value(name: str, value: str, at: int) -> str:
    """As it is kept; one that cannot be right is wrong here, where its place is known."""
    if not value.strip():
        raise QueryWrong(at, "a value that is not empty")
    if name in ("after", "before"):
        try:
            datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise QueryWrong(at, "a time such as 2025-03-14T22:31:00-07:00 or 2025-03-14") from error
    if name == "confidence":
        compared = _COMPARISON.fullmatch(value.strip())
        if compared is None or float(compared[2]) > 1:
            raise QueryWrong(at, "a comparison with a number from 0 to 1, such as >0.7 or <=0.5")
        return f"{compared[1]}{float(compared[2])}"
    return value.strip()


def _between_quotes(text: str, at: int) -> tuple[str, int]:
    """What stands between the quotes that open at `at`, and where it goes on. Inside, a double quote is doubled."""
    closing, begin, inside = _CLOSING[text[at]], at + 1, ""
    at = begin
    while at < len(text):
        if text[at] in closing:
            if not (text[at] == closing == '"' and text[at + 1 : at + 2] == '"'):
                return inside + text[begin:at], at + 1
            inside, begin, at = inside + text[begin : at + 1], at + 2, at + 1
        at += 1
    raise QueryWrong(len(text), "a closing quotation mark")


def _near(text: str, operator: re.Match[str]) -> _Token:
    length = _LENGTH.match(text, operator.end())
    if length is None:
        raise QueryWrong(
            operator.end(), f"a length of time such as 10s or 2min; {operator[0].lower()} in lower case is a word"
        )
    ms = round(float(length[1]) * _UNITS_MS[length[2]])
    if ms > MAX_LENGTH_MS:
        raise QueryWrong(length.start(1), f"at most {MAX_LENGTH_MS // 3_600_000}h")
    end = length.end()
    if operator[0] == "WITHIN":
        of = re.compile(r"\s+OF(?![^\s()\"“„«])").match(text, end)
        if of is None:
            raise QueryWrong(end, "OF, as in WITHIN 10s OF")
        end = of.end()
    return _Token(_Kind.OPERATOR, operator.start(), end, operator[0], ms=ms)


class _Parser:
    """Recursive descent over the tokens of a query that has operators or quotes."""

    def __init__(self, found: Sequence[_Token]) -> None:
        self._tokens, self._at, self._depth = found, 0, 0
        _check_number(found)

    def query(self) -> Expression:
        expression = self._or()
        if self._next.kind is not _Kind.END:
            raise QueryWrong(self._next.position, "an opening parenthesis before this closing one")
        return expression

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *operators: str) -> _Token | None:
        """The next token if it is one of these operators."""
        token = self._next
        if token.kind is not _Kind.OPERATOR or token.text not in operators:
            return None
        self._at += 1
        return token

    def _or(self) -> Expression:
        parts = [self._and()]
        while self._take("OR"):
            parts.append(self._and())
        return either(parts)

    def _and(self) -> Expression:
        parts = [self._not()]
        while self._take("AND") or self._begins_part():
            parts.append(self._not())
        return both(parts)

    def _begins_part(self) -> bool:
        self._skip_marks()
        token = self._next
        return token.kind not in (_Kind.OPERATOR, _Kind.CLOSE, _Kind.END) or token.text == "NOT"

    def _not(self) -> Expression:
        nots = []
        while token := self._take("NOT"):
            nots.append(token)
        part = self._near()
        return negated(part, nots[0].position) if len(nots) % 2 else part

    def _near(self) -> Expression:
        left = self._part()
        while operator := self._take("WITHIN", "BEFORE"):
            right = self._part()
            for side in (left, right):
                if _sort(side) is not _Sort.PLACES:
                    raise QueryWrong(position_of(side), f"{_WORDS} on both sides of {operator.text}")
            left = (Within if operator.text == "WITHIN" else Before)(left, right, operator.ms)
        return left

    def _part(self) -> Expression:
        self._skip_marks()
        token = self._next
        match token.kind:
            case _Kind.OPEN:
                return self._in_parentheses()
            case _Kind.FIELD:
                self._at += 1
                return _field(token)
            case _Kind.QUOTED:
                self._at += 1
                if not tokens(token.text):
                    raise QueryWrong(token.position, "a word between the quotation marks")
                return Phrase(tuple(tokens(token.text)), token.position)
            case _Kind.WORD:
                words = []
                while self._next.kind is _Kind.WORD:
                    words.append(self._next.text)
                    self._at += 1
                return Phrase(tuple(tokens(" ".join(words))), token.position)
        raise QueryWrong(token.position, f"{_WORDS}, a field such as speaker:wearer, or an opening parenthesis")

    def _skip_marks(self) -> None:
        """A dash or a comma on its own says nothing."""
        while self._next.kind is _Kind.WORD and not tokens(self._next.text):
            self._at += 1

    def _in_parentheses(self) -> Expression:
        opening = self._next
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryWrong(opening.position, f"at most {MAX_DEPTH} parentheses inside each other")
        self._at += 1
        inside = self._or()
        if self._next.kind is not _Kind.CLOSE:
            raise QueryWrong(self._next.position, "a closing parenthesis")
        self._at += 1
        self._depth -= 1
        return inside


def both(parts: Sequence[Expression]) -> Expression:
    """All of the parts, without an `And` inside an `And`."""
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, And) else (part,)))
    return And(flat) if len(flat) > 1 else flat[0]


def either(parts: Sequence[Expression]) -> Expression:
    """Any of the parts, without an `Or` inside an `Or`.

    Raises:
        QueryWrong: some are looked for and others are not.
    """
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, Or) else (part,)))
    if len(flat) == 1:
        return flat[0]
    wanted = _Sort.CONDITION if all(_sort(one) is _Sort.CONDITION for one in flat) else _Sort.PLACES
    for one in flat:
        if _sort(one) is not wanted:
            raise QueryWrong(position_of(one), f"{_WORDS} on both sides of OR, or nothing but fields")
    return Or(flat)


def negated(part: Expression, position: int) -> Expression:
    """Not the part; of a `Not`, what it leaves out.

    Raises:
        QueryWrong: the part is only left out itself.
    """
    if isinstance(part, Not):
        return part.part
    if _sort(part) is _Sort.LEFT_OUT:
        raise QueryWrong(position_of(part), f"{_WORDS}, for NOT to leave out")
    return Not(part, position)


class _Sort(Enum):
    """What an expression gives: places, a condition on them, or only what they must not be near."""

    PLACES = auto()
    CONDITION = auto()
    LEFT_OUT = auto()


def _sort(expression: Expression) -> _Sort:
    if isinstance(expression, Field):
        return _Sort.CONDITION
    if isinstance(expression, Not):
        return _Sort.CONDITION if is_condition(expression.part) else _Sort.LEFT_OUT
    if isinstance(expression, And):
        sorts = {_sort(part) for part in expression.parts}
        return next(sort for sort in (_Sort.PLACES, _Sort.LEFT_OUT, _Sort.CONDITION) if sort in sorts)
    return _Sort.CONDITION if isinstance(expression, Or) and is_condition(expression) else _Sort.PLACES


def is_condition(expression: Expression) -> bool:
    """Whether it is made of fields alone: it says what a place must be, not where one is."""
    if isinstance(expression, Field):
        return True
    parts = parts_of(expression)
    return bool(parts) and all(is_condition(part) for part in parts)


def _field(token: _Token) -> Field:
    return Field(token.name, token.text, token.position)


def _check_number(found: Sequence[_Token]) -> None:
    """Words beside each other are one phrase, and count once."""
    parts = [
        token
        for before, token in zip((None, *found), found, strict=False)
        if token.kind in (_Kind.FIELD, _Kind.QUOTED)
        or (token.kind is _Kind.WORD and (before is None or before.kind is not _Kind.WORD))
    ]
    if len(parts) > MAX_PARTS:
        raise QueryWrong(parts[MAX_PARTS].position, f"at most {MAX_PARTS} phrases and fields")
