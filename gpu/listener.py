"""The models that hear, held in memory, and what identifies their work."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass
from typing import Any

from gpu.devices import Device
from gpu.errors import ModelMissing
from gpu.models import Model, ModelPlaces, resolve
from transcribe.diarization import DiarizationOptions, Diarizer
from transcribe.hearing import StageSeconds, hear_words
from transcribe.media import Audio
from transcribe.speech import SpeechOptions
from transcribe.transcript import ModelUse, TurnsArtifact, WordsArtifact, canonical_json
from transcribe.whisper import WhisperOptions, WhisperRecogniser
from transcribe.windows import WindowOptions

# Raised when the code of a stage changes what it writes down; every recording is then heard again.
WORDS_REVISION = 1
TURNS_REVISION = 1

GPU_ASR_MODEL = "large-v3-turbo"
CPU_ASR_MODEL = "whisper-base"


@dataclass(frozen=True, slots=True)
class HearingOptions:
    """Everything that decides what is written down, besides the models."""

    speech: SpeechOptions = SpeechOptions()
    windows: WindowOptions = WindowOptions()
    whisper: WhisperOptions = WhisperOptions()
    diarization: DiarizationOptions = DiarizationOptions()


@dataclass(frozen=True, slots=True)
class HearingModels:
    """The models that hear, found and checked but not loaded."""

    asr: Model
    voice_activity: Model
    segmentation: Model
    speaker: Model

    @staticmethod
    def find(asr_model: str | None, device: Device, places: ModelPlaces) -> HearingModels:
        """Resolve every model of hearing.

        Args:
            asr_model: a name or path; None takes `large-v3-turbo` on a GPU where it is installed, else
                `whisper-base`.

        Raises:
            ModelMissing, ModelDamaged
        """
        return HearingModels(
            _asr(asr_model, device, places),
            resolve("silero-vad", places),
            resolve("segmentation-3.0", places),
            resolve("campplus", places),
        )

    def fingerprints(self, options: HearingOptions) -> dict[str, str]:
        """What `words` and `turns` depend on, as a short hash each: equal means nothing would change.

        The device is left out on purpose: workers of one archive may differ, and must not undo each
        other's work. Provenance records the device and compute type of each transcript.
        """
        return {
            "words": _fingerprint(
                WORDS_REVISION,
                [self.voice_activity.sha256, self.asr.sha256],
                [asdict(options.speech), asdict(options.windows), asdict(options.whisper)],
            ),
            "turns": _fingerprint(
                TURNS_REVISION, [self.segmentation.sha256, self.speaker.sha256], [asdict(options.diarization)]
            ),
        }


def _asr(asr_model: str | None, device: Device, places: ModelPlaces) -> Model:
    if asr_model is not None:
        return resolve(asr_model, places)
    if device.name == "cuda":
        try:
            return resolve(GPU_ASR_MODEL, places)
        except ModelMissing:
            return resolve(CPU_ASR_MODEL, places)
    return resolve(CPU_ASR_MODEL, places)


def _fingerprint(revision: int, hashes: list[str], options: list[dict[str, Any]]) -> str:
    return hashlib.sha256(canonical_json([revision, hashes, options])).hexdigest()[:16]


class Listener:
    """Hears recordings with models that are loaded when first needed and then stay.

    One thread may ask for words while another asks for turns; neither may be asked twice at once.
    """

    def __init__(self, models: HearingModels, options: HearingOptions, device: Device) -> None:
        self._models, self._options, self._device = models, options, device
        self._recogniser: WhisperRecogniser | None = None
        self._diarizer: Diarizer | None = None

    def words(self, audio: Audio, spent: StageSeconds) -> WordsArtifact:
        """The `words` stage. `spent` gets the seconds of its parts, loading models left out."""
        if self._recogniser is None:
            self._recogniser = WhisperRecogniser(
                self._models.asr.path,
                use(self._models.asr),
                self._options.whisper,
                self._device.name,
                self._device.compute_type,
                self._device.threads,
            )
        vad = ModelUse(
            self._models.voice_activity.name,
            self._models.voice_activity.revision,
            self._models.voice_activity.sha256,
            {**asdict(self._options.speech), **asdict(self._options.windows)},
        )
        return hear_words(audio, self._recogniser, vad, self._options.speech, self._options.windows, spent)

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        """The `turns` stage. `spent` gets `diarize`."""
        if self._diarizer is None:
            self._diarizer = Diarizer(
                (self._models.segmentation.weights, use(self._models.segmentation)),
                (self._models.speaker.weights, use(self._models.speaker)),
                self._options.diarization,
                self._device.name,
                self._device.threads,
            )
        started = time.perf_counter()
        turns = self._diarizer.turns(audio.waveform)
        spent.add("diarize", time.perf_counter() - started)
        return TurnsArtifact(audio.recording_id, tuple(turns), self._diarizer.uses)


def use(model: Model) -> ModelUse:
    """A model as provenance names it."""
    return ModelUse(model.name, model.revision, model.sha256)
