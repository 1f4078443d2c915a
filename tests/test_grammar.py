"""The query language: what it reads, what it leaves alone, and where it points when it cannot go on."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
)
from search.grammar import MAX_DEPTH, MAX_PARTS, both, either, is_condition, negated, parse
from search.pattern import bounds, narrow, read
from search.protocols import EVERYTHING, Bounds, Filters
from search.query import Query
from search.text import tokens

N_FUZZED = 100_000 if os.environ.get("EARWITNESS_FUZZ") else 3_000


def phrase(text: str) -> Phrase:
    return Phrase(tuple(tokens(text)))


HANDS, GUN, KNIFE = phrase("hands up"), phrase("gun"), phrase("knife")
WEARER, RADIO = Field("speaker", "wearer"), Field("speaker", "radio")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('"hands up" WITHIN 10s OF "gun"', Within(HANDS, GUN, 10_000)),
        ('"hands up" BEFORE 2 min gun', Before(HANDS, GUN, 120_000)),
        ("hands up BEFORE 0.5s gun", Before(HANDS, GUN, 500)),
        ("gun OR knife AND hands up", Or((GUN, And((KNIFE, HANDS))))),
        ("(gun OR knife) AND hands up", And((Or((GUN, KNIFE)), HANDS))),
        ("gun AND NOT knife", And((GUN, Not(KNIFE)))),
        ("gun NOT knife", And((GUN, Not(KNIFE)))),
        ("gun NOT NOT knife", And((GUN, KNIFE))),
        ('"hands up" gun', And((HANDS, GUN))),
        ('"hands up" - gun', And((HANDS, GUN))),
        ("“hands up” OR «gun» OR „knife“", Or((HANDS, GUN, KNIFE))),
        ("NOT gun WITHIN 5s OF knife AND hands up", And((Not(Within(GUN, KNIFE, 5_000)), HANDS))),
        ("gun WITHIN 1s OF knife BEFORE 2s hands up", Before(Within(GUN, KNIFE, 1_000), HANDS, 2_000)),
        ("(speaker:wearer gun) BEFORE 5s knife", Before(And((WEARER, GUN)), KNIFE, 5_000)),
        ("NOT speaker:radio AND gun", And((Not(RADIO), GUN))),
        ("(speaker:wearer OR speaker:radio) gun AND knife", And((Or((WEARER, RADIO)), GUN, KNIFE))),
        ('officer:"Renée ""Ren"" Okafor" "gun"', And((Field("officer", 'Renée "Ren" Okafor'), GUN))),
        ("gun AND confidence:>0.70", And((GUN, Field("confidence", ">0.7")))),
        (
            "Lang:es until:2025-03-14 gun AND knife",
            And((Field("language", "es"), Field("before", "2025-03-14"), GUN, KNIFE)),
        ),
    ],
)
def test_operators_bind_as_they_are_documented(text: str, meant: Expression) -> None:
    """Proximity binds tighter than NOT, that tighter than AND, that tighter than OR; beside each other means AND."""
    assert parse(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "show me your hands",
        "Stop, or I'll shoot! (maybe)",
        "either or and not both",
        "he is 5'10\" tall",
        "10:30 at https://example.org",
        "Officer: show me your hands",
        "- what -- is - this ((",
        "WITHINS BEFOREHAND ANDES",
    ],
)
def test_plain_text_stays_as_it_was_typed(text: str) -> None:
    """Without an operator, a field or quotes nothing is read into it."""
    assert parse(text) == Words(text)
    assert read(text, EVERYTHING, lambda _field: EVERYTHING).text == text


def test_fields_around_plain_text_become_filters() -> None:
    """The rest is looked for by every leg, as if it had been typed alone."""
    where = {"officer": Filters(officer="Okafor"), "language": Filters(language="es")}
    reading = read('officer:"Okafor" show me (slowly) lang:es now', EVERYTHING, lambda field: where[field.name])

    assert reading.text == "show me (slowly) now"
    assert reading.filters == Filters(officer="Okafor", language="es")
    assert reading.pattern is None
    assert not Query(reading.text, filters=reading.filters).is_exact


@pytest.mark.parametrize(
    "text", ['"hands up"', " “hands up” ", 'officer:x "hands up"', '("hands up")', '"Hands, up!" -']
)
def test_one_phrase_in_quotes_is_an_exact_query(text: str) -> None:
    """Whatever fields stand around it."""
    reading = read(text, EVERYTHING, lambda _field: Filters(officer="x"))
    query = Query(reading.text)

    assert reading.pattern is None
    assert query.is_exact
    assert query.tokens == ["hands", "up"]


def test_fields_that_no_one_filter_can_ask_are_kept_or_refused() -> None:
    """Words combined can be tested for both; legs cannot."""

    def where(field: Field) -> Filters:
        return Filters(speaker=field.value)

    reading = read("speaker:wearer speaker:SPEAKER_01 gun AND knife", EVERYTHING, where)
    assert reading.filters == Filters(speaker="wearer")
    assert reading.pattern is not None
    assert reading.pattern.expression == And((Field("speaker", "SPEAKER_01"), GUN, KNIFE))
    with pytest.raises(QueryWrong) as wrong:
        read("speaker:wearer speaker:SPEAKER_01 gun", EVERYTHING, where)
    assert wrong.value.position == 15


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ('"hands up', 9, "closing quotation mark"),
        ("gun AND", 7, "words to look for"),
        ("AND gun", 0, "words to look for"),
        ("gun OR OR knife", 7, "words to look for"),
        ("(gun AND knife", 14, "closing parenthesis"),
        ("gun AND knife)", 13, "opening parenthesis"),
        ("() AND gun", 1, "words to look for"),
        ("NOT gun", 0, "beside what NOT leaves out"),
        ("NOT knife gun", 0, "beside what NOT leaves out"),
        ("speaker:wearer OR speaker:radio knife", 0, "both sides of OR"),
        ("NOT gun AND speaker:radio", 0, "beside what NOT leaves out"),
        ("gun OR NOT knife", 7, "both sides of OR"),
        ("gun OR speaker:radio", 7, "both sides of OR"),
        ("gun WITHIN 10s OF speaker:radio", 18, "both sides of WITHIN"),
        ("gun WITHIN 10s OF (NOT knife)", 19, "both sides of WITHIN"),
        ("gun WITHIN 10s knife", 14, "OF"),
        ("gun WITHIN knife", 10, "length of time such as 10s"),
        ("gun WITHIN 10 parsecs OF knife", 10, "length of time such as 10s"),
        ("gun BEFORE knife", 10, "length of time such as 10s"),
        ("gun BEFORE 25h knife", 11, "at most 24h"),
        ("gun AND (NOT knife) OR (NOT (NOT knife AND NOT hands))", 29, "NOT to leave out"),
        ('gun AND "..."', 8, "a word between the quotation marks"),
        ("oficer:Okafor gun", 0, "one of speaker, officer"),
        ("officer: Okafor gun", 8, "right after the colon"),
        ('officer:"" gun', 8, "not empty"),
        ("after:yesterday gun", 6, "a time such as"),
        ("confidence:0.7 gun", 11, "from 0 to 1"),
        ("confidence:>7 gun", 11, "from 0 to 1"),
        ("(" * (MAX_DEPTH + 1) + "gun AND knife", MAX_DEPTH, "inside each other"),
        (" AND ".join(["gun"] * (MAX_PARTS + 1)), MAX_PARTS * 8, "at most"),
    ],
)
def test_errors_point_at_the_character_and_say_what_would_fit(text: str, position: int, expected: str) -> None:
    """And never repeat what was asked: messages reach logs."""
    with pytest.raises(QueryWrong, match=f"character {position + 1}: expected .*{expected}") as wrong:
        parse(text)
    assert wrong.value.position == position
    assert "knife" not in str(wrong.value)
    assert "Okafor" not in str(wrong.value)
    assert str(pickle.loads(pickle.dumps(wrong.value))) == str(wrong.value)


@pytest.mark.parametrize(
    "text", ["", " ", "?", '""', "()", "speaker:radio", "NOT speaker:radio", "speaker:radio AND badge:1"]
)
def test_a_query_without_words_is_empty(text: str) -> None:
    """Fields alone say nothing that could have been said."""
    with pytest.raises(EmptyQuery):
        parse(text)


def test_one_leg_alone_combines_nothing() -> None:
    """Fields narrow it like any search; an operator is refused rather than searched for."""
    where = Filters(badge="7")
    assert read("badge:7 hands up", EVERYTHING, lambda _field: where, one_leg=True).filters == where
    with pytest.raises(QueryWrong, match="this mode combines nothing"):
        read("gun OR knife", EVERYTHING, lambda _field: where, one_leg=True)


WORD = st.text("abcdefghijñé刀12", min_size=1, max_size=6).filter(tokens)
NAMES = st.sampled_from([name for name in FIELDS if name not in ("after", "before", "confidence")])
FIELD = st.one_of(
    st.builds(Field, NAMES, st.text(min_size=1, max_size=12).map(str.strip).filter(bool)),
    st.builds(lambda time: Field("after", time.isoformat()), st.datetimes()),
    st.builds(
        lambda sign, part: Field("confidence", f"{sign}{part / 100}"), st.sampled_from("<>"), st.integers(0, 100)
    ),
)
PHRASE = st.lists(WORD, min_size=1, max_size=3).map(lambda words: phrase(" ".join(words)))
MS = st.integers(0, 86_400_000)


def conditions() -> st.SearchStrategy[Expression]:
    return st.recursive(
        FIELD,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(both),
            st.lists(inner, min_size=2, max_size=3).map(either),
            inner.map(lambda one: negated(one, 0)),
        ),
        max_leaves=3,
    )


def expressions() -> st.SearchStrategy[Expression]:
    """Everything that can be looked for, as the grammar gives it."""
    return st.recursive(
        PHRASE,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(both),
            st.lists(inner, min_size=2, max_size=3).map(either),
            st.builds(lambda one, other: both([one, negated(other, 0)]), inner, inner),
            st.builds(lambda one, other: both([other, one]), inner, conditions()),
            st.builds(Within, inner, inner, MS),
            st.builds(Before, inner, inner, MS),
        ),
        max_leaves=8,
    )


@given(expressions())
def test_what_is_printed_reads_as_itself(expression: Expression) -> None:
    """Printing an expression and reading it again gives the same one."""
    assert parse(str(expression)) == expression


SIGNS = ("(", ")", '"', "“", "”", "«", "-", "…", "\u0301", "\ufdfa", ":", "//", " ", "  ", "刀", "İ")
TYPED = (
    "OF",
    "10s",
    "2 min",
    "gun",
    "hands up",
    "speaker:",
    "radio",
    "officer:x",
    "confidence:>0.5",
    "after:2025-01-01",
)
PIECES = st.sampled_from((*OPERATORS, *SIGNS, *TYPED))
ANYTHING = st.one_of(
    st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3))).map(" ".join), st.lists(PIECES).map("".join)
)


def read_or_refused(text: str) -> Expression | int:
    """What it says, or the character at which it is refused."""
    try:
        return parse(text)
    except EmptyQuery:
        return 0
    except QueryWrong as wrong:
        return wrong.position


@settings(max_examples=N_FUZZED, deadline=None)
@given(ANYTHING)
@example("(" * 5_000)
@example("NOT " * 5_000 + "gun")
@example("gun WITHIN 1s OF " * 5_000 + "gun")
@example('speaker:"' * 5_000)
def test_no_text_breaks_it(text: str) -> None:
    """It reads, or is refused at a character of the text; what reads is printed and read as the same."""
    expression = read_or_refused(text)
    if isinstance(expression, int):
        assert 0 <= expression <= len(text)
        return
    assert any(isinstance(leaf, Phrase | Words) for leaf in leaves(expression))
    assert parse(str(expression)) == expression
    assert not is_condition(expression)


@given(st.floats(0, 1), st.sampled_from([">", ">=", "<", "<="]), st.floats(0, 1))
def test_a_comparison_holds_as_it_reads(limit: float, sign: str, value: float) -> None:
    """And narrowing by another one leaves what both let through."""
    compare = {">": value > round(limit, 4), ">=": value >= round(limit, 4)}
    compare |= {"<": value < round(limit, 4), "<=": value <= round(limit, 4)}
    asked = bounds(f"{sign}{round(limit, 4):.4f}")
    assert asked is not None
    assert asked.hold(value) == compare[sign]
    narrowed = narrow(Filters(confidence=asked), Filters(confidence=Bounds(at_least=0.5)))
    assert narrowed is not None
    assert narrowed.confidence is not None
    assert narrowed.confidence.hold(value) == (compare[sign] and value >= 0.5)


def test_two_times_narrow_to_what_both_hold() -> None:
    """The later beginning and the earlier end."""
    one, other = Filters(since_ms=1, until_ms=9, officer="A "), Filters(since_ms=3, until_ms=7, officer="a")
    assert narrow(one, other) == Filters(since_ms=3, until_ms=7, officer="A ")
    assert narrow(one, Filters(officer="b")) is None
