"""A media file as something to hear: one waveform on the time a player shows, its facts, and its SHA-256.

Whatever FFmpeg reads, through PyAV. Time is the audio frames' timestamps minus the container's start, as a player
does it, so a late microphone, lost packets and encoder delay do not shift a word. All audio streams are heard and
mixed (`transcribe.waveform.mix`); video is never decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcribe.container import (
    Opened,
    Probe,
    StreamFacts,
    codec_name,
    created_at,
    is_cover,
    n_channels,
    open_container,
    probe,
    to_ms,
)
from transcribe.errors import MediaUnreadable
from transcribe.spans import Span, intersect, merge
from transcribe.transcript import MediaFacts, RecordingId
from transcribe.waveform import LEVEL_FRAME_MS, SAMPLE_RATE, SAMPLES_PER_MS, Spool, Timeline, is_silent, mix

__all__ = ["LEVEL_FRAME_MS", "SAMPLE_RATE", "Audio", "Probe", "StreamFacts", "decode", "dominant_channel", "probe"]

DOMINANT_DB = 3.0  # twice the power of any other channel
EARLY_END_MS = 500  # a stream ending this much before the stated end is no rounding or padding
MAX_NOTES = 40  # a badly damaged file would fill a page
MAX_DEMUX_ERRORS = 100  # in a row, without one packet: nothing more will come

# Their headers state a length; elsewhere FFmpeg estimates it from the bit rate or the last timestamp.
_STATING = {"mov", "matroska", "webm", "wav", "w64", "flac", "avi", "asf", "flv", "aiff", "caf", "mxf"}
_PICTURES = {"image2", "gif", "apng", "ico", "tty", "bin", "xbin", "adf", "idf"}  # and every "…_pipe"


@dataclass(frozen=True, slots=True)
class Audio:
    """What can be heard in one recording.

    Attributes:
        recording_id: SHA-256 of the file's bytes.
        waveform: mono, 16 kHz, within [-1, 1]; sample n is heard at n/16 ms of recording time. A read-only
            map of an unlinked temporary file. Ends with the decoded audio, so it may be shorter than the recording;
            empty without audio.
        channel_levels: dBFS (RMS) of shape (channels, frames of `LEVEL_FRAME_MS`), for every channel of every
            audio stream in order, -120 where there is nothing; (0, 0) without audio.
        not_processed: parts of [0, duration_ms) no heard stream could be decoded in, by damage or an early end; sorted.
        size_bytes: of the file.
    """

    recording_id: RecordingId
    media: MediaFacts
    waveform: NDArray[np.float32]
    channel_levels: NDArray[np.float32]
    not_processed: tuple[Span, ...]
    size_bytes: int


def decode(source: str) -> Audio:
    """Hear a recording.

    Args:
        source: local path or any fsspec URL.

    A file without an audio stream is a recording: empty waveform, a note. Packets that cannot be decoded are skipped
    and noted. Reads the file once in order, and again from where the decoder stopped reading in order.

    Raises:
        MediaMissing, MediaForbidden: as they say.
        MediaUnreadable: empty, a folder, not media, a still picture, subtitles only, or the store failed.
    """
    with open_container(source) as opened:
        footage = _Footage(source, opened)
        footage.hear()
        opened.reader.check()
        return footage.audio(*opened.reader.digest())


def dominant_channel(audio: Audio, span: Span) -> int | None:
    """The channel with at least `DOMINANT_DB` more mean power over the span than every other.

    None when there is no such channel, there are fewer than two, or nothing was decoded in the span.
    """
    frames = slice(span.start_ms // LEVEL_FRAME_MS, math.ceil(span.end_ms / LEVEL_FRAME_MS))
    levels = audio.channel_levels[:, frames]
    if len(levels) < 2 or levels.shape[1] == 0:
        return None
    level = 10 * np.log10(np.mean(10 ** (levels.astype(np.float64) / 10), axis=1))
    second, first = np.argsort(level)[-2:]
    return int(first) if level[first] - level[second] >= DOMINANT_DB else None


class _Footage:
    """One pass over an opened container, and what was learned in it."""

    def __init__(self, source: str, opened: Opened) -> None:
        self._container = container = opened.container
        self._claim = opened.claim
        self._formats = set(container.format.name.split(","))
        self._audio = list(container.streams.audio)
        self._video = [s for s in container.streams.video if not is_cover(s)]
        picture = container.format.name.endswith("_pipe") or self._formats & _PICTURES
        if not self._audio and (picture or not self._video):
            raise MediaUnreadable(source, f"it holds neither audio nor video (FFmpeg sees {container.format.name})")
        # Opus and AAC in Matroska begin below zero with what the decoder throws away; players show it from zero.
        origin_s = max(0.0, (container.start_time or 0) * 1e-6)
        self._duration_ms = None if opened.cut_off else to_ms(container.duration, 1e-6)
        limit_s = None if self._duration_ms is None else self._duration_ms / 1000
        names = ["audio"] if len(self._audio) == 1 else [f"audio stream {i + 1}" for i in range(len(self._audio))]
        self._timelines = {
            s.index: Timeline(origin_s, limit_s, name) for s, name in zip(self._audio, names, strict=True)
        }
        self._origin_s = origin_s
        self._origin_settled = False
        self._ends_s: dict[int, float] = {}  # by stream: where its last packet ends, in the container's time
        self._broke_off = opened.cut_off

    def hear(self) -> None:
        """Demux to the end, decode the audio."""
        from av.error import FFmpegError

        for packet in self._packets():
            end_s = None
            if packet.pts is not None:
                end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._ends_s[packet.stream_index] = max(end_s, self._ends_s.get(packet.stream_index, end_s))
            timeline = self._timelines.get(packet.stream_index)
            if timeline is None:
                continue
            try:
                frames = packet.decode() if packet.stream.codec_context else None
            except FFmpegError:
                frames = None
            if frames is None:
                timeline.lose(end_s)
                continue
            for frame in frames:
                self._settle_origin(frame)
                timeline.add(frame)
        for stream in self._audio:
            self._flush(stream)

    def _settle_origin(self, first_frame: Any) -> None:
        """Let the recording start no later than its first sound.

        FFmpeg states too late a start for Opus announced at a rate other than 48 kHz (it converts the decoder's
        delay with the wrong one); sound must not be cut off for that.
        """
        if self._origin_settled:
            return
        self._origin_settled = True
        if first_frame.pts is not None:
            self._origin_s = min(self._origin_s, max(0.0, float(first_frame.pts * first_frame.time_base)))
            for timeline in self._timelines.values():
                timeline.origin_s = self._origin_s

    def audio(self, recording_id: RecordingId, size_bytes: int) -> Audio:
        timelines = [self._timelines[stream.index] for stream in self._audio]
        n_samples = max((timeline.n_samples for timeline in timelines), default=0)
        heard_ms = math.ceil(n_samples / SAMPLES_PER_MS)
        last_ms = math.ceil(max((end - self._origin_s) * 1000 for end in self._ends_s.values())) if self._ends_s else 0
        stated = [ms for ms in (self._duration_ms, self._claim.duration_ms) if ms is not None]
        if "avi" in self._formats:
            ends_s = [self._stated_end_s(stream) for stream in (*self._audio, *self._video)]
            stated += [round((end_s - self._origin_s) * 1000) for end_s in ends_s if end_s is not None]
        duration_ms = max(heard_ms, *stated) if stated else max(heard_ms, last_ms)

        rows: list[slice] = []
        spools: list[Spool] = []
        for stream, timeline in zip(self._audio, timelines, strict=True):
            spools_of_stream = timeline.all_spools(n_channels(stream))
            rows.append(slice(len(spools), len(spools) + len(spools_of_stream)))
            spools.extend(spools_of_stream)
        waveform, levels = mix(spools, n_samples)

        # A moment counts as not processed when no stream was heard in it; damage to one of several is in the notes.
        heard = [t for t, row in zip(timelines, rows, strict=True) if not is_silent(levels[row])] or timelines
        missing = heard[0].damaged if heard else []
        for timeline in heard[1:]:
            missing = intersect(missing, timeline.damaged)
        notes = [note for timeline in timelines for note in timeline.notes] if timelines else ["no audio stream"]
        tail = self._missing_tail(heard_ms, duration_ms, size_bytes)
        if tail is not None:
            missing = [*missing, tail]
            notes.append(f"the file is incomplete: nothing to hear from {tail.start_ms / 1000:.1f} s on")
        elif timelines and self._is_short(size_bytes):
            notes.append("the file is incomplete; how long it was is not stated")
        if len(notes) > MAX_NOTES:
            notes = [*notes[:MAX_NOTES], f"and {len(notes) - MAX_NOTES} more notes"]
        media = MediaFacts(
            duration_ms,
            self._container.format.name,
            tuple(codec_name(stream) for stream in self._audio),
            tuple(codec_name(stream) for stream in self._video),
            len(spools),
            created_at(self._container.metadata),
            tuple(notes),
        )
        within = intersect(merge(missing), [Span(0, duration_ms)])
        return Audio(recording_id, media, waveform, levels, tuple(within), size_bytes)

    def _packets(self) -> Iterator[Any]:
        """Audio and video packets; a demuxer that stumbles is asked again until it only stumbles."""
        from av.error import FFmpegError

        streams = [*self._audio, *self._video]
        stumbles = 0
        while stumbles < MAX_DEMUX_ERRORS:
            try:
                for packet in self._container.demux(streams):
                    stumbles = 0
                    if packet.size:  # the empty ones at the end ask for a flush: `_flush` does it
                        yield packet
            except FFmpegError:
                stumbles += 1
            else:
                return
        self._broke_off = True

    def _flush(self, stream: Any) -> None:
        from av.error import FFmpegError

        timeline = self._timelines[stream.index]
        try:
            for frame in stream.codec_context.decode(None) if stream.codec_context else []:
                timeline.add(frame)
        except FFmpegError:
            timeline.lose(None)
        timeline.finish()

    def _missing_tail(self, heard_ms: int, duration_ms: int, size_bytes: int) -> Span | None:
        """From the end of the decoded audio to where the file says the audio ends, if the file ends early.

        Audio that simply stops before the video does is no missing tail: there is nothing to hear.
        """
        if not self._audio:
            return None
        end_ms = duration_ms
        own = [self._stated_end_s(stream) for stream in self._audio]
        known = [end for end in own if end is not None]
        if len(known) == len(own):
            end_ms = min(duration_ms, round((max(known) - self._origin_s) * 1000))
        if end_ms - heard_ms > EARLY_END_MS and (self._is_short(size_bytes) or self._ends_early()):
            return Span(heard_ms, end_ms)
        return None

    def _is_short(self, size_bytes: int) -> bool:
        """True when bytes are missing: by the header, by the index, or because demuxing broke off."""
        if self._broke_off or (self._claim.size_bytes is not None and self._claim.size_bytes > size_bytes):
            return True
        indexes = [stream.index_entries for stream in (*self._audio, *self._video)]
        return any(len(entries) and entries[-1].pos + entries[-1].size > size_bytes for entries in indexes)

    def _ends_early(self) -> bool:
        """True when every stream that gave packets stops before the end the file states."""
        if not self._formats & _STATING or not self._ends_s:
            return False
        for stream in (*self._audio, *self._video):
            stated_s = self._stated_end_s(stream) or (self._duration_ms or 0) / 1000
            if stream.index in self._ends_s and stated_s - self._ends_s[stream.index] <= EARLY_END_MS / 1000:
                return False
        return True

    def _stated_end_s(self, stream: Any) -> float | None:
        """Where the container says this stream ends, in its own time; None where only the whole has a length."""
        if "avi" in self._formats and stream.frames:  # FFmpeg shortens the duration of a cut AVI, not its frames
            return float(stream.frames * stream.time_base)
        if "mov" in self._formats and stream.duration:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        return None
