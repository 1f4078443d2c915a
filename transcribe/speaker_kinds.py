"""Speaker kinds: who of the people heard likely wears the camera, and who is heard through a radio.

Nobody is recognised; what counts is how a voice arrives. The wearer stands closest to the microphone, so is the
loudest of those in the room, on a camera with several microphones on the one they are loudest on. A radio passes 300 to
3400 Hz: its voice lacks the deepest and the highest part of a voice. Both are compared within one recording, and who
cannot be told from the others stays without a kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transcribe.spans import Span, intersect, merge, subtract
from transcribe.speech import SAMPLES_PER_MS, SILENCE_DBFS, Waveform, let_go
from transcribe.transcript import Kind, SpeakerKind, Turn
from transcribe.waveform import LEVEL_FRAME_MS

FRAME_MS = 32  # 31 Hz between the lines of its spectrum
BLOCK_FRAMES = 2_000  # about a minute of waveform at a time
BANDS_HZ = ((80, 7_500), (80, 250), (500, 3_000), (4_000, 7_500))
VOICE, BELOW, WITHIN, ABOVE = range(4)  # all of a voice; what a radio cuts below, passes, cuts above

MIN_SPAN_MS = 400  # shorter is a word or an error of the diarizer
MIN_ALONE_MS = 2_000  # of such spans; from less, no level is worth a comparison
MIN_QUIET_MS = 1_000  # without speech, to know the noise by; without it the quietest tenth of the frames must do
FAINTEST = 0.1  # of the noise's power: a voice fainter than that cannot be told from no voice at all
MAX_LACK_DB = 20.0  # that a band counts for; what lies deeper is decided by the noise
PARTS = 10  # of the time between the first and the last speech, in which the wearer is looked for


@dataclass(frozen=True, slots=True)
class KindOptions:
    """When a speaker is of a kind.

    level_spread_db: standard deviation of how loud people speak who stand equally close. The loudest then is the
        closest with the probability of the normal distribution below the margin over sqrt(2) times this.
    min_presence: share of the parts of the recording the wearer speaks in.
    radio_lack_db: how much fainter a voice is below and above a radio's band than within, added, where both are
        equally likely; radio_slope_db: of the logistic around it.
    min_confidence: from which a kind is given.
    """

    # The ten recordings of the development corpus, with their true turns: the wearer is 2.9 to 5.6 dB above everybody
    # else in the room and heard in 7 to 10 parts of ten; radio lacks 30.4 to 36.2 dB, others 23.7 dB at most.
    # With the radio's threshold from any nine of them, the tenth is marked the same.
    level_spread_db: float = 2.5
    min_presence: float = 0.3
    radio_lack_db: float = 27.0
    radio_slope_db: float = 1.5
    min_confidence: float = 0.7


def speaker_kinds(
    waveform: Waveform,
    channel_levels: NDArray[np.float32],
    turns: Sequence[Turn],
    options: KindOptions = KindOptions(),
) -> list[SpeakerKind]:
    """Say of each speaker what kind they are, where that is likely enough.

    Args:
        waveform: of the whole recording; read a minute at a time.
        channel_levels: dBFS, (channels, frames of `LEVEL_FRAME_MS`).
        turns: any order; may overlap.

    Returns:
        One per speaker, in order of first speech. At most one is the wearer: of several in the room, for who is
        compared with nobody may stand anywhere. Nobody is on the radio unless somebody else surely is not: where all
        sound so, the recording does.
    """
    alone = _alone(turns)
    powers = _band_powers(waveform)
    noise = _noise(powers, [turn.span for turn in turns])
    heard = {
        speaker: voice
        for speaker, spans in alone.items()
        if (voice := _voice(powers, noise, channel_levels, spans)) is not None
    }
    radio = _on_radio(heard, options)
    in_room = {speaker: voice for speaker, voice in heard.items() if radio.get(speaker, 0) < options.min_confidence}
    wearer, closest = _closest(in_room, options)
    kinds = []
    for speaker in alone:
        if heard.get(speaker) and speaker not in in_room:
            kinds.append(SpeakerKind(speaker, Kind.RADIO, round(radio[speaker], 2)))
        elif speaker == wearer and _presence(speaker, turns) >= options.min_presence:
            kinds.append(SpeakerKind(speaker, Kind.WEARER, round(closest, 2)))
        else:
            kinds.append(SpeakerKind(speaker))
    return kinds


@dataclass(frozen=True, slots=True)
class _Voice:
    """How a speaker arrives: the level above the noise, and what a radio would take away."""

    level_db: float
    lack_db: float


def _on_radio(heard: dict[str, _Voice], options: KindOptions) -> dict[str, float]:
    """How likely each is heard through a radio; nobody, unless somebody likely is not."""
    radio = {
        speaker: 1 / (1 + math.exp((options.radio_lack_db - voice.lack_db) / options.radio_slope_db))
        for speaker, voice in heard.items()
    }
    return radio if any(likely <= 1 - options.min_confidence for likely in radio.values()) else {}


def _closest(in_room: dict[str, _Voice], options: KindOptions) -> tuple[str | None, float]:
    """Who is likely enough the closest, and how likely that is; None: nobody, or there is nobody to compare with."""
    ranked = sorted(in_room, key=lambda speaker: -in_room[speaker].level_db)
    if len(ranked) < 2:
        return None, 0.0
    margin_db = in_room[ranked[0]].level_db - in_room[ranked[1]].level_db
    likely = (1 + math.erf(margin_db / (2 * options.level_spread_db))) / 2
    return (ranked[0] if likely >= options.min_confidence else None), likely


def _presence(speaker: str, turns: Sequence[Turn]) -> float:
    """Share of the parts of the time between the first and the last speech in which a speaker is heard."""
    start_ms, end_ms = min(turn.start_ms for turn in turns), max(turn.end_ms for turn in turns)
    part_ms = max(1, -(-(end_ms - start_ms) // PARTS))
    parts: set[int] = set()
    for turn in turns:
        if turn.speaker == speaker:
            parts.update(range((turn.start_ms - start_ms) // part_ms, (turn.end_ms - 1 - start_ms) // part_ms + 1))
    return len(parts) / PARTS


def _alone(turns: Sequence[Turn]) -> dict[str, list[Span]]:
    """Where each speaker speaks and nobody else does; speakers in order of first speech."""
    held: dict[str, list[Span]] = {}
    for turn in sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker)):
        held.setdefault(turn.speaker, []).append(turn.span)
    spoken: list[Span] = []
    shared: list[Span] = []
    for spans in held.values():
        shared += intersect(spoken, spans)
        spoken = merge([*spoken, *spans])
    return {speaker: subtract(spans, shared) for speaker, spans in held.items()}


def _band_powers(waveform: Waveform) -> NDArray[np.float32]:
    """Mean power of each frame in `BANDS_HZ`, (frames, bands); 1 is the square of full scale."""
    size = FRAME_MS * SAMPLES_PER_MS
    n_frames = len(waveform) // size
    window = np.hanning(size).astype(np.float32)
    scale = np.float32(2 / (size * np.sum(window**2)))
    lines = [slice(*(round(hz * FRAME_MS / 1000) for hz in band)) for band in BANDS_HZ]
    powers = np.zeros((n_frames, len(BANDS_HZ)), np.float32)
    for first in range(0, n_frames, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, n_frames)
        frames = np.asarray(waveform[first * size : last * size]).reshape(-1, size) * window
        spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2 * scale
        powers[first:last] = np.stack([spectrum[:, line].sum(axis=1) for line in lines], axis=1)
        let_go(waveform)
    return powers


def _noise(powers: NDArray[np.float32], spoken: Sequence[Span]) -> NDArray[np.float32]:
    """Power of the noise in each band: what is usual where nobody speaks. Digital silence says nothing about it."""
    audible = powers[:, VOICE] > 10 ** (SILENCE_DBFS / 10)
    quiet = audible.copy()
    for span in merge(spoken):
        quiet[span.start_ms // FRAME_MS : -(-span.end_ms // FRAME_MS)] = False
    if quiet.sum() * FRAME_MS >= MIN_QUIET_MS:
        return np.asarray(np.median(powers[quiet], axis=0), np.float32)
    if audible.any():
        return np.asarray(np.quantile(powers[audible], 0.1, axis=0), np.float32)
    return np.zeros(len(BANDS_HZ), np.float32)


def _voice(
    powers: NDArray[np.float32],
    noise: NDArray[np.float32],
    channel_levels: NDArray[np.float32],
    spans: Sequence[Span],
) -> _Voice | None:
    """How a speaker arrives in half of their time at least, so that some turns may be another's; None: too little."""
    levels, lacks, lengths = [], [], []
    for span in spans:
        own = powers[span.start_ms // FRAME_MS : span.end_ms // FRAME_MS]
        if span.duration_ms < MIN_SPAN_MS or len(own) == 0:
            continue
        faintest = np.maximum(FAINTEST * noise, 10 ** (SILENCE_DBFS / 10) / 10)
        band_db = 10 * np.log10(np.maximum(own.mean(axis=0) - noise, faintest))
        levels.append(float(band_db[VOICE]) + _on_loudest_channel_db(channel_levels, span))
        lacks.append(float(sum(min(MAX_LACK_DB, band_db[WITHIN] - band_db[band]) for band in (BELOW, ABOVE))))
        lengths.append(span.duration_ms)
    if sum(lengths) < MIN_ALONE_MS:
        return None
    return _Voice(_usual(levels, lengths), _usual(lacks, lengths))


def _on_loudest_channel_db(channel_levels: NDArray[np.float32], span: Span) -> float:
    """How much louder a span is on its loudest channel than on the mean of all; 0 with one channel."""
    levels = channel_levels[:, span.start_ms // LEVEL_FRAME_MS : -(-span.end_ms // LEVEL_FRAME_MS)]
    if len(levels) < 2 or levels.shape[1] == 0:
        return 0.0
    power = np.mean(10 ** (levels.astype(np.float64) / 10), axis=1)
    return float(10 * np.log10(power.max() / power.mean()))


def _usual(values: Sequence[float], weights: Sequence[int]) -> float:
    """The weighted median."""
    order = np.argsort(values)
    reached = np.cumsum(np.asarray(weights)[order])
    return values[int(order[np.searchsorted(reached, reached[-1] / 2)])]
