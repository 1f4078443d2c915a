"""Laws of the leg `sounds`: names are near what they are heard as, and the alignment is what a slow one says."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.articulation import ALPHABET, UNLIKE, confusion, gap
from search.indexes.exact import ExactIndex
from search.passages import build_passages, stream
from search.phonemes import CONSONANTS, VOWELS, engine_version, heard, phonemes, voice
from search.protocols import Leg, LegQuery
from search.rows import rows
from search.sounds import (
    RUN,
    SoundMatch,
    beyond_chance,
    matches,
    passage_vector,
    pronunciations,
    query_vector,
    shares,
    stored,
)
from tests.spoken import line, spoken
from tests.test_search import NUMBERS

ROOT = Path(__file__).parent.parent


def match(query: str, text: str, language: str = "en") -> SoundMatch:
    (found,) = matches(pronunciations(query), [heard(text.split(), language)])
    assert found is not None
    return found


def said(found: SoundMatch, text: str) -> str:
    return " ".join(text.split()[found.first_word : found.last_word + 1])


# Phonemes


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "7KLM392", "seven K L M three nine two"),
        ("en", "7klm392", "7 KLM 392"),
        ("en", "555-0142", "five five five zero one four two"),
        ("en", "4,200", "four two zero zero"),
        ("en", "metal", "medal"),
        ("en", "Don’t", "don't"),
        ("en", "José", "Jose\u0301"),
        ("es", "baca", "vaca"),
        ("es", "392", "tres nueve dos"),
        ("es", "casa", "caza"),
    ],
)
def test_what_sounds_the_same_is_written_the_same(language: str, one: str, other: str) -> None:
    """Plates are spelt, apostrophes and accents are one however typed, and homophones are homophones."""
    if (one, other) == ("metal", "medal"):  # the flap of t; English d keeps its own
        assert match(one, other).share > 0.9
    else:
        assert "".join(heard(one.split(), language)) == "".join(heard(other.split(), language)) != ""


@pytest.mark.parametrize("text", ["—", "…", "$ & %", "", "♪"])
def test_what_is_no_word_has_no_sound(text: str) -> None:
    """Signs are not read aloud; a query of nothing else has no pronunciation, and a vector of nothing."""
    assert phonemes(text, "en") == ""
    assert pronunciations(text) == ()
    assert query_vector(pronunciations(text)).indices == ()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "我们走"),
        ("hi", "हिन्दी"),
        ("ar", "مرحبا"),
        ("ru", "привет"),
        ("de", "schön"),
        ("yi", "hello"),
        ("?", "hello"),
    ],
)
def test_every_language_is_read_by_some_voice(language: str, text: str) -> None:
    """A language without a voice is read as English; letters are always of our alphabet."""
    spoken_as = phonemes(text, language)
    assert spoken_as
    assert set(spoken_as) <= set(ALPHABET)
    assert voice("en") == voice("?") == "en-us"


@given(st.text(max_size=30), st.sampled_from(["en", "es", "ja", "xx"]))
def test_any_text_has_phonemes_of_our_alphabet(text: str, language: str) -> None:
    """Whatever is written, by people or by accident, nothing breaks, and the answer is always the same."""
    once = phonemes(text, language)
    assert set(once) <= set(ALPHABET)
    assert phonemes(text, language) == once


def test_many_threads_hear_what_one_hears() -> None:
    """espeak-ng keeps its voice in globals: languages asked side by side do not mix."""
    asked = [
        (f"{word}{number}", language) for number in range(40) for word in ("jota", "villa") for language in ("en", "es")
    ]
    code = textwrap.dedent(
        f"""
        from search.phonemes import phonemes
        for word, language in {asked!r}:
            print(phonemes(word, language))
        """
    )
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: phonemes(*one), asked)) == alone.stdout.split()


def test_without_espeak_the_leg_says_so_and_rows_are_made_all_the_same() -> None:
    """The error names the package; passages are indexed without sounds, and again once it is there."""
    code = textwrap.dedent(
        """
        import sys
        sys.modules["espeakng_loader"] = None
        import pytest
        from search.errors import LegUnavailable
        from search.passages import build_passages
        from search.phonemes import engine_version, phonemes
        from search.rows import passages_fingerprint, rows
        from search.sounds import stored
        from tests.spoken import spoken
        from tests.test_search import NUMBERS
        with pytest.raises(LegUnavailable, match=r"cannot search by sounds: espeak-ng is not installed; pip install"):
            phonemes("hello", "en")
        assert engine_version() is None
        heard = spoken(("A", 0, "put your hands up"))
        (row,) = rows(heard, build_passages(heard), NUMBERS)
        assert (row.sounds.indices, stored(row.payload)) == ((), None) and row.words.indices
        print(passages_fingerprint(NUMBERS.use))
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    from search.rows import passages_fingerprint

    assert done.stdout.strip() != passages_fingerprint(NUMBERS.use)


