"""What became of reference speech in our coverage: speech called `no_speech` is lost without a trace."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.corpus import Utterance
from transcribe.spans import Span, intersect, merge, subtract, total_ms
from transcribe.transcript import Covered, Segment, State

BANDS = ("below 0 dB", "0 to 5 dB", "5 to 10 dB", "10 to 15 dB", "from 15 dB", "unknown SNR", "radio", "phone")
GROUPS = (*BANDS, "mic", "all")


def band_of(utterance: Utterance) -> str:
    """The SNR band of an utterance at the microphone; radio and phone stand apart, whatever their SNR."""
    if utterance.channel in ("radio", "phone"):
        return utterance.channel
    if utterance.snr_db is None:
        return "unknown SNR"
    for limit, band in ((0, BANDS[0]), (5, BANDS[1]), (10, BANDS[2]), (15, BANDS[3])):
        if utterance.snr_db < limit:
            return band
    return BANDS[4]


def spans_by_group(utterances: Sequence[Utterance]) -> dict[str, list[Span]]:
    """When somebody speaks in each of `GROUPS`: by band, `mic` for all bands of the microphone, and `all`.

    Moments two utterances of one group share are there once. Groups without speech are left out.
    """
    groups: dict[str, list[Span]] = {}
    for one in utterances:
        for group in {band_of(one), one.channel, "all"}:
            groups.setdefault(group, []).append(one.span)
    return {group: spans for group in GROUPS if (spans := merge(groups.get(group, ())))}


def speech_by_state(utterances: Sequence[Utterance], coverage: Sequence[Covered]) -> dict[str, dict[State, int]]:
    """Milliseconds of reference speech by group and by the state we gave them.

    Moments no state covers count as `not_processed`.
    """
    found: dict[str, dict[State, int]] = {}
    for group, spans in spans_by_group(utterances).items():
        by_state = {
            state: total_ms(intersect(spans, (one.span for one in coverage if one.state is state))) for state in State
        }
        by_state[State.NOT_PROCESSED] += total_ms(spans) - sum(by_state.values())
        found[group] = by_state
    return found


def outside_segments_ms(utterances: Sequence[Utterance], segments: Sequence[Segment]) -> dict[str, int]:
    """Milliseconds of reference speech by group that no segment covers: what can be asked of every system."""
    return {
        group: total_ms(subtract(spans, (one.span for one in segments)))
        for group, spans in spans_by_group(utterances).items()
    }
