"""The models that hear, held in memory, and what identifies their work."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from gpu.batch_size import WhisperSize, cpu_batch_size, gpu_batch_size
from gpu.batching import Batcher, BatchSize
from gpu.devices import Device, free_gpu_memory
from gpu.errors import ModelMissing
from gpu.models import COMMUNITY, Model, ModelPlaces, resolve
from gpu.turns_hearing import KeepVoices, TurnsHearing, TurnsOneByOne, TurnsTogether
from transcribe.community import CommunityDiarizer
from transcribe.confidence import Rate, as_decoded, calibration_of, confidence_name
from transcribe.decoding import Decode, WhisperRequest, WhisperResult
from transcribe.diarization import DiarizationOptions, Diarizer
from transcribe.hearing import WordsHearing
from transcribe.media import Audio
from transcribe.options import WordsOptions
from transcribe.speaker_voices import VOICES_KEPT, VOICES_REVISION
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse, TurnsArtifact, WordsArtifact, canonical_json
from transcribe.vocabulary import NOTHING, Vocabulary, prompt
from transcribe.whisper import Whisper, encoder, translates

# Raised when the code of a stage changes what it writes down; every recording is then heard again.
WORDS_REVISION = 3
TURNS_REVISION = 4

GPU_ASR_MODEL = "large-v3-turbo"
CPU_ASR_MODEL = "whisper-base"


@dataclass(frozen=True, slots=True)
class HearingOptions:
    """Everything that decides what is written down, besides the models.

    vocabulary: of the agency and the run.
    names: whether names known of a recording are added to it. Off, because every recording would cost twice as
        much for a name that is said in few: the wearer's 8 times in the ten dev recordings.
    voices: whether the voices of speakers are handed on, to be kept apart from what is written down.
    """

    words: WordsOptions = WordsOptions()
    diarization: DiarizationOptions = DiarizationOptions()
    vocabulary: Vocabulary = NOTHING
    names: bool = False
    voices: bool = False


@dataclass(frozen=True, slots=True)
class SpeakerModels:
    """The models that tell speakers apart."""

    segmentation: Model
    speaker: Model


@dataclass(frozen=True, slots=True)
class HearingModels:
    """The models that hear, found and checked but not loaded.

    translator: may be `asr`; None: nobody translates.
    speakers: the two models of our diarization; or a pipeline of pyannote's, where the operator installed it; or
        which of the two is not installed: words are heard all the same.
    """

    asr: Model
    translator: Model | None
    voice_activity: Model
    speakers: SpeakerModels | Model | ModelMissing

    @staticmethod
    def find(
        asr_model: str | None, device: Device, places: ModelPlaces, translator_model: str | None = None
    ) -> HearingModels:
        """Resolve every model of hearing.

        Args:
            asr_model: a name or path; None takes `large-v3-turbo` on a GPU where it is installed, else
                `whisper-base`.
            translator_model: the same; None takes the ASR model where it translates, else `whisper-base` where
                installed.

        Raises:
            ModelMissing: of those that hear words.
            ModelDamaged
        """
        asr = _asr(asr_model, device, places)
        return HearingModels(
            asr,
            resolve(translator_model, places) if translator_model else _translator(asr, places),
            resolve("silero-vad", places),
            _speakers(places),
        )

    @property
    def voice_model(self) -> str | None:
        """What voices are made by: those of the same can be compared. None: by nobody here."""
        if not isinstance(self.speakers, SpeakerModels):
            return None
        return f"{self.speakers.speaker.sha256}:{VOICES_REVISION}"

    def fingerprints(self, options: HearingOptions) -> dict[str, str]:
        """What `words` and `turns` depend on, as a short hash each: equal means nothing would change.

        Without models that tell speakers apart there is none of `turns`.

        The device is left out on purpose: workers of one archive may differ, and must not undo each
        other's work. So are the names of a recording: correcting its metadata is no reason to hear it again.
        Provenance records the device, the compute type and the names of each transcript.
        """
        primed = {"vocabulary": options.vocabulary.sha256, "names": options.names}
        prints = {
            "words": _fingerprint(
                WORDS_REVISION,
                [self.voice_activity.sha256, self.asr.sha256, self.translator.sha256 if self.translator else ""],
                [
                    asdict(options.words),
                    {"confidence": confidence_name(self.asr.sha256)},
                    *([primed] if options.vocabulary.entries or options.names else []),
                ],
            )
        }
        if isinstance(self.speakers, SpeakerModels):
            hashes = [self.speakers.segmentation.sha256, self.speakers.speaker.sha256]
            prints["turns"] = _fingerprint(TURNS_REVISION, hashes, [asdict(options.diarization)])
            if options.voices:
                prints["turns"] += VOICES_KEPT
        elif isinstance(self.speakers, Model):
            bounds = options.diarization.clusters
            told = {"min_speakers": bounds.min_speakers, "max_speakers": bounds.max_speakers}
            prints["turns"] = _fingerprint(TURNS_REVISION, [self.speakers.sha256], [told])
        return prints

    def left_out(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The entries for which the ASR model has no room.

        Raises:
            ModelUnusable
        """
        return prompt(vocabulary, encoder(self.asr.path, self.asr.name)).left_out if vocabulary.entries else ()


