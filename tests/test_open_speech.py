"""What an answer leaves open: speech between believed words, in order, never a believed word itself."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from transcribe.decoding import Decoded, Phrase, TimedWord
from transcribe.open_speech import open_speech
from transcribe.spans import Span, intersect, total_ms
from transcribe.windows import Window
from transcribe.words import place_words

WINDOW = Window(Span(10_000, 20_000), "en", (Span(10_000, 13_000), Span(15_000, 20_000)))


def phrase(*words_s: tuple[float, float]) -> Phrase:
    words = tuple(TimedWord(start, end, " word", 0.9) for start, end in words_s)
    return Phrase(words_s[0][0], words_s[-1][1], " word" * len(words), words)


def answer(*phrases: Phrase) -> Decoded:
    return Decoded(phrases, -0.3, 0.0, False)


def test_speech_without_a_word_is_open() -> None:
    """The second stretch of speech was skipped: it becomes a window of its own."""
    (found,) = open_speech(answer(phrase((0.0, 1.5), (1.5, 2.9))), WINDOW, [False], 1_000)

    assert found.window == Window(Span(15_000, 20_000), "en", (Span(15_000, 20_000),))
    assert found.phrases == ()


def test_doubted_words_leave_their_speech_open() -> None:
    """And say which phrase another answer would replace."""
    heard = answer(phrase((0.0, 2.9)), phrase((5.1, 7.0), (7.0, 9.9)))

    assert open_speech(heard, WINDOW, [False, False], 1_000) == []
    (found,) = open_speech(heard, WINDOW, [False, True], 1_000)
    assert found.window.span == Span(15_000, 20_000)
    assert found.phrases == (1,)


def test_no_words_at_all_leave_everything_open() -> None:
    """The whole window is heard again, unless it is too little speech to tell."""
    (found,) = open_speech(answer(), WINDOW, [], 1_000)

    assert found.window == WINDOW
    assert open_speech(answer(), WINDOW, [], 8_001) == []


@st.composite
def answers(draw: st.DrawFn) -> tuple[Decoded, list[bool]]:
    times = sorted(draw(st.lists(st.integers(0, 1_000), min_size=2, max_size=16)))
    phrases = [phrase((a / 100, b / 100)) for a, b in zip(times[::2], times[1::2], strict=False)]
    return answer(*phrases), [draw(st.booleans()) for _ in phrases]


@given(answers())
@example((answer(phrase((0.5, 0.5)), phrase((0.5, 0.5))), [False, True]))
def test_open_speech_is_speech_beside_believed_words(heard: tuple[Decoded, list[bool]]) -> None:
    """In order, apart, inside detected speech; no believed word reaches into it; every phrase in it is doubted."""
    decoded, doubted = heard
    found = open_speech(decoded, WINDOW, doubted, 500)
    spoken = [span for one in found for span in one.window.speech]
    placed = place_words(decoded.words, WINDOW)
    believed = [word.span for word, doubt in zip(placed, doubted, strict=True) if not doubt]

    assert spoken == sorted(spoken)
    assert total_ms(intersect(spoken, WINDOW.speech)) == total_ms(spoken)
    assert intersect(spoken, believed) == []
    assert all(total_ms(one.window.speech) >= 500 for one in found)
    replaced = [place for one in found for place in one.phrases]
    assert len(replaced) == len(set(replaced))
    assert all(doubted[place] for place in replaced)
