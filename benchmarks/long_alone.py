"""One stage of one recording in a process of its own, and its memory: `python -m benchmarks.long_alone FILE STAGE`."""

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
from transcribe.media import Audio, decode
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
    """Print one JSON object: seconds of every part, words or speakers heard, and memory.

    Args:
        args: a recording, and the stage to hear: `words` or `turns`.
    """
    path, stage = args
    stay_offline()
    wait_without_spinning()
    device = pick_device("cpu")
    listener = Listener(HearingModels.find(None, device, ModelPlaces.from_environment()), HearingOptions(), device)
    if stage == "words":
        listener.load()
    else:
        listener.load_turns()
    spent = StageSeconds()
    loaded = status_bytes(STATUS.read_text())["VmRSS"]
    started = time.perf_counter()
    with PeakMemory() as memory:
        audio = decode(path)
        spent.add("decode", time.perf_counter() - started)
        found = _words(listener, audio, spent) if stage == "words" else _turns(listener, audio, spent)
    spent.add("wall", time.perf_counter() - started)
    listener.close()
    print(
        json.dumps(
            {
                "audio_seconds": audio.media.duration_ms / 1000,
                **found,
                "seconds": spent.seconds,
                "loaded_bytes": loaded,
                "peak_bytes": {"rss": status_bytes(STATUS.read_text())["VmHWM"], **memory.peaks},
            }
        )
    )


def _words(listener: Listener, audio: Audio, spent: StageSeconds) -> dict[str, int]:
    return {"words": sum(len(segment.words) for segment in listener.words(audio, spent).segments)}


def _turns(listener: Listener, audio: Audio, spent: StageSeconds) -> dict[str, int]:
    turns = listener.turns(audio, spent).turns
    return {"turns": len(turns), "speakers": len({turn.speaker for turn in turns})}


if __name__ == "__main__":
    main(sys.argv[1:])
