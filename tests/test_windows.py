"""Windows lose no speech and reach across nothing they must not."""

from hypothesis import given
from hypothesis import strategies as st

from transcribe.spans import Span
from transcribe.windows import WindowOptions, build_windows


@st.composite
def speech_and_silence(draw: st.DrawFn) -> tuple[list[Span], list[str], list[Span]]:
    at, speech, silent, languages = 0, [], [], []
    for _ in range(draw(st.integers(0, 30))):
        at += draw(st.integers(0, 6_000))
        if draw(st.booleans()) and draw(st.booleans()):
            length = draw(st.integers(1_000, 20_000))
            silent.append(Span(at, at + length))
        else:
            length = draw(st.integers(100, 18_000))
            speech.append(Span(at, at + length))
            languages.append(draw(st.sampled_from(["en", "es"])))
        at += length
    return speech, languages, silent


@given(speech_and_silence())
def test_every_speech_span_is_in_exactly_one_window(made: tuple[list[Span], list[str], list[Span]]) -> None:
    """Nothing is lost, nothing is heard twice, order stays."""
    speech, languages, silent = made
    windows = build_windows(speech, languages, silent, WindowOptions())

    assert [span for window in windows for span in window.speech] == speech
    assert [window.language for window in windows for _ in window.speech] == languages


@given(speech_and_silence())
def test_windows_fit_the_encoder_and_cross_no_silence_or_long_pause(
    made: tuple[list[Span], list[str], list[Span]],
) -> None:
    """Of limited length, no digital silence inside, no pause over 3 s inside."""
    speech, languages, silent = made
    options = WindowOptions()
    for window in build_windows(speech, languages, silent, options):
        assert window.span.duration_ms <= options.max_window_ms
        assert not any(window.span.overlap_ms(quiet) for quiet in silent)
        for before, after in zip(window.speech, window.speech[1:], strict=False):
            assert after.start_ms - before.end_ms <= options.max_pause_ms
