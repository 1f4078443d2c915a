"""How numbers and spelt letters are said: the words of each language that `search.numbers` reads.

Words are written as `search.text.tokens` leaves them: lower case, without diacritics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

_POLICE = """
adam boy charles david edward frank george henry ida john king lincoln mary nora ocean paul queen robert sam tom union
victor william xray young zebra
"""  # APCO International, as most agencies of the United States spell
_NATO = """
alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra
tango uniform victor whiskey xray yankee zulu
"""  # ICAO, Annex 10
_VARIANTS = "alpha baker nancy ocean juliet whisky"

# The letter that each word of the spelling alphabets stands for: its first.
SPELLING_WORDS: Mapping[str, str] = {word: word[0] for word in f"{_POLICE} {_NATO} {_VARIANTS}".split()}

# Words of two or three letters that stand beside numbers in any sentence, and are no part of a plate.
SHORT_WORDS = frozenset(
    """
    a about act add age ago all am an and any apt are as at ave be but by can car day did do for fue get go got had
    has he her hes him his how i id if ill im in is it its ive lot man may me men min mr mrs my near no not now of
    off on or our out own per put ran run see set she so the to too up us use was way we who why yes you
    al asi con cual de del dos el en era es esa ese eso fue ha hay he la las le les lo los mas me mi mis muy ni no nos
    o os por que se ser si sin son su sus te tu tus un una uno va voy y ya yo
    """.split()  # noqa: SIM905 -- a list of a hundred quoted words is harder to read
)


@dataclass(frozen=True)
class NumberWords:
    """What one language says numbers with.

    values: words that stand for a number by themselves.
    ordinals: the same in the last place ("fourteenth"); below ten only after something greater ("twenty first").
    scales: words that multiply what stands before them.
    joins: words inside a number, by what may still follow there: after "forty" less than 10, after "hundred" less
        than 100, after "thousand" less than 1000.
    zeros: words that are a zero between other digits, and something else elsewhere.
    repeats: words that say the next digit several times.
    marks: words for the marks that writing puts between digits.
    vague_letters: letters that are words as well: spelt only beside other letters.
    as_in: what stands between a letter and a word that begins with it.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)
    joins: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    zeros: frozenset[str] = frozenset()
    repeats: Mapping[str, int] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    vague_letters: frozenset[str] = frozenset()
    as_in: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def hints(self) -> frozenset[str]:
        """A text without any of these and without a digit holds no number worth a code."""
        letters = frozenset("abcdefghijklmnopqrstuvwxyz") - self.vague_letters
        return letters.union(self.values, self.ordinals, self.scales, SPELLING_WORDS)


def _counted(words: str, first: int, step: int = 1) -> dict[str, int]:
    return {word: first + step * n for n, word in enumerate(words.split())}


_ENGLISH = NumberWords(
    values={
        **_counted("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen", 0),
        **_counted("sixteen seventeen eighteen nineteen", 16),
        **_counted("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
        "fourty": 40,
        "niner": 9,
    },
    ordinals={
        **_counted("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth", 1),
        **_counted("thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth", 13),
        **_counted("twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth", 20, 10),
    },
    scales={"hundred": 100, "thousand": 1_000, "million": 1_000_000},
    joins={"and": (100, 1_000)},
    zeros=frozenset({"oh", "o"}),
    repeats={"double": 2, "triple": 3},
    marks=frozenset({"point", "dash", "hyphen", "colon"}),
    vague_letters=frozenset("aio"),
    as_in=(("as", "in"), ("like",), ("for",)),
)

_SPANISH = NumberWords(
    values={
        **_counted("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince", 0),
        **_counted("dieciseis diecisiete dieciocho diecinueve veinte veintiuno veintidos veintitres", 16),
        **_counted("veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve", 24),
        **_counted("treinta cuarenta cincuenta sesenta setenta ochenta noventa", 30, 10),
        **_counted("ciento doscientos trescientos cuatrocientos quinientos seiscientos", 100, 100),
        **_counted("setecientos ochocientos novecientos", 700, 100),
        **_counted("doscientas trescientas cuatrocientas quinientas seiscientas", 200, 100),
        **_counted("setecientas ochocientas novecientas", 700, 100),
        **{"un": 1, "una": 1, "veintiun": 21, "veintiuna": 21, "cien": 100},
    },
    scales={"mil": 1_000, "millon": 1_000_000, "millones": 1_000_000},
    joins={"y": (10,)},
    marks=frozenset({"punto", "guion"}),
    vague_letters=frozenset("aeouy"),
    as_in=(("de",), ("como",)),
)

NO_WORDS = NumberWords(vague_letters=frozenset("aeiouyzwsvkn"))  # letters that are words in some language of Europe
BY_LANGUAGE: Mapping[str, NumberWords] = {"en": _ENGLISH, "es": _SPANISH}
