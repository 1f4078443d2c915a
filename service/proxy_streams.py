"""The streams of a playable copy: packets in, packets of the MP4 out, each at the time a player of the original shows.

Every writer is given packets in file order, and asked for the `rest` at the end. Times are shifted by the
container's start (`origin_s`), so that the copy starts at zero.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from transcribe.container import is_cover, open_container
from transcribe.media import SAMPLE_RATE, decode

VIDEO_OPTIONS = {"preset": "veryfast", "crf": "23", "bf": "0"}  # without B-frames time needs no edit list
PICTURE_TIME = Fraction(1, 90_000)
SOUND_RATE = 48_000
# Gaps and a late start become silence instead of moving what follows (https://ffmpeg.org/ffmpeg-resampler.html).
KEEP_TIME = f"{SOUND_RATE}:async=1:min_hard_comp=0.02:first_pts="
QUARTER_TURNS = {-90: ["transpose=clock"], 90: ["transpose=cclock"], 180: ["hflip", "vflip"], -180: ["hflip", "vflip"]}


class Copy:
    """A stream whose packets go on as they are, only earlier by the container's start."""

    def __init__(self, output: Any, stream: Any, origin_s: float) -> None:
        self._stream = output.add_stream_from_template(stream)
        self._origin_s = origin_s

    def packets(self, packet: Any) -> list[Any]:
        if packet.dts is None:
            return []
        shift = round(self._origin_s / packet.time_base)
        packet.dts -= shift
        packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        packet.stream = self._stream
        return [packet]

    def rest(self) -> list[Any]:
        return []


def _decoded(stream: Any, packet: Any | None) -> list[Any]:
    """Frames of a packet, or with None those still held; a damaged packet has none, as in the transcript."""
    from av.error import FFmpegError

    try:
        frames = list(packet.decode() if packet is not None else stream.codec_context.decode(None))
    except FFmpegError:
        return []
    for frame in frames:
        if frame.time_base is None:  # PyAV tells it only of frames that came out with a packet
            frame.time_base = stream.time_base
    return frames


def upright_size(source: str) -> tuple[int, int] | None:
    """Width and height, both even, of the first picture as the camera was held; None: none can be decoded."""
    with open_container(source) as opened:
        streams = [stream for stream in opened.container.streams.video if not is_cover(stream)][:1]
        for packet in opened.container.demux(streams):
            for frame in _decoded(streams[0], packet if packet.size else None):
                lying = abs(round(frame.rotation)) == 90
                width, height = (frame.height, frame.width) if lying else (frame.width, frame.height)
                return width // 2 * 2, height // 2 * 2  # yuv420p halves both
    return None


class Picture:
    """A video stream made anew: H.264 of the size given, upright, each picture at its own time."""

    def __init__(self, output: Any, stream: Any, origin_s: float, size: tuple[int, int]) -> None:
        self._input, self._origin_s, self._size = stream, origin_s, size
        self._output = output.add_stream("libx264", rate=stream.average_rate or 30, options=VIDEO_OPTIONS)
        context = self._output.codec_context
        context.width, context.height = size
        context.pix_fmt, context.time_base = "yuv420p", PICTURE_TIME
        self._last = -1
        self._graph: Any = None
        self._graph_key: tuple[Any, ...] = ()

    def packets(self, packet: Any) -> list[Any]:
        return self._encoded(_decoded(self._input, packet))

    def rest(self) -> list[Any]:
        return [*self._encoded(_decoded(self._input, None)), *self._output.encode(None)]

    def _encoded(self, frames: list[Any]) -> list[Any]:
        packets: list[Any] = []
        for frame in frames:
            if frame.pts is None:
                continue
            at = round((float(frame.pts * frame.time_base) - self._origin_s) / PICTURE_TIME)
            if at <= self._last:  # a copy of a moment that was shown, or from before the start
                continue
            self._last = at
            upright = self._upright(frame)
            upright.pts, upright.time_base = at, PICTURE_TIME
            upright.pict_type = 0  # the encoder chooses its own key frames
            packets += self._output.encode(upright)
        return packets

    def _upright(self, frame: Any) -> Any:
        import av

        turns = QUARTER_TURNS.get(round(frame.rotation), [])
        key = (frame.width, frame.height, frame.format.name, *turns)
        if key != self._graph_key:
            self._graph, self._graph_key = av.filter.Graph(), key
            buffer = self._graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            names = [*turns, f"scale={self._size[0]}:{self._size[1]}", "format=yuv420p"]
            filters = [self._graph.add(*name.split("=", 1)) for name in names]
            self._graph.link_nodes(buffer, *filters, self._graph.add("buffersink")).configure()
        self._graph.vpush(frame)
        return self._graph.vpull()


