"""What a file's own first bytes say about its length, where FFmpeg does not pass it on.

FFmpeg quietly shortens a cut WAV or AVI to what is there, and calls an MP4 without its index simply invalid.
For evidence the difference matters: an incomplete copy has to be told from a short recording.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

HEAD_BYTES = 65_536  # RIFF files keep what we look for well within this
_STREAMED_SIZES = (0xFFFF_0000, 0x7FFF_0000)  # writers that cannot seek back leave 0xFFFFFFFF, 0x7FFFFFFF or nearly
_FIRST_BOXES = {b"ftyp", b"mdat", b"moov", b"wide", b"free", b"skip"}


class Seekable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """How long the header says the file is; None: it does not say."""

    size_bytes: int | None = None
    duration_ms: int | None = None


def read_claim(file: Seekable) -> Claim:
    """What a RIFF (WAV, AVI) or MP3 header claims; an empty claim for everything else.

    Leaves the file somewhere in its beginning.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head[:4] == b"RIFF" and len(head) >= 12:
        size = _known(struct.unpack_from("<I", head, 4)[0])
        return Claim(None if size is None else size + 8, _wav_ms(head) if head[8:12] == b"WAVE" else None)
    return _mp3_claim(file, head)


class Index(Enum):
    """The index (`moov` box) of an MP4 or MOV, without which nothing can be played."""

    WHOLE = "whole"
    MISSING = "missing"  # or torn
    NOT_MP4 = "not mp4"


def mp4_index(file: Seekable) -> Index:
    """Walk the top-level boxes up to `moov`. Leaves the file anywhere."""
    size = file.seek(0, 2)
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = struct.unpack_from(">I4s", header)
        if position == 0 and kind not in _FIRST_BOXES:
            return Index.NOT_MP4
        if length == 1 and len(header) == 16:
            length = struct.unpack_from(">Q", header, 8)[0]
        elif length == 0:  # the last box, up to the end of the file
            length = size - position
        if kind == b"moov" and position + length <= size:
            return Index.WHOLE
        if kind == b"moov" or length < 8:
            return Index.MISSING
        position += length
    return Index.MISSING if position else Index.NOT_MP4


def _known(size: int) -> int | None:
    if size == 0 or size >= _STREAMED_SIZES[0] or _STREAMED_SIZES[1] <= size < 0x8000_0000:
        return None
    return size


def _wav_ms(head: bytes) -> int | None:
    """Length by the `fmt ` and `data` chunks."""
    position, bytes_per_second = 12, 0
    while position + 8 <= len(head):
        kind, length = struct.unpack_from("<4sI", head, position)
        if kind == b"fmt " and position + 20 <= len(head):
            bytes_per_second = struct.unpack_from("<I", head, position + 16)[0]
        if kind == b"data":
            known = _known(length)
            return round(1000 * known / bytes_per_second) if known and bytes_per_second else None
        position += 8 + length + length % 2
    return None


def _mp3_claim(file: Seekable, head: bytes) -> Claim:
    """The byte count in the Xing or Info tag of the first frame, if there is one."""
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        start = 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(start)
        head = file.read(HEAD_BYTES)
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return Claim()
    tag = max(head.find(name, 0, 64) for name in (b"Xing", b"Info"))
    if tag < 0 or len(head) < tag + 16:
        return Claim()
    flags = struct.unpack_from(">I", head, tag + 4)[0]
    if not flags & 2:
        return Claim()
    return Claim(size_bytes=start + struct.unpack_from(">I", head, tag + (12 if flags & 1 else 8))[0])
