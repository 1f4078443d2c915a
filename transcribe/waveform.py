"""Sound on its way from decoded frames to one waveform: every channel at its own time, then mixed.

Each channel goes to an unlinked temporary file as 16 kHz float32, so memory does not grow with the recording
and the mix can be decided when all has been heard: a channel that stays digitally silent throughout
(an unplugged microphone) must not halve the others.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from transcribe.spans import Span
from transcribe.speech import SILENCE_DBFS

SAMPLE_RATE = 16_000
SAMPLES_PER_MS = SAMPLE_RATE // 1000
LEVEL_FRAME_MS = 100
FLOOR_DBFS = -120.0  # what a level shows for exact zeros

JITTER_MS = 40  # timestamps this far from the sample count are rounding and packet jitter: counting is steadier
LOSS_JITTER_MS = 5  # after a packet that could not be decoded the timestamps are the better witness
NOTED_GAP_MS = 200  # shorter gaps are filled, too, but are no news
BACKWARD_LIMIT_S = 10.0  # a clock going back further was set, not late
FORWARD_SLACK_S = 60.0  # a clock going further than the recording's end and this was set, too
UNSTATED_DURATION_S = 86_400.0  # the end we assume for that when the container does not state one

_BLOCK = 60 * SAMPLE_RATE  # mixing and levels: one minute at a time
_LEVEL_FRAME = LEVEL_FRAME_MS * SAMPLES_PER_MS


class Spool:
    """One channel on disk. Samples never written are zero and take no room where files can be sparse."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="earwitness-")  # noqa: SIM115 - lives as long as the map

    def write(self, position: int, samples: NDArray[np.float32]) -> None:
        self._file.seek(4 * position)
        self._file.write(samples.astype("<f4", copy=False).tobytes())

    def read(self, position: int, n_samples: int) -> NDArray[np.float32]:
        """A copy; shorter where the file ends, so `pad` first."""
        self._file.seek(4 * position)
        return np.frombuffer(self._file.read(4 * n_samples), "<f4")

    def pad(self, n_samples: int) -> None:
        """Let zeros follow what was written, up to `n_samples`."""
        self._file.truncate(4 * n_samples)

    def mapped(self) -> NDArray[np.float32]:
        """All samples as a read-only array on the file, which outlives this object."""
        self._file.flush()
        n_samples = self._file.seek(0, io.SEEK_END) // 4
        if n_samples == 0:  # nothing cannot be mapped
            nothing = np.zeros(0, np.float32)
            nothing.flags.writeable = False
            return nothing
        return np.memmap(self._file, np.float32, "r", shape=(n_samples,))


