"""Text to phonemes: how its words sound, written so that what a recogniser confuses looks alike.

espeak-ng says how a word is pronounced, for each language we hear. It comes with the optional package
`espeakng-loader` (GPL-3.0-or-later, where earwitness is Apache-2.0): found at run time, called through its C interface
(espeak-ng, src/include/espeak-ng/speak_lib.h), and where it is missing everything but the leg `sounds` works.

Its IPA is folded to one letter a phoneme. Stress, length, tone and release go, and so does what an accent or a
recogniser's ear turns into each other: flaps, Spanish β and b, rhotic vowels and vowel with r, all but six vowels.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from threading import Lock

from search.errors import LegUnavailable

VOWELS = "aeiou@"  # `@`: unstressed, whatever is written
CONSONANTS = "bdfghjklmnprstvwzCJSTZ"  # C as in church, J as in judge, S as in she, T as in thin, Z as in beige

# Whisper's language codes are the names of espeak-ng's voices, but for these. Where there is no voice, that of a
# language with like sounds and spelling reads; else the English one, as an officer would to whom it is foreign.
_VOICES = {"en": "en-us", "es": "es-419", "zh": "cmn", "no": "nb", "nn": "nb", "gl": "pt", "tl": "es-419", "jw": "id"}
_DEFAULT_VOICE = "en-us"

_AUDIO_RETRIEVAL, _DONT_EXIT = 1, 0x8000  # no sound device is opened; an error is returned, the process lives on
_UTF8, _IPA = 1, 0x02

# IPA to our letters; what is in no list is not heard (stress, length, tone, breath). Longer ones first.
_FOLDED = {"tʃ": "C", "dʒ": "J", "tɕ": "C", "dʑ": "J", "tʂ": "C", "dʐ": "J", "ts": "ts", "dz": "dz", "c\u0327": "S"} | {
    ipa: letter
    for letter, several in {
        "a": "aɑɒæʌɐä", "e": "eɛøœɶ", "i": "iɪy", "o": "oɔɤ", "u": "uʊʉɯ", "@": "əᵻɨɘɵɞʏ", "@r": "ɚɝ",
        "b": "bβɓ", "d": "dðɖɗ", "f": "fɸ", "g": "ɡgɣɠɢ", "h": "hxχħɦʜ", "j": "jʝʎɥɟ", "k": "kqc", "l": "lɫɭʟɬ",
        "m": "mɱ", "n": "nŋɲɳɴ", "p": "p", "r": "rɹɾʁɻɽʀɺ", "s": "s", "t": "tʈ", "v": "vʋ", "w": "wʍɰ", "z": "z",
        "S": "ʃɕʂ", "T": "θ", "Z": "ʒʑʐ", "C": "ʧ", "J": "ʤ",
    }.items()
    for ipa in several
}  # fmt: skip
# In American English ɾ and ʔ are how t and d sound between vowels and before n, and ɜ is never without its r.
_FOLDED_ENGLISH = _FOLDED | {"ɾ": "t", "ʔ": "t", "ɜ": "@r"}
_IPA_UNIT = re.compile("|".join(sorted(_FOLDED_ENGLISH, key=len, reverse=True)))
_SWITCH = re.compile(r"\([^)]*\)")  # espeak-ng marks where it reads a foreign word by another voice: (en)…(ja)

_PIECE = re.compile(r"\d+(?:st|nd|rd|th)\b|\d+|[^\d\s]+", re.IGNORECASE)
_MAX_SPELT = 4  # letters beside digits are a plate's or a call sign's up to so many: 7KLM392, D41877205, 12pm


def phonemes(word: str, language: str) -> str:
    """How a word sounds, one letter a phoneme; empty when it has no letter or digit.

    Digits are read one by one and letters beside them spelt, as people say plates: "7KLM392" is "seven k l m three
    nine two". A text of several words is read word by word.

    Args:
        language: a code of Whisper's. One without a voice is read as English.

    Raises:
        LegUnavailable: espeak-ng is not installed, or does not run here.
    """
    name = voice(language)
    return "".join(_phonemes(one, name) for one in word.split())


def heard(words: Iterable[str], language: str) -> list[str]:
    """The phonemes of each word, in order."""
    return [phonemes(word, language) for word in words]


def voice(language: str) -> str:
    """The espeak-ng voice that reads a language."""
    name = _VOICES.get(language, language)
    return name if _espeak().has_voice(name) else _DEFAULT_VOICE


def engine_version() -> str | None:
    """The version of espeak-ng; None where it cannot run."""
    try:
        return _espeak().version
    except LegUnavailable:
        return None


@lru_cache(maxsize=65_536)  # a call takes 200 µs, and speech repeats itself
def _phonemes(word: str, name: str) -> str:
    text = unicodedata.normalize("NFKC", word)
    pieces = _PIECE.findall(text)
    spelt = len(pieces) > 1 and any(piece.isdecimal() for piece in pieces)
    said: list[str] = []
    for piece in pieces:
        letters = _letters(piece)
        if piece.isdecimal():
            said += [str(unicodedata.digit(digit)) for digit in piece]
        elif spelt and len(letters) <= _MAX_SPELT and not piece[0].isdecimal():
            said += letters.upper()
        elif letters:
            said.append(letters)
    return "".join(_fold(_espeak().ipa(part, name), name) for part in said)


def _letters(piece: str) -> str:
    """Letters with their marks, digits and apostrophes; all else may be read aloud ("&", "$") or end a sentence."""
    kept = (c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in piece.replace("’", "'"))
    return "".join(kept).strip(" '")


def _fold(ipa: str, name: str) -> str:
    folded = _FOLDED_ENGLISH if name.startswith("en") else _FOLDED
    units = _IPA_UNIT.findall(unicodedata.normalize("NFD", _SWITCH.sub("", ipa)))
    return "".join(folded.get(unit, "") for unit in units)


class _Espeak:
    """The library, loaded once: it keeps its voice in globals, so one thread at a time speaks."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise LegUnavailable(
                "sounds", "espeak-ng is not installed; pip install 'earwitness[sounds]' brings it"
            ) from error
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path()
        except (OSError, RuntimeError) as error:
            raise LegUnavailable(
                "sounds", f"espeak-ng does not load ({error}); install espeakng-loader again"
            ) from error
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_Info.restype = ctypes.c_char_p
        if self._library.espeak_Initialize(_AUDIO_RETRIEVAL, 0, data.encode(), _DONT_EXIT) <= 0:
            raise LegUnavailable("sounds", f"espeak-ng cannot read {data}; install espeakng-loader again")
        self.version = str(self._library.espeak_Info(None).decode())
        self._lock, self._voice = Lock(), ""
        self._voices: dict[str, bool] = {}

    def has_voice(self, name: str) -> bool:
        if name not in self._voices:
            with self._lock:
                self._voices[name] = self._set_voice(name)
        return self._voices[name]

    def ipa(self, text: str, name: str) -> str:
        """The pronunciation of a text by a voice that is there."""
        with self._lock:
            assert self._set_voice(name)
            rest = ctypes.c_char_p(text.encode())
            clauses: list[str] = []
            while rest.value is not None:  # a clause at a time; the library moves the pointer, at the end to null
                clauses.append((self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA) or b"").decode())
            return "".join(clauses)

    def _set_voice(self, name: str) -> bool:
        if name != self._voice:
            if self._library.espeak_SetVoiceByName(name.encode()) != 0:
                return False
            self._voice = name
        return True


@cache
def _espeak() -> _Espeak:
    return _Espeak()
