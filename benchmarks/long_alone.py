"""Words of one recording in a process of its own, and the memory that took: `python -m benchmarks.long_alone FILE`."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from gpu.devices import pick_device, wait_without_spinning
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces
from gpu.offline import stay_offline
from transcribe.media import decode
from transcribe.stage_seconds import StageSeconds

STATUS = Path("/proc/self/status")  # proc_pid_status(5)
SAMPLE_SECONDS = 0.02
KINDS = ("RssAnon", "RssFile", "RssShmem")


class PeakMemory:
    """The largest resident memory of each kind since it was started, in bytes; sampled, so a short peak is missed."""

    def __init__(self) -> None:
        self.peaks = dict.fromkeys(KINDS, 0)
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._sampler.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            now = status_bytes(STATUS.read_text())
            for kind in KINDS:
                self.peaks[kind] = max(self.peaks[kind], now[kind])


def status_bytes(status: str) -> dict[str, int]:
    """The sizes in a /proc/PID/status, in bytes."""
    return {name: int(kb) * 1024 for name, kb in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)}


def main(args: Sequence[str]) -> None:
    """Print one JSON object: seconds of every stage, words heard, and peaks of memory."""
    (path,) = args
    stay_offline()
    wait_without_spinning()
    device = pick_device("cpu")
    listener = Listener(HearingModels.find(None, device, ModelPlaces.from_environment()), HearingOptions(), device)
    listener.load()
    spent = StageSeconds()
    started = time.perf_counter()
    with PeakMemory() as memory:
        audio = decode(path)
        spent.add("decode", time.perf_counter() - started)
        words = listener.words(audio, spent)
    spent.add("wall", time.perf_counter() - started)
    listener.close()
    found = {
        "audio_seconds": audio.media.duration_ms / 1000,
        "words": sum(len(segment.words) for segment in words.segments),
        "seconds": spent.seconds,
        "peak_bytes": {"rss": status_bytes(STATUS.read_text())["VmHWM"], **memory.peaks},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
