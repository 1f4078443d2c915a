"""How easily one phoneme is heard as another, or not at all: what the alignment of `search.sounds` costs.

In hundredths of a phoneme missed, symmetric, from where and how a phoneme is made. A recogniser keeps manner best, then
place, then voicing, and vowels least of all; weak sounds come and go.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from search.phonemes import CONSONANTS, VOWELS

ALPHABET = VOWELS + CONSONANTS

VOICING = 25  # b for p
PLACE = 11  # a step along the mouth: T for f; n is three from m
MANNER = 65  # s for n
OBSTRUENTS = 30  # among stops, affricates and fricatives: d for J, t for T
VOWEL_STEP = 15  # in height or backness; what is unstressed is a step from all
SEMIVOWEL = 40  # i for j, u or o for w, the unstressed vowel for r
UNLIKE = 100  # a vowel for a consonant; nothing costs more
MISSED, MISSED_WEAK, MISSED_VOWEL, MISSED_UNSTRESSED = 70, 40, 35, 20  # or one too many

_OBSTRUENT, _NASAL, _LIQUID, _GLIDE = ("stop", "affricate", "fricative"), "nasal", "liquid", "glide"
_STOP, _AFFRICATE, _FRICATIVE = _OBSTRUENT
_CONSONANT = {  # place from the lips back, manner, voiced
    "p": (0, _STOP, False), "b": (0, _STOP, True), "t": (3, _STOP, False), "d": (3, _STOP, True),
    "k": (6, _STOP, False), "g": (6, _STOP, True), "C": (4, _AFFRICATE, False), "J": (4, _AFFRICATE, True),
    "f": (1, _FRICATIVE, False), "v": (1, _FRICATIVE, True), "T": (2, _FRICATIVE, False), "s": (3, _FRICATIVE, False),
    "z": (3, _FRICATIVE, True), "S": (4, _FRICATIVE, False), "Z": (4, _FRICATIVE, True), "h": (7, _FRICATIVE, False),
    "m": (0, _NASAL, True), "n": (3, _NASAL, True), "l": (3, _LIQUID, True), "r": (4, _LIQUID, True),
    "w": (0, _GLIDE, True), "j": (5, _GLIDE, True),
}  # fmt: skip
_VOWEL = {"i": (2, 0), "e": (1, 0), "a": (0, 1), "o": (1, 2), "u": (2, 2)}  # height, backness
_SEMIVOWELS = frozenset({"ij", "uw", "ow", "@r"})
_WEAK = "hjwr"


def confusion(one: str, other: str) -> int:
    """The cost of hearing one phoneme as the other, 0..100."""
    if one == other:
        return 0
    if one in VOWELS and other in VOWELS:
        if "@" in (one, other):
            return VOWEL_STEP
        return VOWEL_STEP * sum(abs(a - b) for a, b in zip(_VOWEL[one], _VOWEL[other], strict=True))
    if one in VOWELS or other in VOWELS:
        return SEMIVOWEL if {one + other, other + one} & _SEMIVOWELS else UNLIKE
    (place, manner, voiced), (other_place, other_manner, other_voiced) = _CONSONANT[one], _CONSONANT[other]
    cost = PLACE * abs(place - other_place) + VOICING * (voiced != other_voiced)
    if manner != other_manner:
        cost += OBSTRUENTS if manner in _OBSTRUENT and other_manner in _OBSTRUENT else MANNER
    return min(UNLIKE, cost)


def gap(phoneme: str) -> int:
    """The cost of not hearing a phoneme, or of hearing it where it was not said."""
    if phoneme == "@":
        return MISSED_UNSTRESSED
    if phoneme in VOWELS:
        return MISSED_VOWEL
    return MISSED_WEAK if phoneme in _WEAK else MISSED


@cache
def confusions() -> NDArray[np.int64]:
    """`confusion` of every pair, by places in ALPHABET, shape (n, n)."""
    return np.array([[confusion(one, other) for other in ALPHABET] for one in ALPHABET])


@cache
def gaps() -> NDArray[np.int64]:
    """`gap` of every phoneme, by place in ALPHABET, shape (n,)."""
    return np.array([gap(phoneme) for phoneme in ALPHABET])
