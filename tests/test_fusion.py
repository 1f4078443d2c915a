"""Laws of how legs are weighed, and of what a query is taken for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.bm25 import AskedWord, query_terms, query_words
from search.evidence import Evidence
from search.fusion import CLUES, OF_LEG, ONLY_FOR_QUESTIONS, Fusion, Weights, clues, fusion, parse
from search.query import Query
from search.searcher import LEGS
from search.text import tokens
from search.understanding import FUNCTION_WORDS, MAX_NAME_WORDS, QUESTION_WORDS, Kind, understand

NAMES = tuple(field.name for field in fields(Evidence))
FIELDS = {"exact": ("exact",), "words": ("words",), "sounds": ("sounds", "together"), "meaning": ("meaning",)}
LEAST = {name: -1.0 if name == "meaning" else 0.0 for name in NAMES}

POSITIVE = st.floats(0, 50, allow_subnormal=False)
WEIGHTS = st.builds(
    Weights,
    st.floats(-50, 50),
    st.fixed_dictionaries({}, optional=dict.fromkeys(CLUES, POSITIVE)),
    st.just(dict.fromkeys(CLUES, 0.4)),
)
FUSIONS = st.just(fusion()) | st.builds(
    Fusion, st.fixed_dictionaries(dict.fromkeys(Kind, WEIGHTS)), st.floats(0, 1), st.just("any")
)


def values(name: str) -> st.SearchStrategy[float]:
    return st.floats(LEAST[name], 1, allow_subnormal=False)


ALL_RAN = st.builds(Evidence, **{name: values(name) for name in NAMES})
SOME_RAN = st.builds(Evidence, **{name: st.none() | values(name) for name in NAMES})


def kinds_of(one: Fusion) -> st.SearchStrategy[Kind]:
    return st.sampled_from(sorted(one.by_kind))


# The weights


@given(FUSIONS, SOME_RAN, st.data())
def test_a_probability_is_one_and_so_is_every_leg_s_share(one: Fusion, evidence: Evidence, data: st.DataObject) -> None:
    """0..1 whatever is known; what the legs add, with the constant, are its log odds."""
    kind = data.draw(kinds_of(one))
    odds = one.by_kind[kind].odds(clues(evidence))
    adds = one.explain(evidence, kind)
    assert 0 <= one.probability(evidence, kind) <= 1
    assert set(adds) == {"constant", *LEGS}
    assert sum(adds.values()) == pytest.approx(odds, abs=1e-9)
    if abs(odds) < 30:
        assert one.probability(evidence, kind) == pytest.approx(1 / (1 + math.exp(-odds)))


@given(FUSIONS, SOME_RAN, st.sampled_from(NAMES), st.data())
def test_more_of_a_clue_never_makes_a_passage_less_likely(
    one: Fusion, evidence: Evidence, name: str, data: st.DataObject
) -> None:
    """Whatever the other legs say, or did not run to say."""
    kind = data.draw(kinds_of(one))
    low, high = sorted(data.draw(st.tuples(values(name), values(name))))
    less, more = (one.probability(replace(evidence, **{name: value}), kind) for value in (low, high))
    assert less <= more + 1e-12


@given(FUSIONS, SOME_RAN, SOME_RAN, st.sampled_from(sorted(FIELDS)), st.data())
def test_a_leg_that_did_not_run_turns_no_two_passages_round_that_agree_on_it(
    one: Fusion, first: Evidence, second: Evidence, leg: str, data: st.DataObject
) -> None:
    """What is usual stands for it, in both alike."""
    kind = data.draw(kinds_of(one))
    agreed = {name: getattr(first, name) for name in FIELDS[leg]}
    unheard = dict.fromkeys(FIELDS[leg])

    def lead(said: Mapping[str, float | None]) -> float:
        odds = [one.by_kind[kind].odds(clues(replace(evidence, **said))) for evidence in (first, second)]
        return odds[0] - odds[1]

    assert lead(agreed) == pytest.approx(lead(unheard), abs=1e-9)


def test_every_leg_has_its_clues_and_every_clue_its_leg() -> None:
    """A clue that belongs to no leg could not be explained, nor left out with it."""
    assert set(OF_LEG) == set(LEGS)
    assert sorted(name for names in OF_LEG.values() for name in names) == sorted(CLUES)
    assert set(clues(Evidence())) == set(CLUES)
    assert set(clues(Evidence()).values()) == {None}
    assert clues(Evidence(words=0.5))["words_squared"] == 0.25
    assert set(ONLY_FOR_QUESTIONS) < set(CLUES)


# What is shipped


def test_what_is_shipped_knows_every_kind_of_query_and_no_other_clue() -> None:
    """A missing kind would fail at the first query of it, a clue nobody computes at any."""
    shipped = fusion()
    assert set(shipped.by_kind) == set(Kind)
    assert 0 < shipped.found < 1
    assert shipped.name
    for weights in shipped.by_kind.values():
        assert set(weights.weights) <= set(CLUES)
        assert set(weights.weights) <= set(weights.usual)
        assert all(weight >= 0 for weight in weights.weights.values())
        assert all(LEAST.get(name, 0.0) <= weights.usual[name] <= 1 for name in weights.weights)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_shipped_tells_all_from_nothing(kind: Kind) -> None:
    """A passage that has everything is found, and one that has nothing is not, however far any leg may be missing."""
    shipped = fusion()
    everything, nothing = Evidence(*(1.0,) * len(NAMES)), Evidence(*(0.0,) * len(NAMES))
    assert shipped.probability(everything, kind) >= shipped.found > shipped.probability(nothing, kind)
    assert 0 <= shipped.probability(Evidence(), kind) <= 1


def test_a_form_may_say_more_than_is_read_and_leave_out_what_weighs_nothing() -> None:
    """Where weights come from is for people; a clue left out has no share."""
    one = {"constant": -3, "weights": {"exact": 2}, "usual": {"exact": 0.25, "words": 0.5}}
    stored = {"name": "x", "found": 1, "fitted_at": "2025-01-01", "fitted_on": {"a": 3}, "kinds": {"name": one}}
    read = parse(stored)
    assert (read.name, read.found, set(read.by_kind)) == ("x", 1.0, {Kind.NAME})
    assert read.by_kind[Kind.NAME].odds(clues(Evidence(exact=1.0, words=1.0))) == -1
    assert read.by_kind[Kind.NAME].odds(clues(Evidence())) == -2.5
    assert read.explain(Evidence(exact=1.0, meaning=1.0), Kind.NAME) == {
        "constant": -3, "exact": 2, "words": 0, "sounds": 0, "meaning": 0,
    }  # fmt: skip


def test_a_form_with_a_kind_nobody_knows_is_refused() -> None:
    """Weights that no query would be judged by are a mistake in the file."""
    with pytest.raises(ValueError, match="'greeting' is not a valid Kind"):
        parse({"name": "x", "found": 0.5, "kinds": {"greeting": {"constant": 0, "weights": {}, "usual": {}}}})


# What a query is taken for


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("Okafor", Kind.NAME, ["okafor"]),
        ("Adalberto Montemayor", Kind.NAME, ["adalberto", "montemayor"]),
        ("Mecham Parkway North", Kind.NAME, ["mecham", "parkway", "north"]),
        ("the man with a knife", Kind.NAME, ["man", "knife"]),
        ("el anillo de oro", Kind.NAME, ["anillo", "oro"]),
        ("7KLM392", Kind.NAME, ["7klm392"]),
        ("six hundred twelve dollars", Kind.NAME, ["six hundred twelve", "dollars"]),
        ("five five five oh one four two", Kind.NAME, ["five five five oh one four two"]),
        ("driver says brakes failed", Kind.DESCRIPTION, ["driver", "says", "brakes", "failed"]),
        ("someone told to get out of the car", Kind.DESCRIPTION, ["someone", "told", "get", "car"]),
        ("where did they hide it", Kind.QUESTION, ["hide"]),
        ("he hit her again?", Kind.QUESTION, ["hit", "again"]),
        ("¿quién robó el anillo?", Kind.QUESTION, ["robo", "anillo"]),
        ("Dónde vive Okafor", Kind.QUESTION, ["vive", "okafor"]),
        ("Okafor?  ", Kind.QUESTION, ["okafor"]),
        ("to be or not to be", Kind.DESCRIPTION, ["to", "be", "or", "not"]),
        ("calle Guerrero", Kind.NAME, ["calle", "guerrero"]),
        ("la parada", Kind.NAME, ["parada"]),
        ("my son is missing", Kind.NAME, ["son", "missing"]),
        ("what's his address", Kind.QUESTION, ["address"]),
        ("that's her over there", Kind.NAME, ["over"]),
        ("the Who", Kind.NAME, ["the", "who"]),
        ("我们走", Kind.NAME, ["我", "们", "走"]),
    ],
)
def test_a_query_is_a_name_a_question_or_a_description(text: str, kind: Kind, words: list[str]) -> None:
    """By its telling words, its first word, and its last sign; a number said in several words is one of them."""
    asked = understand(text)
    assert (asked.kind, [word.text for word in asked.words]) == (kind, words)


@pytest.mark.parametrize("word", sorted(QUESTION_WORDS))
def test_every_question_word_asks_where_it_stands_first_and_only_there(word: str) -> None:
    """In English and Spanish, with or without its sign."""
    assert understand(f"{word} Okafor parked").kind is Kind.QUESTION
    assert understand(f"Okafor parked {word}").kind is Kind.NAME


@pytest.mark.parametrize("number", ["forty-two", "two thousand four", "nine one one", "ciento veinte"])
def test_a_number_said_in_several_words_is_one_word_of_a_query(number: str) -> None:
    """It does not make a name a description."""
    asked = understand(f"Okafor Larch {number}")
    assert asked.kind is Kind.NAME
    assert len(asked.words) == MAX_NAME_WORDS


SAID = st.lists(
    st.sampled_from([*sorted(FUNCTION_WORDS)[::7], "Okafor", "knife", "42", "forty", "two", "stop", "的", "niños", "?"])
    | st.text(max_size=8),
    min_size=1,
    max_size=12,
).map(" ".join)


def says_nothing(word: AskedWord) -> bool:
    """A function word, and no letter of a plate."""
    return word.text in FUNCTION_WORDS and not query_terms(word.text).isdisjoint(word.terms)


@given(SAID)
def test_understanding_never_comes_out_empty(text: str) -> None:
    """Words are those of the query, in its order; function words only where there is nothing else."""
    if not tokens(text):
        return
    asked, every = understand(Query(text).text), query_words(text)
    assert asked.words
    places = [every.index(word) for word in asked.words]
    assert places == sorted(set(places))
    assert len(asked.words) == len(every) or not any(says_nothing(word) for word in asked.words)
    (n_words,) = map(int, re.findall(r"\d+", asked.reason))  # the words of one number or plate are one
    assert 1 <= n_words <= len(asked.words)


@given(SAID)
def test_understanding_does_not_see_case_or_space(text: str) -> None:
    """However it is typed, the same is asked."""
    if text.isascii() and tokens(text):
        assert understand(text) == understand(f"  {text.upper()} ") == understand(text.lower())
