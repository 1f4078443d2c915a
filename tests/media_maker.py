"""Small media files for tests, written with PyAV: tone bursts at known times in any container and codec."""

from __future__ import annotations

import fractions
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BURST_MS = 100
BURST_HZ = 1000


def tone_bursts(
    centres_ms: Sequence[float], duration_ms: int, rate: int, amplitude: float = 0.5
) -> NDArray[np.float32]:
    """Silence with short 1 kHz tones, each swelling and fading around its centre; shape (samples,)."""
    t_ms = np.arange(rate * duration_ms // 1000) * 1000 / rate
    samples = np.zeros(len(t_ms))
    for centre in centres_ms:
        near = np.abs(t_ms - centre) < BURST_MS / 2
        swell = np.cos(np.pi * (t_ms[near] - centre) / BURST_MS) ** 2
        samples[near] += amplitude * swell * np.sin(2 * np.pi * BURST_HZ * t_ms[near] / 1000)
    return samples.astype(np.float32)


def centre_of_sound_ms(waveform: NDArray[np.float32], from_ms: int, to_ms: int, rate: int = 16_000) -> float:
    """Where the energy between two times is centred, in ms; codecs smear a tone, but evenly."""
    part = waveform[from_ms * rate // 1000 : to_ms * rate // 1000].astype(np.float64) ** 2
    return from_ms + float(np.sum(part * np.arange(len(part))) / np.sum(part)) * 1000 / rate


@dataclass(frozen=True)
class Sound:
    """An audio stream to write.

    Attributes:
        channels: shape (channels, samples), within [-1, 1].
        lead_ms: the stream starts this late.
        gaps: (at_ms, length_ms): from `at_ms` of the sound on, everything is stamped `length_ms` later.
        bit_rate: None leaves it to the encoder.
    """

    channels: NDArray[np.float32]
    rate: int
    codec: str
    lead_ms: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    bit_rate: int | None = None


def mono(centres_ms: Sequence[float], duration_ms: int, rate: int = 48_000, codec: str = "aac", **fields: Any) -> Sound:
    """A mono `Sound` of tone bursts."""
    return Sound(tone_bursts(centres_ms, duration_ms, rate)[None], rate, codec, **fields)


def write_media(
    path: Path,
    *sounds: Sound,
    video_ms: int = 0,
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    container: str | None = None,
    cover: bool = False,
) -> Path:
    """Write a media file; the container follows from the suffix unless named.

    Args:
        video_ms: length of a small moving picture (mpeg4, 10 frames a second); 0 for none.
        options: of the muxer, e.g. `{"movflags": "faststart"}`.
        cover: add a still picture as the cover of an MP3.
    """
    with av.open(str(path), "w", format=container, options=dict(options or {})) as output:
        output.metadata.update(metadata or {})
        writers = [_sound_packets(output, sound) for sound in sounds]
        if video_ms:
            writers.append(_video_packets(output, video_ms))
        if cover:
            writers.append(_cover_packets(output))
        packets = [packet for writer in writers for packet in writer]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


@dataclass
class Track:
    """Encoded audio of a file: where its packets lie. What `damage` needs to hurt one place."""

    packets: list[tuple[float, int, int]] = field(default_factory=list)  # time in ms, position, size


def damage(path: Path, from_ms: int, to_ms: int) -> None:
    """Overwrite the audio packets that start between two times with bytes no decoder accepts."""
    track = Track()
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size and packet.pos is not None and packet.pts is not None:
                track.packets.append((float(packet.pts * packet.time_base) * 1000, packet.pos, packet.size))
    with path.open("r+b") as file:
        for time_ms, position, size in track.packets:
            if from_ms <= time_ms < to_ms:
                file.seek(position)
                file.write(b"\xff" * size)


def cut(path: Path, share: float) -> Path:
    """Keep only the first part of a file's bytes, as a copy that broke off."""
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * share)])
    return path


def audio_frame(samples: NDArray[np.float32], rate: int, pts: int | None) -> av.AudioFrame:
    """A decoded mono frame stamped in samples."""
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate = rate
    frame.time_base = fractions.Fraction(1, rate)
    frame.pts = pts
    return frame


def _sound_packets(output: Any, sound: Sound) -> Iterator[Any]:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound.channels)]
    stream = output.add_stream(sound.codec, rate=sound.rate, layout=layout)
    if sound.bit_rate:
        stream.bit_rate = sound.bit_rate

    def packets() -> Iterator[Any]:
        stream.codec_context.open()
        convert = av.AudioResampler(stream.codec_context.format.name, layout, sound.rate, stream.frame_size or 1024)
        n_samples = sound.channels.shape[1]
        for start in range(0, n_samples, 4096):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound.channels[:, start : start + 4096]), format="fltp", layout=layout
            )
            frame.sample_rate = sound.rate
            frame.time_base = fractions.Fraction(1, sound.rate)
            frame.pts = start
            for converted in convert.resample(frame):
                yield from stamped(stream.encode(converted))
        for converted in convert.resample(None):
            yield from stamped(stream.encode(converted))
        yield from stamped(stream.encode(None))

    def stamped(encoded: Sequence[Any]) -> Iterator[Any]:
        for packet in encoded:
            at_ms = packet.pts * packet.time_base * 1000
            later_ms = sound.lead_ms + sum(length for gap_ms, length in sound.gaps if at_ms >= gap_ms)
            later = round(later_ms / 1000 / packet.time_base)
            packet.pts += later
            packet.dts += later
            yield packet

    return packets()


def _video_packets(output: Any, duration_ms: int) -> Iterator[Any]:
    stream = output.add_stream("mpeg4", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"

    def packets() -> Iterator[Any]:
        noise = np.random.default_rng(0)
        for index in range(duration_ms // 100):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 256, (48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, fractions.Fraction(1, 10)
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _cover_packets(output: Any) -> Iterator[Any]:
    stream = output.add_stream("png", rate=1)
    stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
    stream.disposition = av.stream.Disposition.attached_pic

    def packets() -> Iterator[Any]:
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, fractions.Fraction(1, 1)
        yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()