class Timeline:
    """One audio stream placed on recording time.

    Frames come in decoding order. The samples are counted; a frame's timestamp is obeyed when it differs from the
    count by more than `JITTER_MS`: a gap is filled with silence, samples heard twice are dropped, and a
    jump no recording can make (the camera's clock was set) is ignored.

    Attributes:
        origin_s: the stream's time at the start of the recording; to be settled before the first frame.
        spools: one per channel heard so far.
        n_samples: end of what was decoded, counted from the start of the recording.
        damaged: stretches longer than `NOTED_GAP_MS` that gave no samples because of damage; sorted.
        notes: what a reader of the transcript should know, in order.
    """

    def __init__(self, origin_s: float, duration_s: float | None, name: str = "audio") -> None:
        self.spools: list[Spool] = []
        self.n_samples = 0
        self.damaged: list[Span] = []
        self.notes: list[str] = []
        self._name = name
        self.origin_s = origin_s
        self._end_s = UNSTATED_DURATION_S if duration_s is None else duration_s
        self._resampler: Any = None
        self._form: tuple[str, str, int] | None = None
        self._clock_s = 0.0  # when the next sample is due
        self._skip = 0  # samples of this stretch that repeat what is there already
        self._started = False
        self._n_lost = 0
        self._lost_until_s: float | None = None  # set between a lost packet and the next frame

    def add(self, frame: Any) -> None:
        """Place a decoded frame (av.AudioFrame)."""
        if not frame.samples or not frame.sample_rate:
            return
        time_s = self._clock_s if frame.pts is None else float(frame.pts * frame.time_base) - self.origin_s
        drift_s = time_s - self._clock_s
        if drift_s > max(0.0, self._end_s - self._clock_s) + FORWARD_SLACK_S or drift_s < -BACKWARD_LIMIT_S:
            self.notes.append(
                f"{self._name} clock jumps by {drift_s:.1f} s at {self._clock_s:.1f} s; the jump is ignored"
            )
            self.origin_s += drift_s
            time_s, drift_s = self._clock_s, 0.0
        tolerance_ms = JITTER_MS if self._lost_until_s is None else LOSS_JITTER_MS
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if not self._started or abs(drift_s) * 1000 > tolerance_ms:
            self._restart(time_s)
        elif form != self._form:
            self._restart(self._clock_s)
        self._form = form
        self._started = True
        self._lost_until_s = None
        self._write(self._resample(frame))
        self._clock_s += frame.samples / frame.sample_rate

    def lose(self, end_s: float | None) -> None:
        """Note a packet that could not be decoded, and the stream time it would have lasted until, if known."""
        self._n_lost += 1
        until_s = self._clock_s if end_s is None else end_s - self.origin_s
        self._lost_until_s = max(until_s, self._lost_until_s or 0.0)

    def all_spools(self, n_channels: int) -> list[Spool]:
        """One spool per channel, at least `n_channels`: those announced but never heard are silent."""
        while len(self.spools) < n_channels:
            self.spools.append(Spool())
        return self.spools

    def finish(self) -> None:
        """Write what the resampler still holds; nothing may be added afterwards."""
        self._drain()
        if self._lost_until_s is not None:
            self._note_gap(self.n_samples, round(self._lost_until_s * SAMPLE_RATE))
        if self._n_lost:
            self.notes.append(f"{self._name}: {self._n_lost} damaged packets could not be decoded")

    def _restart(self, time_s: float) -> None:
        """Begin a new stretch at `time_s`, after a gap or inside what was heard already."""
        self._drain()
        start = round(time_s * SAMPLE_RATE)
        if start > self.n_samples:
            self._note_gap(self.n_samples, start)
        elif self._started and self.n_samples - start > NOTED_GAP_MS * SAMPLES_PER_MS:
            back_ms = (self.n_samples - start) // SAMPLES_PER_MS
            self.notes.append(f"{self._name} goes back {back_ms} ms at {_s(self.n_samples)}; what repeats is dropped")
        self._skip = max(0, self.n_samples - start)
        self.n_samples = max(self.n_samples, start)
        self._clock_s = time_s

    def _note_gap(self, start: int, end: int) -> None:
        gap_ms = (end - start) // SAMPLES_PER_MS
        if gap_ms <= NOTED_GAP_MS:
            return
        if self._lost_until_s is not None:
            self.damaged.append(Span(start // SAMPLES_PER_MS, end // SAMPLES_PER_MS))
            self.notes.append(f"{self._name} is damaged from {_s(start)} to {_s(end)}")
        elif self._started:
            self.notes.append(f"{self._name} gap of {gap_ms} ms at {_s(start)} filled with silence")
        else:
            self.notes.append(f"{self._name} starts {gap_ms} ms after the recording; silence before it")

    def _resample(self, frame: Any) -> list[NDArray[np.float32]]:
        """What the resampler gives for a frame, or at the end of a stretch (None), as (channels, samples)."""
        if self._resampler is None:
            from av.audio.resampler import AudioResampler

            # Its delay is compensated by itself; blocks of a second spare a call into FFmpeg per frame.
            # Interleaved: PyAV 18.1 crashes the process on planar frames of more than eight channels.
            self._resampler = AudioResampler(format="flt", rate=SAMPLE_RATE, frame_size=SAMPLE_RATE)
        blocks = self._resampler.resample(frame)
        return [block.to_ndarray().reshape(block.samples, -1).T for block in blocks]

    def _drain(self) -> None:
        if self._resampler is None:
            return
        # The filter rounds up: cut at the sample where the stretch ends by its own count.
        end = round(self._clock_s * SAMPLE_RATE)
        self._write(self._resample(None), end)
        self.n_samples = max(self.n_samples, end)
        self._resampler = None

    def _write(self, blocks: Sequence[NDArray[np.float32]], end: int | None = None) -> None:
        for block in blocks:
            skipped = min(self._skip, block.shape[1])
            self._skip -= skipped
            block = block[:, skipped:] if end is None else block[:, skipped : skipped + max(0, end - self.n_samples)]
            block = np.clip(np.nan_to_num(block), -1.0, 1.0)
            for spool, channel in zip(self.all_spools(len(block)), block, strict=False):
                spool.write(self.n_samples, channel)
            self.n_samples += block.shape[1]


def mix(channels: Sequence[Spool], n_samples: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The mean of the channels that are not digitally silent throughout (of all, when all are), and the levels.

    Returns:
        the mono waveform, `n_samples` long, on the file of one of the channels: mix once;
        levels in dBFS (RMS), one row per channel, one column per `LEVEL_FRAME_MS`, the last one perhaps shorter.
    """
    n_frames = math.ceil(n_samples / _LEVEL_FRAME)
    if not channels or n_samples == 0:
        return Spool().mapped(), np.full((len(channels), n_frames), FLOOR_DBFS, np.float32)
    for spool in channels:
        spool.pad(n_samples)
    # Read, not mapped: what was touched of a map would count as this process's memory until it is unmapped.
    levels = np.stack([_levels(spool, n_samples) for spool in channels])
    heard = [spool for spool, level in zip(channels, levels, strict=True) if level.max() > SILENCE_DBFS] or channels
    if len(heard) > 1:
        for start in range(0, n_samples, _BLOCK):
            blocks = [spool.read(start, min(_BLOCK, n_samples - start)) for spool in heard]
            mean: NDArray[np.float32] = np.stack(blocks).mean(axis=0, dtype=np.float32)
            heard[0].write(start, mean)
    return heard[0].mapped(), levels


def is_silent(levels: NDArray[np.float32]) -> bool:
    """True when no level frame of these channels is above digital silence; also for no frames at all."""
    return bool(np.all(levels <= SILENCE_DBFS))


def _levels(spool: Spool, n_samples: int) -> NDArray[np.float32]:
    powers: list[NDArray[np.float64]] = []
    for start in range(0, n_samples, _BLOCK):
        square = spool.read(start, min(_BLOCK, n_samples - start)).astype(np.float64) ** 2
        edges = np.arange(0, len(square), _LEVEL_FRAME)
        lengths = np.diff(np.append(edges, len(square)))
        powers.append(np.add.reduceat(square, edges) / lengths)
    power = np.maximum(np.concatenate(powers), 10 ** (FLOOR_DBFS / 10))
    return (10 * np.log10(power)).astype(np.float32)


def _s(n_samples: int) -> str:
    return f"{n_samples / SAMPLE_RATE:.1f} s"
