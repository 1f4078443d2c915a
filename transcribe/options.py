"""Everything that decides which words are written down, besides the models and the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from transcribe.decoding import Plan
from transcribe.gate import GateOptions
from transcribe.speech import SpeechOptions
from transcribe.windows import WindowOptions


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How windows are decoded.

    plan: of the first attempt; the gate decides about others. Three beams, not Whisper's five: on dev `patrol` they
        are a sixth faster and lose less (WER 14.2 against 14.4 %, deletions 5.5 against 6.0 %); two lose more (14.5 %,
        6.4 %).
    pad_ms: silence after the window that the encoder sees at least.
    translate: keep an English translation beside other languages.
    """

    plan: Plan = Plan(beam_size=3)
    pad_ms: int = 1_000
    translate: bool = True


@dataclass(frozen=True, slots=True)
class WordsOptions:
    """Everything that decides which words are written down, besides the models."""

    speech: SpeechOptions = SpeechOptions()
    windows: WindowOptions = WindowOptions()
    decoding: DecodingOptions = DecodingOptions()
    gate: GateOptions = GateOptions()
