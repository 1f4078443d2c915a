"""Playable copies: an MP4 of what a browser cannot play, on the time of the original.

Streams that fit are copied as they are; others become H.264 and AAC. Several audio streams become one, as the
transcript hears them. Time is the packets' time minus the container's start, as `transcribe.media` has it, so a
hit plays at its moment.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from service.errors import MediaChanged, ProxyRefused
from service.original import media_type
from service.proxy_streams import Copy, Mix, Picture, Sound, upright_size
from transcribe.container import is_cover, open_container
from transcribe.transcript import MediaFacts, RecordingId

MUXER_OPTIONS = {"movflags": "+faststart"}  # the index first: a player starts before it has the whole file

# What Chromium and Firefox play: https://developer.mozilla.org/docs/Web/Media/Guides/Formats/Containers
_PICTURES = {"mp4": {"h264", "av1", "vp9"}, "webm": {"vp8", "vp9", "av1"}}
_SOUNDS = {
    "mp4": {"aac", "mp3", "opus", "flac"},
    "webm": {"opus", "vorbis"},
    "ogg": {"opus", "vorbis", "flac"},
    "mp3": {"mp3"},
    "wav": {"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"},
    "flac": {"flac"},
}
_TIMED = ("mov,", "matroska,", "mpegts", "flv")  # containers that state the time of every packet


class Kind(StrEnum):
    """What a browser is given: the file itself, its streams in another container, or streams made anew."""

    ORIGINAL = "original"
    REMUX = "remux"
    TRANSCODE = "transcode"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recording becomes playable."""

    kind: Kind
    media_type: str
    copy_video: bool = False
    copy_audio: bool = False


def plan(media: MediaFacts, name: str) -> Plan:
    """Told from what was seen in the file when it was heard.

    A browser plays only the first of several audio streams; a hit may be in another, so they are mixed.
    """
    container = _browser_container(media.container, name)
    one_each = len(media.video_codecs) <= 1 and len(media.audio_codecs) <= 1
    fits = set(media.video_codecs) <= _PICTURES.get(container, set()) and set(media.audio_codecs) <= _SOUNDS.get(
        container, set()
    )
    if fits and one_each:
        return Plan(Kind.ORIGINAL, media_type(media, name))
    timed = media.container.startswith(_TIMED)
    copy_video = not media.video_codecs or (timed and media.video_codecs[0] in _PICTURES["mp4"])
    copy_audio = len(media.audio_codecs) <= 1 and set(media.audio_codecs) <= _SOUNDS["mp4"]
    kind = Kind.REMUX if copy_video and copy_audio else Kind.TRANSCODE
    return Plan(kind, "video/mp4" if media.video_codecs else "audio/mp4", copy_video, copy_audio)


def make_proxy(recording_id: RecordingId, source: str, target: Path, plan: Plan, ended: threading.Event) -> None:
    """Write the MP4; `target` is worth nothing when this raises.

    Raises:
        MediaMissing, MediaForbidden, MediaUnreadable: of the source.
        MediaChanged: the source's bytes are not the recording's.
        ProxyRefused: the copy cannot be written, or `ended` was set.
    """
    with open_container(source) as opened:
        with _Writing(source, target, plan, opened.container) as writing:
            for packet in _packets(opened.container, writing.streams):
                if ended.is_set():
                    raise ProxyRefused(source, "the service stops")
                writing.add(packet)
            writing.finish()
        opened.reader.check()
        if opened.reader.digest()[0] != recording_id:
            raise MediaChanged(source)


def _browser_container(container: str, name: str) -> str:
    if container.startswith("mov,"):
        return "mp4"
    if container.startswith("matroska,"):
        return "webm" if PurePosixPath(name).suffix.lower() == ".webm" else ""
    return container


def _packets(container: Any, streams: list[Any]) -> Any:
    """Packets in file order; what cannot be demuxed ends them, as it ends the transcript."""
    from av.error import FFmpegError

    try:
        for packet in container.demux(streams):
            if packet.size:
                yield packet
    except FFmpegError:
        return


class _Writing:
    """One MP4 being written."""

    def __init__(self, source: str, target: Path, plan: Plan, container: Any) -> None:
        import av

        self._source = source
        self._origin_s = max(0.0, (container.start_time or 0) * 1e-6)
        video = [stream for stream in container.streams.video if not is_cover(stream)][:1]
        audio = [stream for stream in container.streams.audio if stream.codec_context]
        self.streams = [*video, *audio]
        self._output = av.open(str(target), "w", format="mp4", options=MUXER_OPTIONS)
        self._writers: dict[int, Copy | Picture | Sound] = {}
        for stream in video:
            if plan.copy_video:
                self._writers[stream.index] = Copy(self._output, stream, self._origin_s)
            elif (size := upright_size(source)) is not None:
                stream.thread_type = "AUTO"
                self._writers[stream.index] = Picture(self._output, stream, self._origin_s, size)
        self._mix = Mix(self._output, source, self._origin_s) if len(audio) > 1 else None
        for stream in audio[:1] if self._mix is None else []:
            self._writers[stream.index] = (Copy if plan.copy_audio else Sound)(self._output, stream, self._origin_s)

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, *_exc: object) -> None:
        from av.error import FFmpegError

        try:
            self._output.close()
        except (FFmpegError, OSError) as error:
            raise ProxyRefused(self._source, f"it cannot be finished ({error.strerror})") from error

    def add(self, packet: Any) -> None:
        if self._mix and packet.dts is not None:
            self._mux(self._mix.until(float(packet.dts * packet.time_base)))
        writer = self._writers.get(packet.stream_index)
        if writer:
            self._mux(writer.packets(packet))

    def finish(self) -> None:
        """What decoders and encoders still hold."""
        for writer in self._writers.values():
            self._mux(writer.rest())
        if self._mix:
            self._mux(self._mix.rest())

    def _mux(self, packets: list[Any]) -> None:
        from av.error import FFmpegError

        try:
            self._output.mux(packets)
        except (FFmpegError, OSError) as error:
            raise ProxyRefused(self._source, f"it cannot be written ({error.strerror})") from error
