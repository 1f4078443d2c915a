"""Laws of numbers, plates and spelling: alike however said or written, and silent where nobody counts."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.bm25 import AVG_PASSAGE_WORDS, AskedWord, passage_vector, query_vector, query_words, term_number, terms
from search.number_words import BY_LANGUAGE, SPELLING_WORDS
from search.numbers import MAX_PIECES, TAILS, codes
from search.query import Mode
from search.text import tokens
from tests.spoken import line, spoken
from tests.test_search import archive, ask


def each(words: str) -> list[str]:
    return words.split()


UNITS = each("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen")
UNITS += each("seventeen eighteen nineteen")
TENS = each("- - twenty thirty forty fifty sixty seventy eighty ninety")
UNIDADES = each("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis")
UNIDADES += each("diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco")
UNIDADES += each("veintiséis veintisiete veintiocho veintinueve")
DECENAS = each("- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa")
CIENTOS = each(
    "- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)


def code_texts(text: str, language: str = "en") -> set[str]:
    return {code.text for code in codes(tokens(text), language)}


def english(number: int, joined: str = " and ") -> str:
    """A number in full words, as people say it."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        return TENS[number // 10] + (f"-{UNITS[number % 10]}" if number % 10 else "")
    for scale, name in ((1_000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = number % scale
            link = joined if rest and rest < 100 else " "
            return f"{english(number // scale, joined)} {name}{link}{english(rest, joined) if rest else ''}".strip()
    raise AssertionError(number)


def spanish(number: int) -> str:
    """The same in Spanish."""
    if number < 30:
        return UNIDADES[number]
    if number < 100:
        return DECENAS[number // 10] + (f" y {UNIDADES[number % 10]}" if number % 10 else "")
    if number == 100:
        return "cien"
    if number < 1_000:
        return CIENTOS[number // 100] + (f" {spanish(number % 100)}" if number % 100 else "")
    thousands = spanish(number // 1_000).removesuffix("o") if number // 1_000 % 10 == 1 else spanish(number // 1_000)
    head = "mil" if number < 2_000 else f"{thousands} mil"
    return head + (f" {spanish(number % 1_000)}" if number % 1_000 else "")


def in_pairs(number: int) -> str:
    """As house numbers and years are said: "forty-two fifteen", "twelve oh five", "one twenty"."""
    digits = str(number)
    first = len(digits) % 2
    pairs = ([digits[0]] if first else []) + [digits[n : n + 2] for n in range(first, len(digits), 2)]
    return " ".join(
        f"oh {UNITS[int(pair[1])]}" if pair[0] == "0" and pair[1:] else english(int(pair)) for pair in pairs
    )


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        (
            "en",
            "4215 | 4,215 | 42 15 | 42-15 | forty-two fifteen | four two one five | forty two one five | 4-2-1-5"
            " | four thousand two hundred fifteen | four thousand two hundred and fifteen | forty-two hundred fifteen",
        ),
        ("en", "$612 | 612 dollars | six hundred twelve dollars | six hundred and twelve | six twelve | $6.12"),
        ("en", "4200 block | 4,200 | forty-two hundred block | four thousand two hundred"),
        (
            "en",
            "7KLM392 | 7 KLM 392 | 7-K-L-M-392 | 7KLM-392 | 7K LM392 | seven K L M three nine two | seven klm 392"
            " | seven king lincoln mary three nine two | seven kilo lima mike three ninety-two"
            " | 7, K as in king, L like Larry, M as in Mary, 392 | seven K.L.M. three hundred ninety two",
        ),
        ("en", "8 ABE 123 | 8ABE123 | eight adam boy edward one two three | eight A B E one two three"),
        ("en", "ABE 1234 | ABE1234 | A B E one two three four | adam baker edward twelve thirty-four"),
        ("en", "D41877205 | Delta, four one eight, seven seven two, zero five | D 418 772 05"),
        (
            "en",
            "555-0142 | 5550142 | 555 01 42 | five five five zero one four two | five five five oh one four two"
            " | triple five oh one forty-two | five fifty-five oh one four two | five five five dash zero one four two",
        ),
        ("en", "10:45 | ten forty-five | 1045 hours | 10.45"),
        ("en", "23:07 | twenty-three oh seven | 2307"),
        ("en", "March 14th | March fourteenth | 14 March"),
        ("en", "March 22nd | March twenty-second | March 22"),
        ("en", "2025 | twenty twenty-five | two thousand twenty-five | two thousand and twenty-five"),
        ("en", "0.08 | point zero eight | zero point zero eight | point oh eight"),
        ("en", "unit 12 | unit twelve"),
        ("en", "unit 3 | unit three"),
        ("en", "12-Adam | twelve adam | 12 A | unit 12A"),
        ("en", "within 100 yards | within a hundred yards | one hundred yards"),
        ("en", "800-555-0142 | eight hundred five five five zero one four two"),
        ("es", "$612 | 612 dólares | seiscientos doce dólares | seis doce"),
        ("es", "4215 | cuarenta y dos quince | cuatro mil doscientos quince | cuatro dos uno cinco | 4.215"),
        ("es", "7KLM392 | siete K L M tres nueve dos | siete kilo lima mike tres noventa y dos"),
        ("es", "8TR | ocho, T, R | 8 T R | ocho, T de tigre, R de rosa"),
        ("es", "1742 | diecisiete cuarenta y dos | mil setecientos cuarenta y dos"),
        ("es", "10:45 | diez cuarenta y cinco | 10.45"),
        ("fr", "7KLM392 | 7 KLM 392 | 7 kilo lima mike 392"),
    ],
)
def test_forms_of_one_number_share_a_code(language: str, forms: str) -> None:
    """Whichever way it is said or written, any two have a code in common."""
    for one, other in combinations(forms.split(" | "), 2):
        shared = code_texts(one, language) & code_texts(other, language)
        assert shared, (one, other)


def test_a_number_is_the_same_in_two_languages() -> None:
    """What a code says belongs to no language."""
    assert code_texts("six hundred and twelve") == code_texts("seiscientos doce", "es") == {"612"}


@given(st.integers(10, 99_999))
def test_any_number_shares_a_code_with_its_digits(number: int) -> None:
    """Digit by digit, in pairs, in full words, in English and Spanish; the code is the number itself."""
    digits = str(number)
    assert digits in code_texts(digits)
    for said in (" ".join(UNITS[int(one)] for one in digits), in_pairs(number), english(number), english(number, " ")):
        assert digits in code_texts(said), said
    for said in (" ".join(UNIDADES[int(one)] for one in digits), spanish(number)):
        assert digits in code_texts(said, "es"), said


PLATES = st.from_regex(r"[0-9][a-z]{3}[0-9]{3}|[b-z]{3}[1-9][0-9]{3}|[1-9][0-9]{2}[b-z]{3}", fullmatch=True)


@given(PLATES, st.sampled_from(["en", "es"]))
def test_any_plate_shares_a_code_with_its_spelling(plate: str, language: str) -> None:
    """By letters, and by either alphabet."""
    numbers = {"en": UNITS, "es": UNIDADES}[language]
    alphabet = {letter: word for word, letter in SPELLING_WORDS.items() if word != "xray"} | {"x": "x-ray"}
    plain = " ".join(numbers[int(one)] if one.isdigit() else one for one in plate)
    coded = " ".join(numbers[int(one)] if one.isdigit() else alphabet[one] for one in plate)
    assert plate in code_texts(plate, language)
    assert plate in code_texts(coded, language)
    if set(plate) - set("aeiouy0123456789"):  # letters that are also words need another beside them
        assert plate in code_texts(plain, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "4215", "4251"),
        ("en", "forty-two", "four people and two cars"),
        ("en", "forty-two fifteen", "forty of them two of us"),
        ("en", "7KLM392", "7KLN329"),
        ("en", "one hundred", "one"),
        ("en", "six hundred twelve", "six thousand twelve"),
        ("en", "fifteen", "fifty"),
        ("es", "sesenta", "setenta"),
    ],
)
def test_other_numbers_share_nothing(language: str, one: str, other: str) -> None:
    """Digits in another order, or with words between them, are another number."""
    assert not code_texts(one, language) & code_texts(other, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", ""),
        ("en", "one of you two come to me"),
        ("en", "no one said I did, did they? wait a second, first things first"),
        ("en", "Oh, I know David and Mary, and John, too. A king as in chess."),
        ("en", "he had a TV, and I got an ID for my mom"),
        ("es", "uno de ustedes, o los dos, y una señora"),
        ("es", "a ver, y o no y a la vez"),
        ("fr", "il y a une femme"),
        ("ja", "手を上げろ"),
    ],
)
def test_ordinary_speech_has_no_codes(language: str, text: str) -> None:
    """Articles, pronouns, names and "one" count nothing."""
    assert code_texts(text, language) == set()


