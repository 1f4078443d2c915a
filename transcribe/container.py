"""A media container opened for reading: what it states about itself and its streams, before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from transcribe.errors import MediaUnreadable
from transcribe.headers import Claim, Index, mp4_index, read_claim
from transcribe.source import HashingReader, media_errors, open_source

# A playlist or session description names other files and addresses: no protocol is allowed to open them.
PROTOCOLS = {"protocol_whitelist": "none"}


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What the container says about one stream; None where it does not say or it does not apply."""

    index: int
    kind: str  # "video", "audio", "subtitle", "data", "attachment"
    codec: str  # "unknown" when this FFmpeg has no decoder for it
    start_ms: int | None
    duration_ms: int | None
    sample_rate: int | None = None
    channels: int | None = None
    width: int | None = None
    height: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """What the container says, without decoding anything."""

    container: str
    duration_ms: int | None
    start_ms: int | None
    created_at: str | None
    streams: tuple[StreamFacts, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def probe(source: str) -> Probe:
    """What `earwitness doctor FILE` shows: the container's own statements.

    Raises like `transcribe.media.decode`, except that any stream will do: a picture has something to show, too.
    """
    with open_container(source) as opened:
        container = opened.container
        return Probe(
            container.format.name,
            to_ms(container.duration, 1e-6),
            to_ms(container.start_time, 1e-6),
            created_at(container.metadata),
            tuple(_stream_facts(stream) for stream in container.streams),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A container that can be demuxed.

    Attributes:
        container: av.InputContainer.
        claim: what the file's first bytes say about its length.
        cut_off: the index at the end of the file is torn, so that the container's lengths mean nothing.
    """

    reader: HashingReader
    container: Any
    claim: Claim
    cut_off: bool


@contextmanager
def open_container(source: str) -> Iterator[Opened]:
    """Open a path or URL; foreign errors, also later ones inside the block, become ours."""
    import av
    from av.error import InvalidDataError

    av.logging.set_level(None)  # FFmpeg would print to stderr; what matters is raised or noted
    with open_source(source) as reader, media_errors(source):
        claim = read_claim(reader)
        cut_off = False
        try:
            reader.seek(0)
            container = _demuxer(reader)
        except InvalidDataError as error:
            reader.check()
            index = mp4_index(reader)
            if index is Index.MISSING:
                reason = "its index (moov) is missing, so the copy is probably incomplete: copy it again"
                raise MediaUnreadable(source, reason) from error
            if index is Index.NOT_MP4:
                raise
            # A fragmented MP4 torn inside a fragment's header (the camera lost power): FFmpeg reads all headers
            # first and gives up, unless it cannot seek; then it plays up to the tear.
            reader.seek(0)
            container, cut_off = _demuxer(_Forward(reader)), True
        with container:
            yield Opened(reader, container, claim, cut_off)


class _Forward:
    """A file without `seek`."""

    def __init__(self, reader: HashingReader) -> None:
        self.read = reader.read


def _demuxer(reader: HashingReader | _Forward) -> Any:
    import av

    return av.open(reader, mode="r", options=PROTOCOLS, metadata_errors="replace")


def _stream_facts(stream: Any) -> StreamFacts:
    seconds = float(stream.time_base or 0)
    context = stream.codec_context
    audio, video = stream.type == "audio" and context, stream.type == "video" and context
    return StreamFacts(
        stream.index,
        stream.type,
        codec_name(stream),
        to_ms(stream.start_time, seconds),
        to_ms(stream.duration, seconds),
        context.sample_rate if audio else None,
        n_channels(stream) if audio else None,
        context.width if video else None,
        context.height if video else None,
        stream.language,
    )


def codec_name(stream: Any) -> str:
    """The codec's name, not its decoder's ("mp3", not "mp3float"); "unknown" when this FFmpeg has no decoder for it."""
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"


def n_channels(stream: Any) -> int:
    """Channels an audio stream announces; 0 without a decoder to ask."""
    return int(stream.codec_context.channels) if stream.codec_context else 0


def is_cover(stream: Any) -> bool:
    """True for a picture that rides along with music, such as the cover in an MP3."""
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def to_ms(time: int | None, unit_s: float) -> int | None:
    """A container's time in ms; None stays None."""
    return None if time is None else round(time * unit_s * 1000)


def created_at(metadata: Mapping[str, str]) -> str | None:
    """When the container says it was made, ISO 8601; None when it does not or not as a date."""
    stated = {name.lower(): text for name, text in metadata.items()}.get("creation_time", "")
    try:
        return datetime.fromisoformat(stated).isoformat()
    except ValueError:
        return None
