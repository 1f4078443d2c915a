"""The `words` stage of one recording: speech, language, windows, Whisper, coverage."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from transcribe.coverage import cover
from transcribe.media import Audio, dominant_channel
from transcribe.spans import Span
from transcribe.speech import SpeechOptions, Waveform, detect_digital_silence, detect_speech
from transcribe.transcript import ModelUse, Segment, WordsArtifact
from transcribe.windows import Window, WindowOptions, build_windows


class Recogniser(Protocol):
    """What turns windows of speech into segments; `WhisperRecogniser` is one."""

    use: ModelUse
    align_seconds: float  # grows; the share of `recognise` spent on placing words

    def languages(self, waveform: Waveform, speech: list[Span]) -> list[str]: ...

    def recognise(self, waveform: Waveform, window: Window) -> list[Segment]: ...


@dataclass(slots=True)
class StageSeconds:
    """Wall time by stage of the report, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def hear_words(
    audio: Audio,
    recogniser: Recogniser,
    voice_activity: ModelUse,
    speech_options: SpeechOptions,
    window_options: WindowOptions,
    spent: StageSeconds,
) -> WordsArtifact:
    """Everything said in one recording, before anyone is told apart.

    Args:
        voice_activity: the model `detect_speech` runs, for provenance.
        spent: gets the seconds of `speech`, `transcribe` and `align`.
    """
    started = time.perf_counter()
    silent = detect_digital_silence(audio.waveform)
    speech = detect_speech(audio.waveform, speech_options, silent)
    spent.add("speech", time.perf_counter() - started)

    started, aligned = time.perf_counter(), recogniser.align_seconds
    windows = build_windows(speech, recogniser.languages(audio.waveform, speech), silent, window_options)
    segments = [
        replace(segment, channel=dominant_channel(audio, segment.span))
        for window in windows
        for segment in recogniser.recognise(audio.waveform, window)
    ]
    segments.sort(key=lambda segment: (segment.start_ms, segment.end_ms))
    aligning = recogniser.align_seconds - aligned
    spent.add("transcribe", time.perf_counter() - started - aligning)
    spent.add("align", aligning)

    trusted = [segment.span for segment in segments if "doubtful" not in segment.flags]
    return WordsArtifact(
        audio.recording_id,
        audio.media,
        tuple(segments),
        cover(audio.media.duration_ms, speech, trusted, silent, audio.not_processed),
        (voice_activity, recogniser.use),
    )
