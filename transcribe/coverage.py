"""Coverage: for every moment of a recording, what is known about it."""

from __future__ import annotations

from collections.abc import Sequence

from transcribe.spans import Span, intersect, merge, subtract
from transcribe.transcript import Covered, State


def cover(
    duration_ms: int,
    speech: Sequence[Span],
    heard: Sequence[Span],
    silent: Sequence[Span],
    not_processed: Sequence[Span],
) -> tuple[Covered, ...]:
    """Give every moment of `[0, duration_ms)` its state.

    Where several apply, the first of these wins: `not_processed`, `digital_silence`, `speech`,
    `unintelligible`, `no_speech`. A stretch of detected speech, after silences are taken out, is `speech` as a
    whole when any word was heard in it, else `unintelligible`: voices that yielded no word at all. Words
    outside detected speech are `speech` too.

    Args:
        speech: what voice activity detection found.
        heard: spans of segments with words; one that lasts no time counts as 1 ms.
        silent: below the level threshold.
        not_processed: missing from the file, or damaged.
        All in any order; they may overlap and reach outside the recording, where they do not count.

    Returns:
        Sorted, without gaps or overlaps; neighbours differ in state. Empty for a recording that lasts no time.
    """
    recording = [Span(0, duration_ms)]
    lost = intersect(not_processed, recording)
    silence = subtract(intersect(silent, recording), lost)
    holes = merge([*lost, *silence])
    detected = subtract(intersect(speech, recording), holes)
    lasting = [Span(span.start_ms, max(span.end_ms, span.start_ms + 1)) for span in heard]
    worded = subtract(intersect(lasting, recording), holes)

    understood = merge([*worded, *_touched(detected, worded)])
    unintelligible = subtract(detected, understood)
    quiet = subtract(recording, [*holes, *understood, *unintelligible])
    states = {
        State.NOT_PROCESSED: lost,
        State.DIGITAL_SILENCE: silence,
        State.SPEECH: understood,
        State.UNINTELLIGIBLE: unintelligible,
        State.NO_SPEECH: quiet,
    }
    covered = [Covered(span.start_ms, span.end_ms, state) for state, spans in states.items() for span in spans]
    return tuple(sorted(covered, key=lambda part: part.start_ms))


def _touched(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Those of `spans` that share some time with `others`; both are span sets."""
    touched: list[Span] = []
    i = 0
    for span in spans:
        while i < len(others) and others[i].end_ms <= span.start_ms:
            i += 1
        if i < len(others) and others[i].start_ms < span.end_ms:
            touched.append(span)
    return touched
