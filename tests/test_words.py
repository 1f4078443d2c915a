"""Words in recording time: in order, inside their window, on the right side of a pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding import TimedWord
from transcribe.spans import Span
from transcribe.windows import Window
from transcribe.words import place_words

seconds = st.floats(-1, 40, allow_nan=False)


@given(st.lists(st.builds(TimedWord, seconds, seconds, st.just(" word"), st.floats(0, 1))))
def test_placed_words_stay_in_their_window(timed: list[TimedWord]) -> None:
    """However wild the decoder's times are: inside the window, start before end, in order."""
    window = Window(Span(5_000, 35_000), "en", (Span(5_000, 12_000), Span(14_000, 35_000)))
    words = place_words(timed, window)

    assert len(words) == len(timed)
    at = window.span.start_ms
    for word in words:
        assert at <= word.start_ms <= word.end_ms <= window.span.end_ms
        at = word.start_ms


def test_a_first_word_stretched_into_the_pause_starts_with_the_speech() -> None:
    """Whisper starts the first word after a pause seconds early; the player must not."""
    window = Window(Span(0, 20_000), "en", (Span(0, 2_000), Span(9_000, 20_000)))
    _before, after = place_words([TimedWord(0.1, 1.9, " Stop.", 0.9), TimedWord(2.5, 9.4, " Hands", 0.9)], window)

    assert (after.start_ms, after.end_ms) == (9_000, 9_400)


def test_a_word_across_a_long_pause_belongs_to_the_side_it_lasts_longer_on() -> None:
    """A sliver of the speech before does not hold it back; a hesitation inside a word does not cut it."""
    window = Window(Span(0, 20_000), "en", (Span(0, 2_000), Span(4_000, 6_000), Span(6_200, 20_000)))
    (across,) = place_words([TimedWord(1.9, 4.5, " hands", 0.9)], window)
    (hesitant,) = place_words([TimedWord(5.8, 6.5, " well", 0.9)], window)

    assert (across.start_ms, across.end_ms) == (4_000, 4_500)
    assert (hesitant.start_ms, hesitant.end_ms) == (5_800, 6_500)