def test_each_of_several_things_in_a_row_has_its_code() -> None:
    """A call sign before a plate, a day before a year, a part of a plate, the last four of a number."""
    assert {"12", "7klm392", "7klm", "klm", "392"} <= code_texts("twelve Adam seven K L M three nine two")
    assert {"14", "2025"} <= code_texts("March 14, 2025") & code_texts("March fourteenth twenty twenty-five")
    assert "419hqz" in code_texts("four one nine H Q Z, a green Subaru")
    assert {"8tr", "8tra"} <= code_texts("ocho T R, a la derecha", "es")
    assert "0142" in code_texts("seven six oh five five five oh one four two")
    assert "5550142" in code_texts("7605550142")


SPOKEN = st.lists(
    st.sampled_from([*BY_LANGUAGE["en"].hints, "and", "oh", "double", "point", "the", "7klm", "42", "9", "as", "in"]),
    max_size=25,
)


@given(SPOKEN)
def test_codes_are_few_and_know_their_place(said: list[str]) -> None:
    """Each comes from tokens that are there; their number grows with the speech, not with its square."""
    found = codes(said, "en")
    pieces = sum(2 if token == "7klm" else 1 for token in said)
    assert len(found) <= (MAX_PIECES + len(TAILS) + 1) * pieces
    for code in found:
        assert 0 <= code.start < code.end <= len(said)
        assert code.text.isalnum()
        assert tokens(code.text) == [code.text]


