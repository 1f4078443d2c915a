"""English beside other languages, by a translator that may be the recogniser itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from transcribe.asking import Asking, Recogniser, ask_decoder, ask_encoder, to_decode, to_encode
from transcribe.decoding import Output, Phrase
from transcribe.gate import CAREFUL, runs_away
from transcribe.options import WordsOptions
from transcribe.segments import HeardWindow
from transcribe.spans import Span
from transcribe.speech import Waveform
from transcribe.stage_seconds import StageSeconds
from transcribe.windows import Window


def translate(
    translator: Recogniser,
    waveform: Waveform,
    heard: Sequence[HeardWindow],
    outputs: Mapping[Span, Output],
    options: WordsOptions,
    spent: StageSeconds,
) -> Asking[list[tuple[Phrase, ...]]]:
    """English phrases for each window in another language; none where it is English or nothing was said.

    Args:
        outputs: encodings the translator can decode, by the window's span; others are made.
    """
    phrases: dict[Span, tuple[Phrase, ...]] = {}
    foreign = [one.window for one in heard if one.window.language != "en" and one.decoded.phrases]
    for plan in (options.decoding.plan, CAREFUL):
        if not foreign:
            break
        known = {} if plan.full else outputs
        missing = [window for window in foreign if window.span not in known]
        requests = [
            replace(to_encode(translator, waveform, window, options.decoding.pad_ms, plan.full), by_translator=True)
            for window in missing
        ]
        made = yield from ask_encoder(requests, spent)
        known = {**known, **{window.span: one.output for window, one in zip(missing, made, strict=True)}}
        answers = yield from ask_decoder(
            [to_decode(known[window.span], window, plan, "translate") for window in foreign], spent
        )
        again: list[Window] = []
        for window, answer in zip(foreign, answers, strict=True):
            if runs_away(answer, options.gate):
                again.append(window)
            else:
                phrases[window.span] = answer.phrases
        foreign = again
    return [phrases.get(one.window.span, ()) for one in heard]