# Names, as recognisers write them


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("Kovalchik", "this is officer call check on the scene", "call check"),
        ("Kovalchik", "this is officer Kowalczyk on the scene", "Kowalczyk"),
        ("Schuylkill", "we are on school kill avenue right now", "school kill"),
        ("Marcus DeLuca", "he said markets the luca was there", "markets the luca"),
        ("Okafor", "I spoke with oh ka for this morning", "oh ka for"),
        ("Ostrowski", "the owner is mister us trough ski from here", "us trough ski"),
        ("Eusebio Quintero", "su esposo es usebio kintero señor", "usebio kintero"),
        ("7KLM392", "plate is seven K L M three nine two copy", "seven K L M three nine two"),
    ],
)
def test_a_name_is_nearest_to_what_it_was_heard_as(name: str, text: str, words: str) -> None:
    """The words that stand for it are found to the word, and nearer than unrelated speech."""
    unrelated = "the light was red and nobody saw who was driving it"
    found = match(name, text, "es" if "esposo" in text else "en")
    assert said(found, text) == words
    assert found.share > match(name, unrelated).share + 0.05


def test_spanish_names_are_found_however_they_are_typed() -> None:
    """A query has an English and a Spanish pronunciation; the nearer one counts."""
    text = ["me", "llamo", "Jiménez", "y", "vivo", "en", "la", "calle", "Guerrero"]
    spanish = heard(text, "es")
    for typed, place in (("Jimenez", 2), ("Himenes", 2), ("guerrero", 8), ("Gerero", 8)):
        (found,) = matches(pronunciations(typed), [spanish])
        assert found is not None
        assert (found.first_word, found.last_word) == (place, place)
        assert found.share > 0.7
    assert len(pronunciations("calle Guerrero")) == 2


def test_a_name_is_found_where_it_was_spelt() -> None:
    """What nobody wrote is there letter by letter."""
    text = "last name is win N -G -U -Y -E -N copy"
    found = match("Nguyen", text)
    assert said(found, text) == "N -G -U -Y -E -N"
    assert found.share == 1
    assert len(pronunciations("Nguyen")) == len(pronunciations("Nguyen", spelt=False)) + 1
    assert pronunciations("Nguyen Street") == tuple(dict.fromkeys(pronunciations("nguyen  street")))


# Vectors


def test_runs_cross_word_boundaries() -> None:
    """Where words end does not matter: "call check" and "callcheck" are the same runs."""
    assert passage_vector(["kol", "Cek"]) == passage_vector(["kolC", "ek"]) == passage_vector(["kolCek"])
    assert set(query_vector(["lCe"]).indices) <= set(passage_vector(["kol", "Cek"]).indices)


def test_long_passages_do_not_win_by_length() -> None:
    """Of two passages that share the same runs with a query, the shorter scores higher."""
    short, long = passage_vector(["kolCek"]), passage_vector(["kolCek", "m@n@m@n@m" * 20])
    assert 0 < max(long.values) < min(short.values)
    assert passage_vector([]).indices == passage_vector(["ko"]).indices == ()


