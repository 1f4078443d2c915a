"""Our diarization alone, in a process of its own: `python -m benchmarks.turns_alone TASK.json OUTCOME.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hypothesis import Hypothesis
from benchmarks.outcome import OURS
from benchmarks.peers import Listen, Peer, hear
from benchmarks.task import Task
from gpu.listener import use
from gpu.models import ModelPlaces, resolve
from gpu.offline import stay_offline
from transcribe.diarization import DiarizationOptions, Diarizer
from transcribe.media import SAMPLE_RATE, decode


def load_diarizer(threads: int) -> Diarizer:
    """Ours, with the models that are installed.

    Raises:
        ModelMissing, ModelDamaged, ModelUnusable
    """
    places = ModelPlaces.from_environment()
    segmentation, speaker = resolve("segmentation-3.0", places), resolve("campplus", places)
    return Diarizer.load(
        (segmentation.weights, use(segmentation)),
        (speaker.weights, use(speaker)),
        DiarizationOptions(),
        threads=threads,
    )


def load(threads: int) -> Listen:
    """Decoding and voice activity are part of the work, as for every peer."""
    diarizer = load_diarizer(threads)

    def listen(source: Path) -> tuple[Hypothesis, float]:
        waveform = decode(str(source)).waveform
        return Hypothesis(turns=diarizer.diarize(waveform).turns), len(waveform) / SAMPLE_RATE

    return listen


def main(args: Sequence[str]) -> None:
    """The process."""
    task, outcome = args
    stay_offline()
    found = hear(Peer(OURS, "diarize", frozenset({"turns"}), load), Task.read(Path(task)))
    Path(outcome).write_text(json.dumps(found.to_json()))


if __name__ == "__main__":
    main(sys.argv[1:])
