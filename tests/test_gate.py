"""The gate: ordinary speech passes, each kind of trouble is named, and every window comes to an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding import Decoded, Phrase, Plan, TimedWord
from transcribe.gate import (
    CAREFUL,
    Accept,
    Doubtful,
    Finding,
    GateOptions,
    Retry,
    compression_ratio,
    doubts,
    findings,
    judge,
    longest_loop,
    shorten_loops,
)
from transcribe.spans import Span
from transcribe.windows import Window

OPTIONS = GateOptions()
SENTENCE = "License, registration and proof of insurance, please."


def decoded(
    text: str, logprob: float = -0.3, no_speech: float = 0.0, at_limit: bool = False, start_s: float = 0.0
) -> Decoded:
    """One phrase, a word every quarter second from `start_s`."""
    words = tuple(
        TimedWord(start_s + n / 4, start_s + n / 4 + 0.2, f" {word}", 0.9) for n, word in enumerate(text.split())
    )
    phrases = (Phrase(start_s, start_s + len(words) / 4, text, words),) if text else ()
    return Decoded(phrases, logprob, no_speech, at_limit)


def window(*speech_ms: tuple[int, int]) -> Window:
    spans = tuple(Span(*one) for one in speech_ms)
    return Window(Span(spans[0].start_ms, spans[-1].end_ms), "en", spans)


SHORT = window((0, 3_000))


def test_ordinary_speech_is_believed() -> None:
    """Nothing suspicious, nothing tried twice."""
    assert findings(decoded(SENTENCE), SHORT, OPTIONS) == frozenset()
    assert judge(frozenset(), [Plan()], SHORT) == Accept()


@pytest.mark.parametrize(
    ("found", "answer", "at"),
    [
        ({Finding.UNLIKELY}, decoded(SENTENCE, logprob=-1.2), SHORT),
        ({Finding.UNLIKELY, Finding.NOBODY}, decoded(SENTENCE, logprob=-1.2, no_speech=0.9), SHORT),
        ({Finding.LOOP}, decoded("go on " * 4), SHORT),
        ({Finding.LOOP, Finding.REPETITIVE}, decoded("stop the car " * 9), window((0, 9_000))),
        ({Finding.HASTY}, decoded("one two three four five six seven eight"), window((0, 900))),
        ({Finding.CUT_OFF}, decoded(SENTENCE, at_limit=True), SHORT),
        ({Finding.OUTSIDE}, decoded(SENTENCE, start_s=4.0), window((0, 3_000), (9_000, 9_500))),
        ({Finding.PHRASE}, decoded("Thank you.", no_speech=0.5), SHORT),
        ({Finding.SPARSE}, decoded("Yes."), window((0, 12_000))),
        ({Finding.SPARSE}, decoded(""), window((0, 12_000))),
    ],
)
def test_each_kind_of_trouble_has_its_name(found: set[Finding], answer: Decoded, at: Window) -> None:
    """And nothing else is found beside it."""
    assert findings(answer, at, OPTIONS) == found


def test_thanks_that_were_said_are_believed() -> None:
    """The sentence alone is no crime: the model must doubt the voice, too."""
    assert findings(decoded("Thank you."), SHORT, OPTIONS) == frozenset()


@given(st.frozensets(st.sampled_from(Finding), min_size=1), st.integers(1, 4))
def test_every_window_comes_to_an_end(found: frozenset[Finding], n_spans: int) -> None:
    """However bad the answers stay: careful once, halves once, then doubtful."""
    tried = [Plan()]
    at = window(*((10_000 * n, 10_000 * n + 3_000) for n in range(n_spans)))
    for _ in range(4):
        verdict = judge(found, tried, at)
        if not isinstance(verdict, Retry):
            break
        tried.append(verdict.plan)

    assert verdict == Doubtful()
    assert tried[1:] in ([CAREFUL], [CAREFUL, CAREFUL])


def test_loops_are_counted_by_their_longest_run() -> None:
    """Words of one to four, case and punctuation aside."""
    assert longest_loop([]) == 0
    assert longest_loop(["all", "of", "it", "is", "different"]) == 1
    assert longest_loop(["No,", "no.", "NO!", "Stop"]) == 3
    assert longest_loop(["a", "put", "it", "down", "put", "it", "down", "put", "it", "down", "b"]) == 3
    assert compression_ratio("") == 0.0


def test_a_loop_is_shortened_and_what_is_around_it_stays() -> None:
    """Twice is enough, in words and in text; other phrases are left as they are."""
    looping = decoded("wait " + "drop the gun " * 30 + "now")
    ordinary = decoded(SENTENCE)
    both = Decoded((*looping.phrases, *ordinary.phrases), -0.3, 0.0, False)

    first, second = shorten_loops(both, [True, True]).phrases
    assert first.text == "wait drop the gun drop the gun now"
    assert [word.text.strip() for word in first.words] == first.text.split()
    assert second == ordinary.phrases[0]
    assert shorten_loops(both, [False, True]) == both
    assert shorten_loops(decoded("y" * 90), [True]).words == []


def test_a_sentence_that_only_repeats_is_left_once() -> None:
    """Across phrases as the decoder cuts them; nobody says a sentence five times in no time."""
    once = decoded("Sunday is the best part of the week.").phrases[0]
    again = replace(once, words=tuple(TimedWord(2.0, 2.0, word.text, 0.9) for word in once.words))
    looping = Decoded((once, again, again, again), -0.3, 0.0, False)

    doubted = doubts(looping, window((0, 3_000)), frozenset(), OPTIONS)
    assert doubted[0] == frozenset()
    assert all(Finding.LOOP in some for some in doubted[1:])
    shortened = shorten_loops(looping, [bool(some) for some in doubted])
    assert [len(phrase.words) for phrase in shortened.phrases] == [8, 0, 0, 0]


def test_doubt_is_a_phrases_own() -> None:
    """One sentence nobody should believe leaves its neighbours alone; a finding without a phrase falls on all."""
    sure = decoded(SENTENCE).phrases[0]
    mumbled = replace(sure, words=tuple(replace(word, probability=0.45) for word in sure.words))
    both = Decoded((sure, mumbled), -0.6, 0.0, False)

    assert doubts(both, SHORT, frozenset(), OPTIONS) == [frozenset(), frozenset({Finding.UNLIKELY})]
    assert doubts(decoded(SENTENCE), SHORT, frozenset({Finding.PHRASE}), OPTIONS) == [frozenset({Finding.PHRASE})]
    assert doubts(decoded(SENTENCE), SHORT, frozenset({Finding.SPARSE}), OPTIONS) == [frozenset()]


def test_a_shout_is_no_loop() -> None:
    """The same words again and again, in a time in which they can be said, are believed."""
    shouted = decoded("Drop the gun! Drop the gun! Drop the gun! Drop the gun!")

    assert findings(shouted, SHORT, OPTIONS) == {Finding.LOOP}  # heard again, with care
    assert doubts(shouted, SHORT, frozenset({Finding.LOOP}), OPTIONS) == [frozenset()]
