"""The `turns` stage of many recordings at once: in batches where our own networks hear, else one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from gpu.batch_size import cpu_speaker_batch_size, gpu_speaker_batch_size
from gpu.batching import Batcher
from transcribe.community import CommunityDiarizer
from transcribe.diarization import Diarizer, SpeakerRequest, SpeakerResult
from transcribe.media import Audio
from transcribe.speaker_kinds import speaker_kinds
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse, RecordingId, TurnsArtifact
from transcribe.turns import Diarization
from transcribe.voices import SpeakerVoices

KeepVoices = Callable[[RecordingId, SpeakerVoices], object]
TurnsTask = Generator[Sequence[SpeakerRequest], Sequence[SpeakerResult], TurnsArtifact]


class TurnsHearing(Protocol):
    """Hears turns with models in memory. Any number of threads may ask at once; close it when none does."""

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        """Of one recording; `spent` gets `diarize`, of work shared with other recordings this one's share."""
        ...

    def close(self) -> None: ...


class TurnsTogether:
    """Windows and pieces of all recordings asked for share batches; what is a recording's own is done beside them."""

    def __init__(self, diarizer: Diarizer, on_gpu: bool, keep_voices: KeepVoices | None = None) -> None:
        """
        Args:
            keep_voices: told the voices of each recording before `turns` returns, on one thread for all.
        """
        self._diarizer, self._keep_voices = diarizer, keep_voices
        self._batcher = Batcher(diarizer.answer, gpu_speaker_batch_size if on_gpu else cpu_speaker_batch_size)

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        return self._batcher.submit(_accounted(self._hear(audio), spent)).result()

    def close(self) -> None:
        self._batcher.close()

    def _hear(self, audio: Audio) -> TurnsTask:
        found = yield from self._diarizer.hear(audio.waveform)
        if self._keep_voices:
            self._keep_voices(audio.recording_id, found.voices)
        return _artifact(audio, found, self._diarizer.uses)


class TurnsOneByOne:
    """A pipeline of pyannote's hears one recording after the other: who asks meanwhile waits."""

    def __init__(self, diarizer: CommunityDiarizer) -> None:
        self._diarizer = diarizer
        self._hearing = threading.Lock()

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        with self._hearing:
            started = time.perf_counter()
            found = self._diarizer.diarize(audio.waveform)
            artifact = _artifact(audio, found, self._diarizer.uses)
            spent.add("diarize", time.perf_counter() - started)
        return artifact

    def close(self) -> None: ...


def _artifact(audio: Audio, found: Diarization, uses: tuple[ModelUse, ...]) -> TurnsArtifact:
    kinds = speaker_kinds(audio.waveform, audio.channel_levels, found.turns)
    return TurnsArtifact(audio.recording_id, found.turns, uses, found.exclusive, tuple(kinds))


def _accounted(task: TurnsTask, spent: StageSeconds) -> TurnsTask:
    """The same task; `spent` gets its own seconds between two questions, and its share of the answers'."""
    results: Sequence[SpeakerResult] | None = None  # a generator is started by sending None
    while True:
        started = time.perf_counter()
        try:
            requests = task.send(results)  # type: ignore[arg-type]  # see above
        except StopIteration as done:
            artifact: TurnsArtifact = done.value
            return artifact
        finally:
            spent.add("diarize", time.perf_counter() - started)
        results = yield requests
        spent.add("diarize", sum(result.seconds for result in results))
