"""The offset between two recordings: from words both heard, then from sound, and not at all where nothing is shared."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

import tests.transcripts  # noqa: F401 -- its Hypothesis profile
from benchmarks.corpus import read_corpus
from benchmarks.patrol import reference_transcript
from transcribe.alignment import BIN_MS, align_words
from transcribe.media import decode
from transcribe.sound_alignment import REACH_MS, STRETCH_MS, align_sound
from transcribe.transcript import Word

VOCABULARY = [f"w{number}" for number in range(600)]
COMMON = [1 / (rank + 4) for rank in range(len(VOCABULARY))]  # the first is said as often as "the": one word in twenty
WARNING = [f"right{number}" for number in range(75)]  # what every officer recites: half a minute
RATE = 16_000
DAY_MS = 24 * 3_600_000


def scene(seed: int, n_words: int = 250) -> list[Word]:
    """What is said at one place: words of 400 ms, a pause now and then."""
    chance = random.Random(seed)
    words, at_ms = [], 0
    for text in chance.choices(VOCABULARY, COMMON, k=n_words):
        words.append(Word(at_ms, at_ms + 300, text, 0.9))
        at_ms += 400 if chance.random() < 0.9 else 2_000
    return words


def recite(words: list[Word], at: int, text: list[str] = WARNING, word_ms: int = 400) -> list[Word]:
    """The words with a recitation put in before the word `at`; the later ones wait."""
    start_ms = words[at].start_ms
    recited = [Word(start_ms + n * word_ms, start_ms + (n + 1) * word_ms, said, 0.9) for n, said in enumerate(text)]
    return [*words[:at], *recited, *moved(words[at:], len(text) * word_ms)]


def moved(words: list[Word], by_ms: int) -> list[Word]:
    return [Word(word.start_ms + by_ms, word.end_ms + by_ms, word.text, word.confidence) for word in words]


def heard(words: list[Word], seed: int, misheard: float = 0.3) -> list[Word]:
    """What a recogniser makes of it: other words in place of some, and starts that are off by a tenth of a second."""
    chance = random.Random(seed)
    return [
        Word(
            word.start_ms + chance.randint(-100, 100),
            word.end_ms,
            chance.choice(VOCABULARY) if chance.random() < misheard else word.text.capitalize() + ",",
            0.9,
        )
        for word in words
    ]


# Words


@given(st.integers(0, 10_000), st.integers(-DAY_MS, DAY_MS))
@example(0, 0)
def test_any_offset_is_recovered_though_three_words_in_ten_are_misheard(seed: int, offset_ms: int) -> None:
    """On both sides; case and punctuation do not count."""
    said = scene(seed, 400)
    found = align_words(heard(said, seed + 1), moved(heard(said, seed + 2), offset_ms))

    assert found.offset_ms is not None, found.reason
    assert abs(found.offset_ms - offset_ms) <= 100
    assert found.spread_ms <= 100
    assert 0.3 <= found.share <= 0.7
    assert found.confidence >= 0.5


@given(st.integers(0, 10_000))
def test_swapping_the_recordings_negates_the_offset(seed: int) -> None:
    """Up to the width of a bin; the words need not be in order."""
    said = scene(seed, 400)
    first, second = heard(said, seed + 1), moved(heard(said, seed + 2), 7_620)
    there, back = align_words(first, second), align_words(second[::-1], first[::-1])

    assert there.offset_ms is not None
    assert back.offset_ms is not None
    assert abs(there.offset_ms + back.offset_ms) <= BIN_MS


@given(st.integers(0, 10_000), st.integers(100, 2_000))
def test_recordings_of_different_scenes_are_not_aligned(seed: int, n_words: int) -> None:
    """However long they are: common words agree at every offset, none stands out."""
    found = align_words(scene(seed, n_words), scene(seed + 20_000, n_words))

    assert found.offset_ms is None, found.reason
    assert found.confidence == 0
    assert found.reason


@given(st.integers(0, 10_000), st.integers(80, 160), st.integers(80, 160))
def test_a_warning_recited_in_two_scenes_does_not_align_them(seed: int, here: int, there: int) -> None:
    """At the very same pace it is half a minute of agreement, but nothing before or after it agrees."""
    first, second = recite(scene(seed), here), recite(scene(seed + 20_000), there)

    assert align_words(first, second).offset_ms is None


def test_one_word_said_all_the_time_aligns_nothing() -> None:
    """A repeat pairs with every other at another offset."""
    okay = [Word(900 * n, 900 * n + 300, "okay", 0.9) for n in range(300)]

    assert align_words(okay, moved(okay, 5_000)).offset_ms is None


def test_two_minutes_are_found_in_two_hours() -> None:
    """One recording may be much longer than the other."""
    long = scene(1, 13_000)
    part = long[9_000:9_250]
    found = align_words(heard(long, 2), moved(heard(part, 3), -part[0].start_ms))

    assert found.offset_ms is not None
    assert abs(found.offset_ms + part[0].start_ms) <= 100


def test_radio_that_both_heard_is_enough() -> None:
    """Two officers out of each other's hearing: a fifth of what each heard came over both radios, all along."""

    def beside_the_radio(seed: int) -> list[Word]:
        pieces = [
            moved(said[:n_words], 15_000 * minute + later_ms)
            for minute in range(12)
            for said, n_words, later_ms in ((scene(minute), 6, 0), (scene(seed + minute), 24, 3_000))
        ]
        return sorted(itertools.chain(*pieces), key=lambda word: word.start_ms)

    found = align_words(heard(beside_the_radio(100), 1, 0.1), moved(heard(beside_the_radio(200), 2, 0.1), 61_000))

    assert found.offset_ms is not None, found.reason
    assert abs(found.offset_ms - 61_000) <= 100
    assert found.share < 0.3


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([], [], "neither recording has words"),
        (scene(1), [], "one of the recordings has no words"),
        ([Word(0, 300, "…", 0.1)], scene(1), "one of the recordings has no words"),
        ([Word(0, 300, "alone", 0.9)], scene(1), "no word is heard in both, but for those said again and again"),
    ],
)
def test_without_shared_words_the_reason_is_told(first: list[Word], second: list[Word], reason: str) -> None:
    """Nothing to vote is no error."""
    found = align_words(first, second)

    assert (found.offset_ms, found.matches, found.places) == (None, (), ())
    assert found.reason == reason