class Sound:
    """An audio stream made anew: AAC, stereo, gaps filled with silence."""

    def __init__(self, output: Any, stream: Any, origin_s: float) -> None:
        self._input, self._origin_s = stream, origin_s
        self._output = output.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        self._graph: Any = None
        self._graph_key: tuple[Any, ...] = ()
        self._n_samples = 0

    def packets(self, packet: Any) -> list[Any]:
        return self._encoded(_decoded(self._input, packet))

    def rest(self) -> list[Any]:
        packets = self._encoded(_decoded(self._input, None))
        if self._graph is None:  # nothing could be decoded: an empty stream
            return packets
        self._graph.push(None)
        return [*packets, *self._pulled(), *self._output.encode(None)]

    def _encoded(self, frames: list[Any]) -> list[Any]:
        packets: list[Any] = []
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._origin_s / frame.time_base)
            packets += self._build(frame)
            self._graph.push(frame)
            packets += self._pulled()
        return packets

    def _build(self, frame: Any) -> list[Any]:
        """A filter graph for frames like this one; returns what the one before still held."""
        import av

        key = (frame.sample_rate, frame.format.name, frame.layout.name)
        if key == self._graph_key:
            return []
        held: list[Any] = []
        if self._graph is not None:
            self._graph.push(None)
            held = self._pulled()
        self._graph, self._graph_key = av.filter.Graph(), key
        buffer = self._graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=frame.time_base
        )
        resample = self._graph.add("aresample", f"{KEEP_TIME}{self._n_samples}")
        form = self._graph.add("aformat", "sample_fmts=fltp:channel_layouts=stereo")
        self._graph.link_nodes(buffer, resample, form, self._graph.add("abuffersink")).configure()
        return held

    def _pulled(self) -> list[Any]:
        from av.error import BlockingIOError, EOFError

        packets: list[Any] = []
        while True:
            try:
                frame = self._graph.pull()
            except (BlockingIOError, EOFError):
                return packets
            frame.pts, frame.time_base = self._n_samples, Fraction(1, SOUND_RATE)
            self._n_samples += frame.samples
            packets += self._output.encode(frame)


class Mix:
    """All audio streams as one, exactly as the transcript heard them."""

    def __init__(self, output: Any, source: str, origin_s: float) -> None:
        self._waveform, self._origin_s = decode(source).waveform, origin_s
        self._output = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._n_samples = 0

    def until(self, time_s: float) -> list[Any]:
        """Sound up to a time of the container."""
        return self._encoded(round((time_s - self._origin_s) * SAMPLE_RATE))

    def rest(self) -> list[Any]:
        return [*self._encoded(len(self._waveform)), *self._output.encode(None)]

    def _encoded(self, end: int) -> list[Any]:
        import av

        packets: list[Any] = []
        while self._n_samples < min(end, len(self._waveform)):
            samples = self._waveform[self._n_samples : min(end, self._n_samples + SAMPLE_RATE)]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._n_samples, Fraction(1, SAMPLE_RATE)
            self._n_samples += len(samples)
            packets += self._output.encode(frame)
        return packets
