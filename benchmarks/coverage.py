"""What became of reference speech in our coverage: speech called `no_speech` is lost without a trace."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.corpus import Utterance
from transcribe.spans import intersect, merge, total_ms
from transcribe.transcript import Covered, State

BANDS = ("below 0 dB", "0 to 5 dB", "5 to 10 dB", "10 to 15 dB", "from 15 dB", "unknown SNR", "radio", "phone")


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


def speech_by_state(utterances: Sequence[Utterance], coverage: Sequence[Covered]) -> dict[str, dict[State, int]]:
    """Milliseconds of reference speech by band and by the state we gave them.

    Moments two utterances of one band share count once; moments no state covers count as `not_processed`.
    Bands without an utterance are left out.
    """
    found: dict[str, dict[State, int]] = {}
    for band in BANDS:
        spans = merge(one.span for one in utterances if band_of(one) == band)
        if not spans:
            continue
        by_state = {
            state: total_ms(intersect(spans, (one.span for one in coverage if one.state is state))) for state in State
        }
        by_state[State.NOT_PROCESSED] += total_ms(spans) - sum(by_state.values())
        found[band] = by_state
    return found