def test_other_vowels_and_voicing_leave_runs_in_common() -> None:
    """A recogniser that wrote all vowels otherwise still left the consonants: "Kovalchik" brings up "call check"."""
    for one, other in (("kouvalCik", "kolCek"), ("gasp@r", "kesbor")):
        assert set(query_vector([one]).indices) & set(passage_vector([other]).indices)


@given(st.lists(st.text(ALPHABET, max_size=6), max_size=6))
def test_a_passage_has_each_of_its_runs_once(words: list[str]) -> None:
    """Term numbers ascend, distinct; every run of a query taken from the passage is among them."""
    vector, text = passage_vector(words), "".join(words)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert bool(vector.indices) == (len(text) >= RUN)
    assert set(query_vector([text[1:]]).indices) <= set(vector.indices)


# Alignment


def slowly(query: str, words: list[str]) -> tuple[int, int, int]:
    """The table of Sellers' algorithm, cell by cell: least cost, then earliest end, then latest start."""
    text = "".join(words)
    table = [[(0, -at) for at in range(len(text) + 1)]]
    for phoneme in query:
        above = table[-1]
        row: list[tuple[int, int]] = []
        for at in range(len(text) + 1):
            options = [(above[at][0] + gap(phoneme), above[at][1])]
            if at:
                options.append((above[at - 1][0] + confusion(phoneme, text[at - 1]), above[at - 1][1]))
                options.append((row[at - 1][0] + gap(text[at - 1]), row[at - 1][1]))
            row.append(min(options))
        table.append(row)
    cost, end = min((cell[0], at) for at, cell in enumerate(table[-1]))
    return cost, -table[-1][end][1], end


WORDS = st.lists(st.text(ALPHABET, max_size=5), max_size=5)


@given(st.text(ALPHABET, min_size=1, max_size=7), st.lists(WORDS, max_size=5))
def test_the_alignment_is_what_a_slow_one_says(query: str, candidates: list[list[str]]) -> None:
    """All candidates at once or cell by cell: the same share, and the same words; neighbours do not touch."""
    found = matches([query], candidates)
    assert len(found) == len(candidates)
    worst = sum(gap(phoneme) for phoneme in query)
    for one, words in zip(found, candidates, strict=True):
        cost, start, end = slowly(query, words)
        if cost >= worst or start >= end:
            assert one is None
            continue
        assert one is not None
        assert (one.share, one.n_phonemes) == (pytest.approx(1 - cost / worst), len(query))
        owners = [number for number, word in enumerate(words) for _ in word]
        assert (one.first_word, one.last_word) == (owners[start], owners[end - 1])


@given(st.text(ALPHABET, min_size=1, max_size=12), WORDS, WORDS)
def test_what_was_said_exactly_is_a_whole_match(query: str, before: list[str], after: list[str]) -> None:
    """A share of 1, wherever in the passage it stands."""
    (found,) = matches([query], [[*before, query, *after]])
    assert found is not None
    assert found.share == 1


def test_thousands_of_candidates_are_aligned_as_one_is() -> None:
    """Barriers add up along all candidates; the last is matched as the first."""
    alone = matches(["kolCek"], [["kal", "Cik"]])
    assert matches(["kolCek"], [["kal", "Cik"]] * 5_000) == alone * 5_000


# Shares


SAYINGS = st.lists(st.text(ALPHABET, min_size=1, max_size=12), max_size=4)


@given(SAYINGS, st.lists(WORDS, max_size=5))
def test_shares_are_those_of_the_matches(said: list[str], candidates: list[list[str]]) -> None:
    """Without the places: each pronunciation in each candidate, 0 where nothing is alike."""
    found = shares(said, candidates)
    assert found.shape == (len(said), len(candidates))
    for row, way in zip(found, said, strict=True):
        expected = [0.0 if one is None else one.share for one in matches([way], candidates)]
        assert row.tolist() == pytest.approx(expected)


