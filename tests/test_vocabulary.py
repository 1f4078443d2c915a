"""Vocabulary: read with clear errors, kept in order, matched however it is written, cut at entries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding import PROMPT_TOKENS
from transcribe.errors import VocabularyUnreadable
from transcribe.vocabulary import MAX_BYTES, NOTHING, Vocabulary, prompt, read_vocabulary


def letters(text: str) -> list[int]:
    """A token a character."""
    return [ord(one) for one in text]


def test_a_file_is_read_in_order_and_each_entry_once(tmp_path: Path) -> None:
    """Comments, blank lines, spare spaces, a byte-order mark and Windows line ends do not count."""
    file = tmp_path / "names.txt"
    lines = ["\ufeff# Harbor District", "", "Schuylkill  Avenue  # the old one", "Villaseñor", "VILLASENOR", "Unit #12"]
    file.write_bytes("\r\n".join(lines).encode())

    assert read_vocabulary(file).entries == ("Schuylkill Avenue", "Villaseñor", "Unit")


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (None, "does not exist"),
        (b"", "it holds no word"),
        (b"# nothing but a comment\n", "it holds no word"),
        (b"Kowalczyk\nVillase\xf1or\n", "line 2 is not UTF-8"),
        (b"Kowalczyk\n\x00\x01\x02", "line 2 is not text"),
        (b"Kowalczyk\n...\n", "line 2 holds no letter or digit"),
        (b"Kowalczyk\n\n" + b"he said that " * 9, "line 3 has 116 characters, more than 80"),
        (b"a\n" * MAX_BYTES, "it is larger than 1024 KB"),
    ],
)
def test_a_bad_file_is_refused_with_line_and_reason(tmp_path: Path, contents: bytes | None, reason: str) -> None:
    """One sentence: the file, what is wrong where, what would be right."""
    file = tmp_path / "names.txt"
    if contents is not None:
        file.write_bytes(contents)

    with pytest.raises(VocabularyUnreadable) as raised:
        read_vocabulary(file)
    assert all(part in str(raised.value) for part in (str(file), reason, "one word or phrase a line"))


def test_a_folder_is_no_vocabulary(tmp_path: Path) -> None:
    """It is said to be one."""
    with pytest.raises(VocabularyUnreadable, match="it is a folder"):
        read_vocabulary(tmp_path)


@pytest.mark.parametrize(
    ("said", "covered"),
    [
        ("Officer Kowalczyk's car", "Kowalczyk's"),
        ("on SCHUYLKILL, south", "SCHUYLKILL,"),
        ("on Schuylkill Avenue.", "Schuylkill Avenue."),
        ("on the Avenue", "Avenue"),
        ("el oficial Villasenor", "Villasenor"),
        ("plate 7-KLM 392, blue", "7-KLM 392,"),
        ("Tom Brandt", "Tom Brandt"),
        ("Tom said it is fine", ""),
        ("it is what it's", ""),
        ("Kowalczyks", ""),
        ("", ""),
    ],
)
def test_what_a_vocabulary_may_have_suggested(said: str, covered: str) -> None:
    """Whole entries however cut into words, and long words of longer entries; nothing that only resembles one."""
    names = Vocabulary.of(["Daniel Kowalczyk", "Schuylkill Avenue", "Villaseñor", "7KLM392", "Tom Brandt", "Bo's Bar"])
    words = said.split()

    assert " ".join(word for word, is_covered in zip(words, names.covers(words), strict=True) if is_covered) == covered


def test_nothing_covers_nothing() -> None:
    """A vocabulary without entries suggests no word."""
    assert NOTHING.covers(["Hands", "up", "..."]) == [False] * 3


@given(st.lists(st.text("abcXYZ é'", min_size=1, max_size=80), max_size=30))
def test_a_prompt_holds_whole_entries_and_no_more_than_fits(entries: list[str]) -> None:
    """The first ones, in order; the others are named. Nothing is cut inside an entry."""
    vocabulary = Vocabulary.of(entries)
    made = prompt(vocabulary, letters)
    told = vocabulary.entries[: len(vocabulary.entries) - len(made.left_out)]

    assert len(made.tokens) <= PROMPT_TOKENS
    assert "".join(map(chr, made.tokens)) == (f" {', '.join(told)}" if told else "")
    assert (*told, *made.left_out) == vocabulary.entries
    if made.left_out:
        assert len(made.tokens) + len(f", {made.left_out[0]}") > PROMPT_TOKENS


def test_the_hash_is_of_the_entries_alone() -> None:
    """Order counts: it decides what is left out."""
    assert Vocabulary.of(["Kim", "Lee"]).sha256 == (Vocabulary.of(["Kim"]) + Vocabulary.of(["Lee", "KIM"])).sha256
    assert Vocabulary.of(["Kim", "Lee"]).sha256 != Vocabulary.of(["Lee", "Kim"]).sha256