# Sound


def noise(seed: int, seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("offset_ms", [-12_345, 0, 7_620])
@pytest.mark.parametrize("words_off_ms", [-1_900, 300])
def test_sound_gives_the_offset_to_the_millisecond(offset_ms: int, words_off_ms: int) -> None:
    """Another level, noise as loud as what is shared, and words that were off by less than two seconds."""
    shared = noise(1, 120)
    late = max(0, offset_ms) * RATE // 1000
    early = max(0, -offset_ms) * RATE // 1000
    second = np.concatenate([np.zeros(late, np.float32), shared[early:]]) * np.float32(0.2)
    found = align_sound(
        shared + noise(2, 120),
        second + noise(3, len(second) / RATE, 0.02),
        offset_ms + words_off_ms,
        [35_000, 60_000, 95_000],
    )

    assert found is not None
    assert abs(found.offset_ms - offset_ms) <= 1
    assert found.spread_ms <= 1
    assert found.n_stretches == 3


def test_sound_that_is_not_shared_gives_no_offset() -> None:
    """Strangers, silence, and recordings that do not reach where the words are."""
    places = [20_000, 40_000, 60_000, 80_000]

    assert align_sound(noise(1, 100), noise(2, 100), 0, places) is None
    assert align_sound(noise(1, 100), np.zeros(100 * RATE, np.float32), 0, places) is None
    assert align_sound(noise(1, 100), noise(1, 100), 0, [1_000_000 + place for place in places]) is None
    assert align_sound(noise(1, 100), np.zeros(0, np.float32), 0, places) is None


def test_too_few_stretches_or_stretches_that_disagree_give_no_offset() -> None:
    """One loudspeaker heard at two places is not a scene."""
    first = noise(1, 200)
    second = np.concatenate([np.roll(part, 4_000 * n) for n, part in enumerate(np.split(first, 5))])

    assert align_sound(first, first, 0, [20_000, 60_000]) is None
    assert align_sound(first, second, 0, [20_000, 60_000, 100_000, 140_000, 180_000]) is None


def test_a_clock_that_drifts_shows_in_the_spread() -> None:
    """50 parts in a million, over ten minutes: the offset is that of the middle."""
    first = noise(1, 600)
    n = np.arange(len(first))
    second = np.interp(n * (1 - 50e-6), n, first).astype(np.float32)
    found = align_sound(first, second, 0, list(range(20_000, 590_000, 60_000)))

    assert found is not None
    assert abs(found.offset_ms - 15) <= 5
    assert 2 <= found.spread_ms <= 12


def test_hours_of_sound_take_no_more_memory_than_minutes(tmp_path: Path) -> None:
    """Only stretches are read of what is mapped."""
    long = np.memmap(tmp_path / "long", np.float32, "w+", shape=(6 * 3600 * RATE,))  # sparse
    places = [n * 2_000_000 for n in range(1, 10)]
    for place in places:
        start = (place - STRETCH_MS) * RATE // 1000
        long[start : start + 2 * STRETCH_MS * RATE // 1000] = noise(place, 2 * STRETCH_MS / 1000)
    tracemalloc.start()
    found = align_sound(long, long, REACH_MS // 2, places)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found is not None
    assert (found.offset_ms, found.n_stretches) == (0, 9)
    assert peak_bytes < 100 * 2**20


# The development corpus


def offsets(corpus: Path) -> dict[tuple[str, str], int]:
    """The two cameras of each incident that has two, and the offset of the second against the first."""
    labels = {path.stem: json.loads(path.read_text()) for path in (corpus / "patrol").glob("*.json")}
    return {
        (label["pair"], name): round(1000 * label["pair_offset_s"])
        for name, label in labels.items()
        if label["pair"] and label["pair_offset_s"]
    }


def test_with_the_corpus_only_two_cameras_of_one_incident_are_aligned(corpus: Path) -> None:
    """By the words of the labels, three in ten of them misheard on each side; by sound after that."""
    references = {reference.name: reference for reference in read_corpus(corpus).patrol}
    truth = offsets(corpus)
    words = {
        name: heard(reference_transcript(reference).words, number)
        for number, (name, reference) in enumerate(references.items())
    }
    assert truth
    for first, second in itertools.permutations(references, 2):
        found = align_words(words[first], words[second])
        if (first, second) not in truth and (second, first) not in truth:
            assert found.offset_ms is None, (first, second, found.reason)
        elif (first, second) in truth:
            assert found.offset_ms is not None, (first, second, found.reason)
            assert abs(found.offset_ms - truth[first, second]) <= 300
            sounds = (decode(str(references[name].media)).waveform for name in (first, second))
            measured = align_sound(*sounds, found.offset_ms, found.places)
            assert measured is not None
            assert abs(measured.offset_ms - truth[first, second]) <= 300
