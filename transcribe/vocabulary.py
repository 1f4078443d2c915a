"""Vocabulary: the names and words an agency expects to be said, in a file or from what is known of a recording.

A file is UTF-8 text with a word or phrase a line; what follows a `#` at the start or behind a space is a comment.
The decoder is given the entries as if it had just written them (`prompt`), which makes it write them where it hears
something like them; `transcribe.priming` decides which of that to believe.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transcribe.decoding import PROMPT_TOKENS
from transcribe.errors import VocabularyUnreadable
from transcribe.transcript import canonical_json

MAX_BYTES = 1 << 20  # far more than a prompt holds: such a file is something else
MAX_ENTRY = 80  # characters; a longer line is prose
MIN_PART = 4  # letters; fewer are often a word of the language ("of", "San"), which proves nothing about a name

_COMMENT = re.compile(r"(?:^|\s)#.*")
_POSSESSIVE = re.compile(r"['’]s\b")
# Marks of Latin, Greek and Cyrillic only: in other scripts a mark is a vowel, and dropping it makes another word.
_DIACRITICS = re.compile(r"[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Vocabulary:
    """Names and words, in the order they were given, each once; `of` makes one."""

    entries: tuple[str, ...] = ()

    @staticmethod
    def of(entries: Iterable[str]) -> Vocabulary:
        """Entries that differ in case, accents or punctuation alone are one: the first of them."""
        first: dict[str, str] = {}
        for entry in entries:
            first.setdefault(key(entry), " ".join(entry.split()))
        return Vocabulary(tuple(entry for word, entry in first.items() if word))

    def __add__(self, other: Vocabulary) -> Vocabulary:
        return Vocabulary.of([*self.entries, *other.entries])

    @property
    def sha256(self) -> str:
        """Of the entries, not of a file's comments and spaces."""
        return hashlib.sha256(canonical_json(list(self.entries))).hexdigest()

    def covers(self, words: Sequence[str]) -> list[bool]:
        """For each of these words, as they follow each other, whether an entry may have suggested it.

        It is part of a whole entry, however that is cut into words ("7KLM 392" is "7KLM392"), or it is one of an
        entry's several words and not a short one (of "Daniel Kowalczyk" people say the second).
        """
        covered = [not self._parts.isdisjoint(tokens(word)) for word in words]
        keys = [key(word) for word in words]
        for first in range(len(keys)):
            joined = ""
            for last in range(first, len(keys)):
                joined += keys[last]
                if len(joined) > self._longest:
                    break
                if keys[first] and joined in self._whole:
                    covered[first : last + 1] = [True] * (last + 1 - first)
        return covered

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(key(entry) for entry in self.entries)

    @cached_property
    def _longest(self) -> int:
        return max((len(one) for one in self._whole), default=0)

    @cached_property
    def _parts(self) -> frozenset[str]:
        return frozenset(token for entry in self.entries for token in tokens(entry) if len(token) >= MIN_PART)


NOTHING = Vocabulary()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the decoder is given. left_out: entries it has no room for."""

    tokens: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()


def prompt(vocabulary: Vocabulary, encode: Callable[[str], Sequence[int]]) -> Prompt:
    """Entries as one line, commas between them, as many of the first as the decoder has room for.

    Args:
        encode: text to tokens of the model, spaces included.
    """
    line: list[int] = []
    for n, entry in enumerate(vocabulary.entries):
        more = encode(f", {entry}" if n else f" {entry}")
        if len(line) + len(more) > PROMPT_TOKENS:
            return Prompt(tuple(line), vocabulary.entries[n:])
        line += more
    return Prompt(tuple(line))


def read_vocabulary(path: str | Path) -> Vocabulary:
    """The entries of a vocabulary file.

    Raises:
        VocabularyUnreadable: names the file, the line where one is at fault, and what to do.
    """
    file = Path(path).expanduser().absolute()
    entries = []
    for number, line in enumerate(_text(file).splitlines(), 1):
        entry = " ".join(_COMMENT.sub("", line).split())
        if len(entry) > MAX_ENTRY:
            reason = f"line {number} has {len(entry)} characters, more than {MAX_ENTRY}"
            raise VocabularyUnreadable(str(file), reason)
        if entry and not key(entry):
            raise VocabularyUnreadable(str(file), f"line {number} holds no letter or digit")
        if entry:
            entries.append(entry)
    if not entries:
        raise VocabularyUnreadable(str(file), "it holds no word")
    return Vocabulary.of(entries)


def tokens(text: str) -> list[str]:
    """Words without case, accents, punctuation and possessive: what two spellings of a name share."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    folded = unicodedata.normalize("NFC", _DIACRITICS.sub("", decomposed))
    return _WORD.findall(_POSSESSIVE.sub("", folded))


def key(text: str) -> str:
    """The tokens of `text` joined; empty when it has none."""
    return "".join(tokens(text))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise VocabularyUnreadable(str(file), "it does not exist") from error
    except IsADirectoryError as error:
        raise VocabularyUnreadable(str(file), "it is a folder") from error
    except OSError as error:
        raise VocabularyUnreadable(str(file), (error.strerror or str(error)).lower()) from error
    if len(raw) > MAX_BYTES:
        raise VocabularyUnreadable(str(file), f"it is larger than {MAX_BYTES // 1024} KB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise VocabularyUnreadable(str(file), f"line {line} is not UTF-8") from error
    if "\0" in text:
        raise VocabularyUnreadable(str(file), f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} is not text")
    return text
