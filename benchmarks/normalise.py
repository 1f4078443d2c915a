"""Text made comparable, the same for us and every peer: how a word is written is not what is measured."""

from __future__ import annotations

from functools import cache
from typing import Any


def normalise(text: str, language: str) -> str:
    """Lower case, no punctuation, one space between words; empty for text without words.

    English goes through Whisper's English normaliser as transformers ships it (numbers in digits, contractions
    written out, fillers dropped); its table of British spellings is not part of that package, so "colour" and
    "color" differ, for everyone. Every other language goes through Whisper's basic normaliser, which keeps accents.
    What is left without a letter or digit is dropped: the English one leaves a lone point of an ellipsis.
    """
    english, basic = _normalisers()
    normaliser = english if language == "en" else basic
    return " ".join(token for token in normaliser(text).split() if any(map(str.isalnum, token)))


@cache
def _normalisers() -> tuple[Any, Any]:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    english: Any = EnglishTextNormalizer  # published without types
    return english({}), BasicTextNormalizer()