def _asr(asr_model: str | None, device: Device, places: ModelPlaces) -> Model:
    if asr_model is not None:
        return resolve(asr_model, places)
    if device.name == "cuda":
        try:
            return resolve(GPU_ASR_MODEL, places)
        except ModelMissing:
            return resolve(CPU_ASR_MODEL, places)
    return resolve(CPU_ASR_MODEL, places)


def _translator(asr: Model, places: ModelPlaces) -> Model | None:
    if translates(asr.name):
        return asr
    try:
        return None if asr.name.endswith(".en") else resolve(CPU_ASR_MODEL, places)
    except ModelMissing:
        return None


def _speakers(places: ModelPlaces) -> SpeakerModels | Model | ModelMissing:
    with suppress(ModelMissing):
        return resolve(COMMUNITY, places)
    try:
        return SpeakerModels(resolve("segmentation-3.0", places), resolve("campplus", places))
    except ModelMissing as error:
        return error


def _fingerprint(revision: int, hashes: list[str], options: list[dict[str, Any]]) -> str:
    return hashlib.sha256(canonical_json([revision, hashes, options])).hexdigest()[:16]


class Listener:
    """Hears recordings with models that are loaded when first needed and then stay. Close it when done.

    Any number of threads may ask for words and for turns at once: their recordings share batches.
    """

    def __init__(
        self,
        models: HearingModels,
        options: HearingOptions,
        device: Device,
        rate: Rate | None = None,
        keep_voices: KeepVoices | None = None,
    ) -> None:
        """
        Args:
            rate: how sure to be of each word, for whoever measures it; None: as calibrated for the model.
            keep_voices: told the voices of each recording before `turns` returns, where the options say so.
                They are biometric data, so that no artifact carries them.
        """
        self._keep_voices = keep_voices if options.voices else None
        self._rate = rate
        self._models, self._options, self._device = models, options, device
        self._loading, self._loading_turns = threading.Lock(), threading.Lock()
        self._words: tuple[WordsHearing, Batcher[WhisperRequest, WhisperResult]] | None = None
        self._turns: TurnsHearing | None = None

    def words(self, audio: Audio, spent: StageSeconds, names: Sequence[str] = ()) -> WordsArtifact:
        """The `words` stage. `spent` gets the seconds of its parts, loading models left out.

        Args:
            names: of people the recording's metadata names.
        """
        hearing, batcher = self.load()
        names = names if self._options.names else ()
        return batcher.submit(hearing.hear(audio, spent, self._options.vocabulary, names)).result()

    def turns(self, audio: Audio, spent: StageSeconds) -> TurnsArtifact:
        """The `turns` stage. `spent` gets `diarize`, loading models left out.

        Raises:
            ModelMissing: nobody can tell speakers apart.
        """
        return self.load_turns().turns(audio, spent)

    def _load_turns(self) -> TurnsHearing:
        speakers, options, device = self._models.speakers, self._options.diarization, self._device
        if isinstance(speakers, ModelMissing):
            raise speakers
        if isinstance(speakers, Model):
            return TurnsOneByOne(
                CommunityDiarizer.load(
                    speakers.path, use(speakers), options.clusters, device.torch_name, device.threads
                )
            )
        diarizer = Diarizer.load(
            (speakers.segmentation.weights, use(speakers.segmentation)),
            (speakers.speaker.weights, use(speakers.speaker)),
            options,
            device.torch_name,
            device.threads,
        )
        return TurnsTogether(diarizer, device.name == "cuda", self._keep_voices)

    def load(self) -> tuple[WordsHearing, Batcher[WhisperRequest, WhisperResult]]:
        """What hears words, ready to: loaded now when it was not."""
        with self._loading:
            self._words = self._words or self._load_words()
        return self._words

    def load_turns(self) -> TurnsHearing:
        """What tells speakers apart, likewise.

        Raises:
            ModelMissing
        """
        with self._loading_turns:
            self._turns = self._turns or self._load_turns()
        return self._turns

    def close(self) -> None:
        """End the threads of the batches."""
        if self._words:
            self._words[1].close()
        if self._turns:
            self._turns.close()

    def _load_words(self) -> tuple[WordsHearing, Batcher[WhisperRequest, WhisperResult]]:
        options, device = self._options.words, self._device
        sha256 = self._models.asr.sha256
        decoding = {
            **asdict(options.decoding),
            "gate": asdict(options.gate),
            "confidence": confidence_name(sha256),
        }
        recogniser = self._load_whisper(self._models.asr, decoding)
        translator: Whisper | None = None
        if options.decoding.translate and self._models.translator == self._models.asr:
            translator = recogniser
        elif options.decoding.translate and self._models.translator:
            translator = self._load_whisper(self._models.translator, asdict(options.decoding))

        def answer(requests: Sequence[WhisperRequest]) -> Sequence[WhisperResult]:
            model = translator if _translates(requests[0]) else recogniser
            assert model is not None  # nobody asks for a translation without one
            return model.answer(requests)

        voice_activity = use(self._models.voice_activity, {**asdict(options.speech), **asdict(options.windows)})
        return (
            WordsHearing(
                recogniser, translator, voice_activity, options, self._rate or calibration_of(sha256) or as_decoded
            ),
            Batcher(answer, self.batch_size(), device.runners * len(device.indices)),
        )

    def batch_size(self) -> BatchSize[WhisperRequest]:
        """How many windows may share a batch; on GPUs by the memory that is free now, so: with the models loaded."""
        if self._device.name == "cpu":
            return cpu_batch_size
        compute_type, free_bytes = self._device.compute_type, free_gpu_memory(self._device)
        size = WhisperSize.read(self._models.asr.weights)
        translator_size = WhisperSize.read(self._models.translator.weights) if self._models.translator else size

        def most(request: WhisperRequest) -> int:
            return gpu_batch_size(request, translator_size if _translates(request) else size, compute_type, free_bytes)

        return most

    def _load_whisper(self, model: Model, options: dict[str, Any]) -> Whisper:
        device = self._device
        provenance = {**options, "compute_type": device.compute_type, "device": device.name}
        return Whisper(
            model.path,
            use(model, provenance),
            device.name,
            device.compute_type,
            device.threads,
            device.runners,
            device.indices,
        )


def _translates(request: WhisperRequest) -> bool:
    return request.task == "translate" if isinstance(request, Decode) else request.by_translator


def use(model: Model, options: dict[str, Any] | None = None) -> ModelUse:
    """A model as provenance names it."""
    return ModelUse(model.name, model.revision, model.sha256, options or {})
