"""Laws of coverage: every moment has one state, the strongest that applies."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.transcripts import spans
from transcribe.coverage import cover
from transcribe.spans import Span
from transcribe.transcript import Covered, State

SPANS = st.lists(spans(max_ms=120), max_size=5)


def at(some: list[Span], ms: int) -> bool:
    return any(span.start_ms <= ms < span.end_ms for span in some)


@given(st.integers(0, 100), SPANS, SPANS, SPANS, SPANS)
def test_coverage_is_a_partition_of_the_recording(
    duration_ms: int, speech: list[Span], heard: list[Span], silent: list[Span], lost: list[Span]
) -> None:
    """Spans touch end to end from 0 to the duration, none is empty, neighbours differ in state."""
    covered = cover(duration_ms, speech, heard, silent, lost)

    assert [0, *(part.end_ms for part in covered)] == [*(part.start_ms for part in covered), duration_ms]
    assert all(part.start_ms < part.end_ms for part in covered)
    assert all(a.state is not b.state for a, b in itertools.pairwise(covered))


@given(st.integers(0, 100), SPANS, SPANS, SPANS, SPANS)
def test_every_moment_has_the_strongest_state_that_applies(
    duration_ms: int, speech: list[Span], heard: list[Span], silent: list[Span], lost: list[Span]
) -> None:
    """Not processed beats silence, silence beats words, words beat detected speech, speech beats quiet."""
    for part in cover(duration_ms, speech, heard, silent, lost):
        for ms in range(part.start_ms, part.end_ms):
            if at(lost, ms):
                assert part.state is State.NOT_PROCESSED
            elif at(silent, ms):
                assert part.state is State.DIGITAL_SILENCE
            elif at(heard, ms):
                assert part.state is State.SPEECH
            elif at(speech, ms):
                assert part.state in (State.SPEECH, State.UNINTELLIGIBLE)
            else:
                # A segment that lasts no time still marks the millisecond it stands at.
                marked = any(span == Span(ms, ms) for span in heard)
                assert part.state is (State.SPEECH if marked else State.NO_SPEECH)


@given(st.integers(0, 100), SPANS, SPANS, SPANS, SPANS)
def test_unintelligible_speech_holds_no_word(
    duration_ms: int, speech: list[Span], heard: list[Span], silent: list[Span], lost: list[Span]
) -> None:
    """No heard span reaches into a stretch called unintelligible."""
    covered = cover(duration_ms, speech, heard, silent, lost)

    unintelligible = [part.span for part in covered if part.state is State.UNINTELLIGIBLE]
    assert not any(span.overlap_ms(words) for span in unintelligible for words in heard)


def test_one_word_makes_a_whole_stretch_of_speech_heard() -> None:
    """Detected speech with a word in it is speech from end to end; without one it is unintelligible."""
    assert cover(10_000, [Span(1000, 3000), Span(5000, 7000)], [Span(1500, 1800)], [], []) == (
        Covered(0, 1000, State.NO_SPEECH),
        Covered(1000, 3000, State.SPEECH),
        Covered(3000, 5000, State.NO_SPEECH),
        Covered(5000, 7000, State.UNINTELLIGIBLE),
        Covered(7000, 10_000, State.NO_SPEECH),
    )


def test_silence_cuts_detected_speech_in_two() -> None:
    """Words before a mute say nothing about what was detected after it."""
    assert cover(3000, [Span(0, 3000)], [Span(100, 500)], [Span(1000, 2000)], []) == (
        Covered(0, 1000, State.SPEECH),
        Covered(1000, 2000, State.DIGITAL_SILENCE),
        Covered(2000, 3000, State.UNINTELLIGIBLE),
    )


def test_a_recording_that_lasts_no_time_has_no_coverage() -> None:
    """Nothing to cover, whatever was detected."""
    assert cover(0, [Span(0, 100)], [Span(0, 100)], [], [Span(0, 5)]) == ()
