"""The one normalisation of text: what two spellings must share for search to call them the same words.

Every text that reaches an index and every query passes here, so that no store's tokenizer has a say.
"""

from __future__ import annotations

import re
import unicodedata

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200d\u2060\ufeff]")  # soft hyphen, zero-width characters
# U+02BC is a letter to Unicode and an apostrophe to those who type it.
_APOSTROPHE = re.compile(r"(?<=[^\W_])['‘’‛ʼ`´](?=[^\W_])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")

# Marks of Latin, Greek and Cyrillic only: in other scripts a mark is a vowel, and dropping it makes another word.
_DIACRITICS = re.compile(r"[\u0300-\u036f]")

# Scripts written without spaces between words: Thai and Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\U00020000-\U000323af]"
)


def tokens(text: str) -> list[str]:
    """The words of `text` as search compares them, in order; empty when it has none.

    Case, compatibility forms (full-width digits, ligatures) and diacritics are folded: people type "ingles".
    An apostrophe inside a word and a comma between thousands vanish ("don't" and "dont", "4,200" and "4200" are
    the same); everything else that is no letter or digit separates. In scripts written without spaces each
    character is a token of its own, so that any stretch of them can be found as a phrase.

    Joining the tokens with spaces and calling this again gives the same tokens; the tokens of texts joined with
    spaces are the tokens of the texts.
    """
    if text.isascii():  # most speech: the same, twenty times faster
        return _ASCII_WORD.findall(_THOUSANDS.sub("", _APOSTROPHE.sub("", text.lower())))
    return _tokens(text)


def _tokens(text: str) -> list[str]:
    """The same for text in any script."""
    folded = _fold(_THOUSANDS.sub("", _APOSTROPHE.sub("", _fold(_INVISIBLE.sub("", text)))))
    found: list[str] = []
    open_word = marks_follow = False
    for character in folded:
        if character.isalnum():
            unspaced = _UNSPACED.match(character) is not None
            if open_word and not unspaced:
                found[-1] += character
            else:
                found.append(character)
            open_word, marks_follow = not unspaced, True
        elif marks_follow and unicodedata.category(character)[0] == "M":
            found[-1] += character
        else:
            open_word = marks_follow = False
    return found


def _fold(text: str) -> str:
    """Case, compatibility forms and diacritics folded; punctuation and spaces stay."""
    folded = text
    # Folding case can expose a form to fold, and the other way round; text that needs a third round is unknown.
    for _ in range(3):
        decomposed = unicodedata.normalize("NFKD", folded.casefold())
        again = unicodedata.normalize("NFC", _DIACRITICS.sub("", decomposed))
        if again == folded:
            break
        folded = again
    return folded
