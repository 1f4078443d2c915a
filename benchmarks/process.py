"""A process of its own for every system: its memory is measured alone, and nothing it loads stays with the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, KiB on Linux


class ProcessFailed(Exception):
    """A measured process ended badly; its own messages stand above on stderr."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(what, code)
        self.what, self.code = what, code

    def __str__(self) -> str:
        ended = f"was ended by {signal.Signals(-self.code).name}" if self.code < 0 else f"ended with code {self.code}"
        return f"{self.what} {ended}; its messages above say why"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a finished process left: `peak_bytes` is its largest resident set, or that of a child of its own."""

    code: int
    out: str
    wall_seconds: float
    peak_bytes: int


def run_measured(module: str, *args: object, threads: int, accept: Sequence[int] = (0,)) -> Measured:
    """Run `python -m MODULE ARGS…` and wait; stderr passes through.

    To be called from a process smaller than what is measured: until the child has started, Linux counts its
    caller's memory as its own (getrusage(2), `ru_maxrss` is kept over exec).

    Args:
        threads: CPU threads of every library that asks the environment.
        accept: exit codes that are no failure.

    Raises:
        ProcessFailed
    """
    count = str(threads)
    env = {
        **os.environ,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
        "EARWITNESS_THREADS": count,
    }
    with tempfile.TemporaryFile("w+") as out:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", module, *map(str, args)], stdout=out, env=env)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_seconds = time.perf_counter() - started
        out.seek(0)
        text = out.read()
    if process.returncode not in accept:
        raise ProcessFailed(module, process.returncode)
    return Measured(process.returncode, text, wall_seconds, usage.ru_maxrss * RSS_UNIT)
