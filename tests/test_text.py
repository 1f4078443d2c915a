"""Laws of the one normalisation every text and query passes through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.text import _tokens, tokens

# Letters, digits and what joins or splits them, so that rules meet often; and anything at all.
CROWDED = st.text(st.sampled_from("aZ19,.'’ -_$éñß我ーกิकिｱﾞ２\u0301\u00ad\u1100\u1161ĳﬁİ²"), max_size=30)
TEXTS = st.text(max_size=30) | CROWDED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hands UP!", "hands up"),
        ("don't", "dont"),
        ("don’t", "dont"),
        ("O'Brien's", "obriens"),
        ("dogs' rock 'n' roll", "dogs rock n roll"),
        ("twenty-one", "twenty one"),
        ("4,200 and 1,234,567", "4200 and 1234567"),
        ("one,two 12,34 4,2000", "one two 12 34 4 2000"),
        ("$612.50", "612 50"),
        ("4:15", "4 15"),
        ("¿Habla inglés, señor Núñez?", "habla ingles senor nunez"),
        ("STRASSE Straße", "strasse strasse"),
        ("ＡＢＣ １２ ﬁne", "abc 12 fine"),
        ("举起手来", "举 起 手 来"),
        ("车牌ABC", "车 牌 abc"),
        ("हिन्दी में", "हिन्दी में"),
        ("손 들어", "손 들어"),
        ("po\u00adlice", "police"),
        ("a_b", "a b"),
    ],
)
def test_each_rule_holds(text: str, expected: str) -> None:
    """Case, diacritics, apostrophes, thousands, separators and scripts, one by one."""
    assert tokens(text) == expected.split()


@pytest.mark.parametrize("text", ["", " ", "—", "...", "?!", "\u0301", "\u200b", "*"])
def test_what_has_no_letter_or_digit_has_no_token(text: str) -> None:
    """No words, no tokens."""
    assert tokens(text) == []


@given(TEXTS)
def test_normalising_twice_changes_nothing(text: str) -> None:
    """Normalisation is idempotent on joined tokens."""
    once = tokens(text)
    assert tokens(" ".join(once)) == once


@given(TEXTS)
def test_a_token_is_one_word_to_any_whitespace_tokenizer(text: str) -> None:
    """No token is empty or holds a space of any kind."""
    once = tokens(text)
    assert " ".join(once).split() == once


@given(st.lists(TEXTS, max_size=4))
def test_words_can_be_normalised_one_by_one(texts: list[str]) -> None:
    """The tokens of texts joined with spaces are the tokens of the texts."""
    assert tokens(" ".join(texts)) == [token for text in texts for token in tokens(text)]


@given(st.text(st.characters(max_codepoint=127)) | st.text(st.sampled_from("aZ19,.'` -_$"), max_size=30))
def test_plain_text_takes_a_faster_way_to_the_same_tokens(text: str) -> None:
    """The fast path for ASCII equals the path for every script."""
    assert tokens(text) == _tokens(text)
