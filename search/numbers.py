"""Numbers, plates and what is spelt, alike however said or written.

"4215", "forty-two fifteen", "four two one five" and "four thousand two hundred fifteen" all read as the code "4215";
"7KLM392", "7 KLM 392", "seven K L M three nine two" and "seven king lincoln mary three nine two" as "7klm392". A code
is what a writer would put as one word, so it can stand in an index beside the tokens, as one more of them.

A run (numbers, letters and plates with no other word between) is first cut into pieces: a number ("42", also when
said in several words), digits said one by one ("5550142"), letters in a row ("klm"). Each stretch of up to
`MAX_PIECES` neighbouring pieces is a code, and so is the run as a whole: "twelve adam seven K L M three nine two"
holds "12a" as well as "7klm392". So a run of n pieces has at most `MAX_PIECES` * n + 1 codes, and at most
`len(TAILS)` more per piece.

Words are read in English and Spanish; digits, plates and the spelling alphabets in every language. A fragment that
is no English or Spanish number by the rules below costs a code that nobody asks for, so rules are generous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search.number_words import BY_LANGUAGE, NO_WORDS, SHORT_WORDS, SPELLING_WORDS, NumberWords

MAX_PIECES = 6  # "seven sixty five fifty-five oh one forty-two": no telephone number is said in more
TAILS = (4, 7)  # of a long number: "the last four", a telephone number without its area
LONG_NUMBER = 7  # digits; telephone, licence and case numbers have as many
MIN_ALONE = 3  # a digit by itself; "one" and "two" are mostly no numbers, or misheard

_DIGIT = re.compile("[0-9]")
_PARTS = re.compile("[0-9]+|[a-z]+")
_ORDINAL = re.compile("([0-9]+)(?:st|nd|rd|th|o|a|er|ro|ra|do|da|to|ta|mo|ma|vo|va|no|na)")
_LETTERS = re.compile("[a-z]{2,3}")
_CONSONANTS = re.compile("[b-df-hj-np-tv-xz]{2,3}")
_ANYTHING = 10**9  # what may follow where nothing has been said yet


@dataclass(frozen=True, slots=True)
class Code:
    """A number as written, and the tokens it was read from: those from `start` up to `end`, excluded.

    `sure`: none of these tokens can be a word that only stands beside a number, as in "Robert 31" or "30 mph".
    """

    text: str
    start: int
    end: int
    sure: bool = True


@dataclass(slots=True)
class _Piece:
    """A part of a run.

    apart: digits said one by one, so that those beside them belong to the same number.
    loose: a letter that may be a word instead ("H Q Z, a green Subaru"): read with its neighbours and without.
    sure: as in `Code`.
    """

    text: str
    start: int
    end: int
    apart: bool = False
    loose: bool = False
    sure: bool = True

    def take(self, other: _Piece) -> None:
        """Go on with the next piece; two names in a row are spelling."""
        self.text, self.end, self.sure = self.text + other.text, other.end, True

    def joins(self, other: _Piece) -> bool:
        """Whether the next piece goes on with this one."""
        if self.text.isalpha() or other.text.isalpha():
            return self.text.isalpha() and other.text.isalpha() and not (self.loose or other.loose)
        return self.apart and other.apart


def codes(tokens: Sequence[str], language: str) -> list[Code]:
    """The codes of everything in `tokens` that is a number or spelt, in order of where they begin.

    Args:
        tokens: of `search.text.tokens`.
        language: the code of the language they are in.

    Returns:
        Codes of at least two digits, or three letters and digits, or three spelt letters; and a single digit from
        three upward that stands alone. A code may come twice when it was said twice.
    """
    words = BY_LANGUAGE.get(language, NO_WORDS)
    if words.hints.isdisjoint(tokens) and not _DIGIT.search("".join(tokens)):
        return []  # most speech
    return [code for run in _runs(tokens, words) for code in _codes(run)]


def _codes(run: Sequence[_Piece]) -> Iterator[Code]:
    count = len(run)
    if count == 1 and len(run[0].text) == 1:
        if run[0].text.isdigit() and int(run[0].text) >= MIN_ALONE:
            yield Code(run[0].text, run[0].start, run[0].end)
        return
    for first in range(count):
        text, sure = "", True
        for last in range(first, count):
            text, sure = text + run[last].text, sure and run[last].sure
            near_or_whole = last - first < MAX_PIECES or (first == 0 and last == count - 1)
            if near_or_whole and len(text) >= (2 if text.isdigit() else 3):
                yield Code(text, run[first].start, run[last].end, sure)
        piece = run[first]
        if piece.text.isdigit() and len(piece.text) >= LONG_NUMBER:
            yield from (Code(piece.text[-n:], piece.start, piece.end) for n in TAILS if n < len(piece.text))


def _runs(tokens: Sequence[str], words: NumberWords) -> Iterator[list[_Piece]]:
    run: list[_Piece] = []
    reader = _Reader(tokens, words)
    position = 0
    while position < len(tokens):
        pieces, end = reader.read(position, run)
        for piece in pieces:
            if run and run[-1].joins(piece):
                run[-1].take(piece)
            else:
                run.append(piece)
        if run and not pieces:  # a mark: what follows is a piece of its own
            run[-1].apart = False
        if end == position:  # no part of a number
            if run:
                yield run
            run = []
            end += 1
        position = end
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what stands at one place; every method gives the pieces and where they end, or nothing and that place."""

    tokens: Sequence[str]
    words: NumberWords

    def read(self, at: int, run: Sequence[_Piece]) -> tuple[list[_Piece], int]:
        """What stands at `at`, after the pieces of `run`."""
        token, words = self.tokens[at], self.words
        if token in words.values or token in words.scales or token in words.ordinals:
            return self._number(at)
        if _DIGIT.search(token):
            return self._written(at)
        if token in words.repeats:
            return self._repeated(at)
        after_mark = at > 0 and self.tokens[at - 1] in words.marks
        if token in words.zeros and (after_mark or (run and (token != "o" or run[-1].text.isdigit()))):
            end = at
            while self._token(end) in words.zeros:
                end += 1
            if self._is_number(end):
                return [_Piece("0" * (end - at), at, end, apart=True)], end
        if token in words.marks and run and self._is_number(at + 1):
            return [], at + 1
        if token in SPELLING_WORDS:
            return [_Piece(SPELLING_WORDS[token], at, at + 1, sure=False)], at + 1
        if len(token) == 1:
            return self._spelt(at)
        return self._plate_part(at, run)

    def _token(self, at: int) -> str:
        return self.tokens[at] if at < len(self.tokens) else ""

    def _is_number(self, at: int) -> bool:
        token = self._token(at)
        return token[:1].isdigit() or token in self.words.values or token in self.words.repeats

    def _written(self, at: int) -> tuple[list[_Piece], int]:
        token = self.tokens[at]
        if token.isdigit() and self._token(at + 1) in self.words.scales and len(token) <= len("999"):
            return self._number(at)
        ordinal = _ORDINAL.fullmatch(token)
        parts = [ordinal[1]] if ordinal else _PARTS.findall(token)
        return [_Piece(part, at, at + 1, apart=len(token) == 1) for part in parts], at + 1

    def _number(self, at: int) -> tuple[list[_Piece], int]:
        """A number in words: "six hundred and twelve", "cuarenta y dos", "2 thousand fifteen"."""
        words = self.words
        total = part = 0  # thousands and millions; what is said since
        room, scale_before, end = _ANYTHING, _ANYTHING, at  # room: what comes next must be less
        while True:
            token, begins = self._token(end), end == at
            joined = not begins and room in words.joins.get(token, ())
            token = self._token(end + 1) if joined else token
            after = end + 1 + joined
            if scale := words.scales.get(token):
                said = part or int(begins)
                if joined or not said or scale >= scale_before or (scale == 100 and part > 99):
                    break
                if scale == 100:
                    part, room = said * 100, 100
                else:
                    total, part, room, scale_before = total + said * scale, 0, min(scale, 1_000), scale
            elif token in words.ordinals:
                value = words.ordinals[token]
                if value >= room or (begins and value < 10):
                    break
                part, end = part + value, after
                break
            else:
                value = int(token) if begins and token.isdigit() else words.values.get(token, -1)
                if value < int(not begins) or value >= room:
                    break
                if room in (100, 1_000) and self._is_apart(value, after, room):
                    break
                part += value
                room = 100 if value >= 100 else 10 if value >= 20 and value % 10 == 0 else 1
            end = after
        if end == at:
            return [], at
        value = total + part
        return [_Piece(str(value), at, end, apart=end == at + 1 and value < 10)], end

    def _is_apart(self, value: int, after: int, room: int) -> bool:
        """Whether a digit after a scale begins another number: "eight hundred five five", "one hundred two hundred"."""
        following = self._token(after)
        hundred_again = room == 100 and self.words.scales.get(following) == 100
        return value < 10 and (hundred_again or self.words.values.get(following, 10) < 10)

    def _repeated(self, at: int) -> tuple[list[_Piece], int]:
        """ "double five", "triple zero"."""
        token = self._token(at + 1)
        value = self.words.values.get(token, int(token) if token.isdigit() else 10)
        if token in self.words.zeros:
            value = 0
        if value > 9:
            return [], at
        return [_Piece(str(value) * self.words.repeats[self.tokens[at]], at, at + 2, apart=True)], at + 2

    def _spelt(self, at: int) -> tuple[list[_Piece], int]:
        """Letters said one by one, each alone or "as in" a word."""
        pieces: list[_Piece] = []
        end = at
        while len(letter := self._token(end)) == 1 and "a" <= letter <= "z":
            after = self._after_example(letter, end + 1)
            vague = letter in self.words.vague_letters and after == end + 1
            pieces.append(_Piece(letter, end, after, loose=vague, sure=not vague))
            end = after
        sure = [place for place, piece in enumerate(pieces) if not piece.loose]
        if not sure:
            return [], at
        for piece in pieces[sure[0] : sure[-1]]:
            piece.loose, piece.sure = False, True
        return pieces, end

    def _after_example(self, letter: str, at: int) -> int:
        if letter == "x" and self._token(at) == "ray":
            return at + 1
        for phrase in self.words.as_in:
            end = at + len(phrase)
            if tuple(self.tokens[at:end]) == phrase and self._token(end)[:1] == letter and len(self._token(end)) > 1:
                return end + 1
        return at

    def _plate_part(self, at: int, run: Sequence[_Piece]) -> tuple[list[_Piece], int]:
        """Letters written together beside a number, as in "7 KLM 392" and "ABE 1234"."""
        token = self.tokens[at]
        if not _LETTERS.fullmatch(token) or token in SHORT_WORDS:
            return [], at
        before = run[-1].text if run and run[-1].text.isdigit() else ""
        after = self._token(at + 1)
        after = after if after.isdigit() else ""
        beside = before or after or self._is_number(at + 1) or run
        if (_CONSONANTS.fullmatch(token) and beside) or (before and after) or max(len(before), len(after)) >= 3:
            return [_Piece(token, at, at + 1, sure=bool(before and after))], at + 1
        return [], at