@given(SPOKEN, SPOKEN)
def test_a_word_between_two_numbers_parts_them(one: list[str], other: list[str]) -> None:
    """What is said before and after an ordinary word is read as if it stood alone."""
    both = codes([*one, "nevertheless", *other], "en")
    assert [code.text for code in both] == [code.text for part in (one, other) for code in codes(part, "en")]


# In the leg `words`


def test_a_passage_is_found_by_the_other_form() -> None:
    """Codes are terms of passages and queries; a number said in words asks for the number first of all."""
    passage, query = passage_vector("It comes to $612.", "en"), query_vector("seiscientos doce dólares")
    assert term_number("612") in set(passage.indices) & set(query.indices)
    assert query_words("forty-two fifteen") == [
        AskedWord("forty two", {"42": 0.25, "4215": 1.0}),
        AskedWord("fifteen", {"15": 0.25, "4215": 1.0}),
    ]


def test_a_number_that_is_one_token_is_counted_once() -> None:
    """ "4215" is its own code; the words of a number stay beside its code."""
    assert terms("4215 Elm", "en").count("4215") == 1
    assert terms("forty-two", "en") == ["forti", "two", "42"]


def test_codes_make_no_passage_look_long() -> None:
    """The weights of the other words are those of as many words without a number."""
    said, plain = "elm seven K L M three nine two", "elm tree rock sand fire wind rain snow"
    assert len(tokens(said)) == len(tokens(plain)) < AVG_PASSAGE_WORDS
    weights = [dict(zip(v.indices, v.values, strict=True)) for v in (passage_vector(t, "en") for t in (said, plain))]
    assert weights[0][term_number("elm")] == weights[1][term_number("elm")]


def test_words_beside_a_number_stay_what_they_are() -> None:
    """A name that could spell a letter, or a unit after a number, still asks for itself."""
    for query, word in (("Robert 31", "robert"), ("30 mph", "mph"), ("4200 Elm Street", "elm")):
        assert any(asked.terms.get(word) == 1.0 for asked in query_words(query)), query


DISTRACTORS = (
    "Forty-two people, two cars and fifteen dogs.",
    "I counted forty, two, and then fifteen more.",
    "Seven of them, K.",
    "You two come here, one at a time.",
    "She said fifteen minutes, maybe forty.",
    "It was five or six hundred people.",
    "The plate was 8KLM293, I think.",
    "Call me at 555-0124.",
    "It was forty-two degrees in unit fifteen.",
)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("forty-two fifteen", "It is 4215, the blue house."),
        ("4215", "It is forty-two fifteen, the blue house."),
        ("four two one five", "It is four thousand two hundred fifteen."),
        ("7KLM392", "Plate is seven, K, L, M, three, nine, two, on a Honda."),
        ("seven king lincoln mary three nine two", "Plate is 7KLM392 on a Honda."),
        ("555-0142", "The number is five five five, oh one four two."),
        ("six hundred twelve dollars", "It comes to $612 with the tow."),
        ("seiscientos doce", "It comes to $612 with the tow."),
    ],
)
def test_search_finds_a_number_said_another_way(query: str, said: str) -> None:
    """Among passages that hold its words and similar numbers, in another language too."""
    filler = [line("A", 20_000 * n, text) for n, text in enumerate((*DISTRACTORS, said))]
    answer = ask(archive(spoken(*filler)), query, Mode.WORDS)
    assert answer.hits[0].text == said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("forty-two hundred block", ["It is the 4200 block of Main."]),
        ("4200 block", ["It is the 4200 block of Main."]),
        ("7KLM392", ["Plate is seven, K, L, M, three, nine, two, on a Honda."]),
        ("4300 block", []),
        ("forty-two hundred Oak", []),
    ],
)
def test_a_number_and_what_stands_beside_it_are_found_however_they_were_said(query: str, found: list[str]) -> None:
    """Where a passage holds all of it; one that lacks a word is perhaps what was meant."""
    said = ("It is the 4200 block of Main.", "Plate is seven, K, L, M, three, nine, two, on a Honda.")
    filler = [line("A", 20_000 * n, text) for n, text in enumerate((*DISTRACTORS, *said))]
    hits = ask(archive(spoken(*filler)), query).hits
    assert [hit.text for hit in hits if hit.found] == found


def test_search_finds_what_was_said_in_spanish() -> None:
    """A passage is read in its own language, whatever the query is typed in."""
    heard = spoken(
        line("A", 0, "Son seiscientos doce dólares.", "es"), line("A", 20_000, "Son doce personas, seis carros.", "es")
    )
    assert ask(archive(heard), "$612", Mode.WORDS).hits[0].text == "Son seiscientos doce dólares."
