"""Real faults for `benchmarks.hardening`: processes that are killed, disks that fill, folders that close, a lock."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transcribe.media import decode

CLIP_MS = 6_000
SAMPLES_PER_MS = 16
BLOCK_BYTES = 4096  # the least a file system gives


class FaultUnavailable(Exception):
    """This fault cannot be made here; `str` says why."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of the command line ended; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def last_line(self) -> str:
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def earwitness(data: Path, *args: str | Path, watch: Callable[[int, str], bool] = lambda _pid, _line: False) -> Ended:
    """Run the real command.

    Args:
        watch: called with the process id and each line of its stderr; True kills the process with SIGKILL.
    """
    command = [sys.executable, "-m", "service.cli", "--data", str(data), *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    out: list[str] = []
    reading = threading.Thread(target=lambda stream: out.append(stream.read()), args=(process.stdout,))
    reading.start()
    err = []
    try:
        for line in process.stderr:
            err.append(line)
            if watch(process.pid, line):
                process.send_signal(signal.SIGKILL)
    except BaseException:
        process.kill()
        raise
    finally:
        reading.join()
        code = process.wait()
    return Ended(code, "".join(out), "".join(err))


def cut_clips(footage: Path, folder: Path, n: int) -> Path:
    """`n` distinct recordings of `CLIP_MS` each, cut at even steps from the audio of the footage, as WAV."""
    folder.mkdir(parents=True)
    waveform = np.concatenate([decode(str(path)).waveform for path in sorted(footage.glob("AXON*.mp*"))])
    length = CLIP_MS * SAMPLES_PER_MS
    for number, start in enumerate(np.linspace(0, len(waveform) - length - 1, n).astype(int)):
        samples = (np.clip(waveform[start : start + length], -1, 1) * 32_767).astype("<i2")
        samples[0] = number  # where the footage is silent, clips would be equal
        with wave.open(str(folder / f"{number:03d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(1000 * SAMPLES_PER_MS)
            file.writeframes(samples.tobytes())
    return folder


def some_clips(clips: Path, folder: Path, n: int) -> Path:
    """The first `n` of them, linked."""
    folder.mkdir(parents=True)
    for path in sorted(clips.glob("*.wav"))[:n]:
        (folder / path.name).symlink_to(path)
    return folder


def resident_kb(pid: int) -> int:
    """Resident memory of a running process, KiB; 0 where it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory, of this size.

    Raises:
        FaultUnavailable
    """
    place.mkdir(parents=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """The same folder at another place, where nobody may write.

    Raises:
        FaultUnavailable
    """
    place.mkdir(parents=True)
    _mount("--bind", str(folder), str(place))
    try:
        _mount("-o", "remount,ro,bind", str(place))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _mount(*args: str) -> None:
    try:
        done = subprocess.run(["mount", *args], capture_output=True, text=True, check=False)
    except OSError as error:
        raise FaultUnavailable(f"no mount: {error}") from error
    if done.returncode:
        raise FaultUnavailable(f"mount is refused ({done.stderr.strip()}); run as root")


def fill(folder: Path) -> Path:
    """Take all that is free on the folder's disk, whoever else writes there; returns the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        taken, part = 0, 1 << 26
        while part >= BLOCK_BYTES:
            try:
                os.posix_fallocate(file.fileno(), taken, part)
                taken += part
            except OSError:  # no room for this much: take less
                part //= 2
    return ballast


@contextmanager
def locked(catalog: Path, seconds: float) -> Iterator[None]:
    """Another process's exclusive transaction on the catalog, ended after `seconds`."""
    ready, over = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            ready.set()
            over.wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait()
    try:
        yield
    finally:
        over.set()
        holder.join()
