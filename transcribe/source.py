"""The bytes of a recording: where they are read from, their SHA-256, and what can go wrong with them.

A source is a local path or any fsspec URL. Everything foreign that reading or decoding raises (FFmpeg,
the operating system, object stores) becomes one of ours in `media_errors`, and nowhere else.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transcribe.errors import MediaForbidden, MediaMissing, MediaUnreadable, TranscribeError
from transcribe.transcript import RecordingId

COPY_BYTES = 1 << 20  # what the hash reads at a time when the decoder did not read everything
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-:]*://")  # "::" chains protocols in fsspec


class HashingReader:
    """A seekable file that hashes what passes through it in order.

    Decoders jump about (an MP4 may keep its index at the end): only the contiguous part from the start is
    hashed while reading, and `digest` reads what is left. The decoder may swallow a failed read and take it
    for the end of the file; the failure is kept here so that `check` can tell the two apart.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0
        self._position = 0
        self._failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        with self._failures_kept():
            block: bytes = self._file.read(size)
        fresh = self._hashed_bytes - self._position
        if 0 <= fresh < len(block):
            self._hash.update(memoryview(block)[fresh:])
            self._hashed_bytes += len(block) - fresh
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._failures_kept():
            self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def check(self) -> None:
        """Raise what a read failed with, if any did, even when the decoder went on."""
        if self._failure is not None:
            raise self._failure

    def digest(self) -> tuple[RecordingId, int]:
        """SHA-256 of all bytes (64 hex digits) and how many there are; reads what was not read yet."""
        self.seek(self._hashed_bytes)
        while self.read(COPY_BYTES):
            pass
        return RecordingId(self._hash.hexdigest()), self._hashed_bytes

    @contextmanager
    def _failures_kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failure = error
            raise
        except Exception as error:  # stores raise what they like; one form leaves here
            self._failure = OSError(f"the store failed with {type(error).__name__}")
            raise self._failure from error


@contextmanager
def open_source(source: str) -> Iterator[HashingReader]:
    """Open a path or URL for reading and hashing.

    Raises:
        MediaMissing, MediaForbidden, MediaUnreadable: nothing there, not allowed, or not a file with bytes in it.
    """
    with media_errors(source), _opened(source) as file:
        if not file.read(1):
            raise MediaUnreadable(source, "the file is empty")
        file.seek(0)
        yield HashingReader(file)


@contextmanager
def media_errors(source: str) -> Iterator[None]:
    """Turn every foreign error about `source` into one of ours, with the cause kept."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:  # before OSError: some of FFmpeg's errors are both
        raise MediaUnreadable(source, _ffmpeg_reason(error)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaMissing(source) from error
    except PermissionError as error:
        raise MediaForbidden(source) from error
    except IsADirectoryError as error:
        raise MediaUnreadable(source, "it is a folder, not a file") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            reason = "its sound does not fit into the temporary folder: make room there, or set TMPDIR to a larger one"
            raise MediaUnreadable(source, reason) from error
        raise MediaUnreadable(source, f"reading failed ({error.strerror or error})") from error


def _ffmpeg_reason(error: Any) -> str:
    from av import error as ffmpeg

    if isinstance(error, ffmpeg.InvalidDataError):
        return "FFmpeg does not recognise the contents"
    if isinstance(error, ffmpeg.PermissionError):  # no nested file is opened, see PROTOCOLS in transcribe.container
        return "it is a list of other files, not a recording"
    if isinstance(error, ffmpeg.EOFError):
        return "it ends before any media starts, so the copy is probably incomplete: copy it again"
    return f"FFmpeg gave up ({error.strerror})"


@contextmanager
def _opened(source: str) -> Iterator[Any]:
    if not _URL.match(source):
        mode = Path(source).stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(source)
        if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer, perhaps forever
            raise MediaUnreadable(source, "it is not a regular file")
        with Path(source).open("rb") as file:
            yield file
        return

    import fsspec

    try:
        remote = fsspec.open(source, "rb").open()
    except (OSError, TranscribeError):
        raise
    except ImportError as error:
        raise MediaUnreadable(source, f"a library for this kind of address is not installed ({error})") from error
    except Exception as error:  # stores raise what they like; one form leaves here
        raise MediaUnreadable(source, f"the address cannot be opened ({type(error).__name__})") from error
    with remote:
        yield remote