def test_shares_of_thousands_of_candidates_and_of_none() -> None:
    """Each counts for itself, the last as the first; candidates without a phoneme have no share."""
    few = [["kal", "Cik"], [], ["", ""], ["kolCek"]]
    (alone,) = shares(["kolCek"], few)
    assert alone[1:].tolist() == [0, 0, 1]
    assert 0 < alone[0] < 1
    assert shares(["kolCek"], few * 5_000).tolist() == [alone.tolist() * 5_000]
    assert shares(["kolCek", "ok"], []).shape == (2, 0)
    assert shares([], few).shape == (0, 4)


@given(SAYINGS, st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_what_is_beyond_chance_is_a_share_again(said: list[str], heard_shares: list[float]) -> None:
    """0..1, all stays all and nothing nothing, and more that was heard is never less beyond chance."""
    ordered = np.tile(sorted([0.0, *heard_shares, 1.0]), (len(said), 1))
    beyond = beyond_chance(ordered, said)
    assert beyond.shape == ordered.shape
    for row in beyond:
        assert (row[0], row[-1]) == (0, 1)
        assert all(0 <= one <= other <= 1 for one, other in pairwise(row))


def test_the_same_share_of_more_phonemes_is_further_beyond_chance() -> None:
    """Three phonemes sound like anything; the same share of a whole name does not."""
    said = ["k" * n for n in (1, 3, 6, 12, 40)]
    beyond = beyond_chance(np.full((len(said), 1), 0.9), said)[:, 0]
    assert beyond.tolist() == sorted(beyond)
    assert beyond[0] == 0 < beyond[-1] < 0.9


def test_confusions_are_a_distance() -> None:
    """Nothing is nearer than itself, no direction is favoured, and a vowel is no consonant."""
    for one in ALPHABET:
        assert confusion(one, one) == 0 < gap(one)
        for other in ALPHABET:
            assert confusion(one, other) == confusion(other, one) <= UNLIKE
            assert one == other or confusion(one, other) > 0
    assert all(confusion(a, b) < confusion(a, c) for a, b, c in ("pbs", "vfk", "mnt", "aek", "szm", "CJl", "iep"))
    assert set(VOWELS).isdisjoint(CONSONANTS)


def test_no_candidates_no_matches() -> None:
    """Nothing to align is no error."""
    assert matches(["kol"], []) == []
    assert matches([], [["kol"]]) == matches(["kol"], [[]]) == matches(["kol"], [[""]]) == [None]


# Rows


def test_rows_bring_their_sounds_with_them() -> None:
    """The leg finds the passage, and the row alone, without espeak-ng, says at which words."""
    transcript = spoken(
        ("A", 0, "this is officer call check —  on the scene"),
        ("B", 9_000, "the light was red"),
        line("B", 20_000, "me llamo Xóchil", language="es", translation="my name is Xochil"),
    )
    passages = build_passages(transcript)
    index = ExactIndex()
    index.replace(transcript.recording.id, transcript.version, rows(transcript, passages, NUMBERS))
    for name, text in (("Kovalchik", "call check"), ("Sochil", "Xóchil")):
        ways = pronunciations(name)
        (hits,) = index.query_batch([LegQuery(Leg.SOUNDS, query_vector(ways), 5)])
        kept = [stored(hit.payload) for hit in hits]
        assert all(words is not None for words in kept)
        found = matches(ways, [words or [] for words in kept])
        best, hit = max(
            ((one, hit) for one, hit in zip(found, hits, strict=True) if one), key=lambda pair: pair[0].share
        )
        words = [word for _start, _end, word, *_doubts in hit.payload["words"]]
        assert " ".join(words[best.first_word : best.last_word + 1]) == text
        assert len(words) == len(stored(hit.payload) or [])
    assert [len(stream(one)) for one in passages] == [
        len(row.payload["sounds"].split(" ")) for row in rows(transcript, passages, NUMBERS)
    ]
    assert engine_version()
