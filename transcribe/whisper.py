"""Words from speech: Whisper through faster-whisper, one window at a time.

Each window is decoded on its own, with Whisper's safety nets (temperature fallback on repetition and low
probability) and without text carried over from the window before, so a recording's words do not depend
on what was heard before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcribe.errors import ModelUnusable
from transcribe.spans import Span
from transcribe.speech import SAMPLES_PER_MS, Waveform
from transcribe.transcript import ModelUse, Segment, Word
from transcribe.windows import Window

# The gates of openai/whisper (transcribe.py), which faster-whisper uses to decode again at a higher
# temperature; what still fails them afterwards is kept and flagged.
DOUBTFUL_LOGPROB = -1.0
DOUBTFUL_COMPRESSION = 2.4

LEAST_DETECTABLE_MS = 1_000  # language detection on less speech is a coin toss
CLEAR_LANGUAGE = 0.7  # share of the probability among the languages spoken
SURE_LANGUAGE = 0.9  # noisy English passes for Welsh at 0.8 (dev patrol d07), real second languages reach 0.95
SURE_SPEECH_MS = 2_500  # so much sure speech makes a language one that is spoken in the recording
LANGUAGE_BUCKET_FRAMES = 500  # encoder lengths for detection: multiples of 5 s


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """beam_size: 5 is Whisper's own default. translate: keep an English translation beside other languages."""

    beam_size: int = 5
    translate: bool = True


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """The language of one speech span: probabilities by language, and how long it was."""

    probabilities: dict[str, float]
    duration_ms: int


def settle_languages(guesses: Sequence[LanguageGuess]) -> list[str]:
    """One language per span, from noisy guesses on short speech.

    A recording is spoken in few languages: those that some speech is sure to be in. A span takes the
    likeliest of them when that is clear, else the language of the nearest clear span, the earlier one on
    a tie; with no clear span at all, the recording's likeliest language.

    Args:
        guesses: in time order; may be empty.

    Returns:
        As many languages, in the same order.
    """
    if not guesses:
        return []
    mass: dict[str, float] = {}
    sure_ms: dict[str, int] = {}
    for guess in guesses:
        for language, probability in guess.probabilities.items():
            mass[language] = mass.get(language, 0.0) + probability * guess.duration_ms
            if probability >= SURE_LANGUAGE and guess.duration_ms >= LEAST_DETECTABLE_MS:
                sure_ms[language] = sure_ms.get(language, 0) + guess.duration_ms
    main = max(mass, key=lambda language: (mass[language], language))
    spoken = {main, *(language for language, ms in sure_ms.items() if ms >= SURE_SPEECH_MS)}

    settled: list[str | None] = []
    for guess in guesses:
        likely = {language: guess.probabilities.get(language, 0.0) for language in spoken}
        best = max(likely, key=lambda language: (likely[language], language))
        clear = likely[best] > 0 and likely[best] / sum(likely.values()) >= CLEAR_LANGUAGE
        settled.append(best if clear and guess.duration_ms >= LEAST_DETECTABLE_MS else None)
    clear_at = [index for index, language in enumerate(settled) if language is not None]
    if not clear_at:
        return [main] * len(guesses)
    nearest = [min(clear_at, key=lambda at: (abs(at - index), at)) for index in range(len(guesses))]
    return [settled[at] or main for at in nearest]


class WhisperRecogniser:
    """A Whisper model in memory.

    `align_seconds` grows with the time spent on word alignment, for the report of stages.
    """

    def __init__(
        self,
        directory: Path,
        model: ModelUse,
        options: WhisperOptions,
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 0,
    ) -> None:
        """Load the CTranslate2 model in `directory`.

        Raises:
            ModelUnusable: the folder does not hold a Whisper model this build can run.
        """
        from faster_whisper import WhisperModel

        try:
            self._model = WhisperModel(str(directory), device=device, compute_type=compute_type, cpu_threads=threads)
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelUnusable(model.name, str(error)) from error
        self.options = options
        self.use = ModelUse(
            model.name,
            model.revision,
            model.sha256,
            {**asdict(options), "compute_type": compute_type, "device": device},
        )
        self.align_seconds = 0.0
        self._model.add_word_timestamps = self._timed(self._model.add_word_timestamps)

    def _timed(self, align: Callable[..., Any]) -> Callable[..., Any]:
        def aligned(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return align(*args, **kwargs)
            finally:
                self.align_seconds += time.perf_counter() - started

        return aligned

    @property
    def translates(self) -> bool:
        """Whether to ask this model for English: turbo models were not trained to translate."""
        return self.options.translate and self._model.model.is_multilingual and "turbo" not in self.use.name

    def languages(self, waveform: Waveform, speech: Sequence[Span]) -> list[str]:
        """The language of each speech span (ISO 639-1), as many as `speech`."""
        if not self._model.model.is_multilingual:
            return ["en"] * len(speech)
        return settle_languages([self._guess(_cut(waveform, span), span.duration_ms) for span in speech])

    def _guess(self, samples: Waveform, duration_ms: int) -> LanguageGuess:
        from faster_whisper.audio import pad_or_trim

        features = self._model.feature_extractor(samples)
        # The padded length is a function of the span alone, so its language is too.
        buckets = math.ceil(features.shape[-1] / LANGUAGE_BUCKET_FRAMES)
        frames = min(3_000, max(1, buckets) * LANGUAGE_BUCKET_FRAMES)
        encoded = self._model.encode(pad_or_trim(features, length=frames))
        ranked = self._model.model.detect_language(encoded)[0]
        return LanguageGuess({token[2:-2]: probability for token, probability in ranked[:8]}, duration_ms)

    def recognise(self, waveform: Waveform, window: Window) -> list[Segment]:
        """What is said in one window: segments sorted by start, inside the window, words inside their segment."""
        samples = _cut(waveform, window.span)
        segments = self._decode(samples, window.language, "transcribe")
        translations: list[Any] = []
        if window.language != "en" and self.translates and segments:
            translations = self._decode(samples, window.language, "translate")
        heard = []
        for segment in segments:
            text = segment.text.strip()
            if not text:
                continue
            words = place_words(
                [(word.start, word.end, word.word, word.probability) for word in segment.words or []], window
            )
            if not words:  # nothing of it lies in speech
                continue
            doubtful = segment.avg_logprob < DOUBTFUL_LOGPROB or segment.compression_ratio > DOUBTFUL_COMPRESSION
            heard.append(
                Segment(
                    words[0].start_ms,
                    words[-1].end_ms,
                    text,
                    window.language,
                    round(math.exp(segment.avg_logprob), 4),
                    tuple(words),
                    flags=("doubtful",) if doubtful else (),
                    translation=_translation(segment, translations),
                )
            )
        return heard

    def _decode(self, samples: NDArray[np.float32], language: str, task: str) -> list[Any]:
        import ctranslate2

        # Fallback temperatures sample: without a seed the same audio could read differently tomorrow.
        ctranslate2.set_random_seed(0)
        segments, _info = self._model.transcribe(
            samples,
            language=language,
            task=task,
            beam_size=self.options.beam_size,
            condition_on_previous_text=False,
            word_timestamps=task == "transcribe",
            vad_filter=False,
        )
        return list(segments)


def place_words(timed: Sequence[tuple[float, float, str, float]], window: Window) -> list[Word]:
    """Words of a window in recording time: monotonic, inside the window, their edges inside its speech.

    Whisper likes to start the first word after a pause inside the pause; a word that touches speech is
    cut to the speech it touches.

    Args:
        timed: (start, end, text, probability), in seconds from the start of the window.
    """
    placed: list[Word] = []
    earliest = window.span.start_ms
    for start_s, end_s, text, probability in timed:
        text = text.strip()
        if not text:
            continue
        start = min(max(window.span.start_ms + round(start_s * 1000), earliest), window.span.end_ms)
        end = min(max(window.span.start_ms + round(end_s * 1000), start), window.span.end_ms)
        touched = [speech for speech in window.speech if speech.start_ms < end and speech.end_ms > start]
        if touched:
            start, end = max(start, touched[0].start_ms), min(end, touched[-1].end_ms)
        placed.append(Word(start, end, text, round(probability, 4)))
        earliest = end
    return placed


def _translation(segment: Any, translations: Sequence[Any]) -> str | None:
    """The translated segments that share most of their time, or most of this segment's, with it."""
    parts = []
    for translated in translations:
        shared = min(segment.end, translated.end) - max(segment.start, translated.start)
        shorter = max(0.01, min(segment.end - segment.start, translated.end - translated.start))
        if shared / shorter >= 0.5:
            parts.append(translated.text.strip())
    return " ".join(part for part in parts if part) or None


def _cut(waveform: Waveform, span: Span) -> Waveform:
    return np.ascontiguousarray(waveform[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS])
