"""The `words` stage of one recording: speech, language, windows, Whisper, the gate, coverage.

Written as if the recording were alone: `WordsHearing.hear` yields what it asks of the models and is sent the
answers, so that whoever runs it (`gpu.batching`) can answer many recordings together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np

from transcribe.confidence import Rate, as_decoded
from transcribe.coverage import cover
from transcribe.decoding import (
    FRAMES_PER_SECOND,
    MAX_FRAMES,
    Chances,
    Decode,
    Decoded,
    Encode,
    Encoded,
    Features,
    Output,
    Phrase,
    Plan,
    WhisperRequest,
    WhisperResult,
    padded_frames,
)
from transcribe.gate import (
    CAREFUL,
    Accept,
    Doubtful,
    Finding,
    Retry,
    doubts,
    findings,
    judge,
    runs_away,
)
from transcribe.languages import LanguageGuess, is_one_language, settle_languages
from transcribe.media import Audio, dominant_channel
from transcribe.open_speech import OpenSpeech, open_speech
from transcribe.options import WordsOptions
from transcribe.priming import Primer, adopt, make_primer
from transcribe.segments import HeardWindow, segments_of
from transcribe.spans import Span
from transcribe.speech import SAMPLES_PER_MS, Waveform, detect_digital_silence, detect_speech, let_go
from transcribe.transcript import ModelUse, Segment, WordsArtifact
from transcribe.vocabulary import NOTHING, Vocabulary
from transcribe.windows import Window, build_windows, split_window

FRAME_MS = 1_000 // FRAMES_PER_SECOND
# Of one recording at a time: 30 s take 1 MB of features, and 3 MB (base) to 8 MB (large) as the encoder gives them.
WINDOWS_AT_ONCE = 16


class Step(StrEnum):
    """Where an answer comes from: a window's first one, a retry, speech left open; and what stays in the end."""

    FIRST = "first"
    AGAIN = "again"
    RECOVERED = "recovered"
    IN_VAIN = "in_vain"  # speech left open, and no better for another answer
    SETTLED = "settled"


Watch = Callable[[Step, HeardWindow], None]


def look_away(_step: Step, _heard: HeardWindow) -> None:
    """Watches nothing."""


_Outputs = dict[Span, Output]
Hearing = Generator[Sequence[WhisperRequest], Sequence[WhisperResult], WordsArtifact]


class Recogniser(Protocol):
    """What `WordsHearing` needs to know of the model that answers it; `transcribe.whisper.Whisper` is one."""

    use: ModelUse

    @property
    def is_multilingual(self) -> bool: ...

    def features(self, samples: Waveform, n_frames: int) -> Features: ...

    def tokens(self, text: str) -> tuple[int, ...]: ...


@dataclass(slots=True)
class StageSeconds:
    """Wall time by stage of the report, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class _Attempt:
    window: Window
    tried: tuple[Plan, ...]
    answers: tuple[HeardWindow, ...] = ()


class WordsHearing:
    """Hears the words of recordings with given models and options; `hear` is one recording."""

    def __init__(
        self,
        recogniser: Recogniser,
        translator: Recogniser | None,
        voice_activity: ModelUse,
        options: WordsOptions,
        rate: Rate = as_decoded,
    ) -> None:
        """
        Args:
            translator: asked for English where another language is spoken; None: nobody is.
            voice_activity: the model `detect_speech` runs, for provenance.
            rate: how sure to be of each word; a `transcribe.confidence.Calibration` of the recogniser.
        """
        self._recogniser, self._translator = recogniser, translator
        self._voice_activity, self._options, self._rate = voice_activity, options, rate

    def hear(
        self,
        audio: Audio,
        spent: StageSeconds,
        vocabulary: Vocabulary = NOTHING,
        names: Sequence[str] = (),
        watch: Watch = look_away,
    ) -> Hearing:
        """Everything said in one recording, before anyone is told apart.

        Args:
            vocabulary: of the agency and the run. names: from what is known of this recording.
            spent: gets the seconds of `speech`, `transcribe` and `align`; of work shared with other
                recordings, this one's share.
            watch: is shown every answer, and what the gate found in it.
        """
        started = time.perf_counter()
        silent = detect_digital_silence(audio.waveform)
        speech = detect_speech(audio.waveform, self._options.speech, silent)
        spent.add("speech", time.perf_counter() - started)

        primer = make_primer(vocabulary, names, self._recogniser.tokens)
        segments: list[Segment] = []
        known: list[LanguageGuess] = []  # of the recording so far
        for some in _slices(build_windows(speech, [""] * len(speech), silent, self._options.windows), WINDOWS_AT_ONCE):
            languages, encoded = yield from self._languages(audio.waveform, some, known, spent)
            parts = [span for window in some for span in window.speech]
            windows = build_windows(parts, languages, silent, self._options.windows)
            heard = yield from self._decode(audio.waveform, windows, encoded, spent, watch)
            heard = yield from self._hear_open_speech(audio.waveform, heard, encoded, known, spent, watch)
            if primer:
                heard = yield from self._prime(primer, heard, encoded, spent)
            translations = yield from self._translate(audio.waveform, heard, encoded, spent)
            for one, translation in zip(heard, translations, strict=True):
                watch(Step.SETTLED, one)
                segments += segments_of(one, translation, self._rate)
            let_go(audio.waveform)
        segments = [replace(one, channel=dominant_channel(audio, one.span)) for one in segments]
        segments.sort(key=lambda segment: (segment.start_ms, segment.end_ms))

        trusted = [segment.span for segment in segments if "doubtful" not in segment.flags]
        uses = [self._voice_activity, self._recogniser.use]
        if self._translator and self._translator.use not in uses:
            uses.append(self._translator.use)
        if primer:
            options = {**self._recogniser.use.options, "vocabulary": primer.provenance}
            uses[1] = replace(self._recogniser.use, options=options)
        return WordsArtifact(
            audio.recording_id,
            audio.media,
            tuple(segments),
            cover(audio.media.duration_ms, speech, trusted, silent, audio.not_processed),
            tuple(uses),
        )

    def _languages(
        self, waveform: Waveform, windows: Sequence[Window], known: list[LanguageGuess], spent: StageSeconds
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], tuple[list[str], _Outputs]]:
        """The language (ISO 639-1) of each stretch of speech in windows that do not know theirs, and their encodings.

        A window in which nothing speaks against its one sure language is not looked at again. In any other, each
        stretch is heard alone: in company it takes after its neighbours.

        Args:
            known: guesses from earlier in the recording; gets those of these windows.
        """
        encoded = yield from self._encode(waveform, windows, spent)
        if not self._recogniser.is_multilingual:
            return ["en"] * sum(len(window.speech) for window in windows), {
                window.span: one.output for window, one in zip(windows, encoded, strict=True)
            }
        guesses: dict[Span, Chances] = {}
        unsure: list[Span] = []
        for window, one in zip(windows, encoded, strict=True):
            if is_one_language(one.language, zip(one.stretches, window.speech, strict=True)):
                guesses.update(dict.fromkeys(window.speech, one.language))
            else:
                unsure += window.speech
        guesses.update((yield from self._guess_languages(waveform, unsure, spent)))
        spans = [span for window in windows for span in window.speech]
        n_known = len(known)
        known += [LanguageGuess(guesses[span], span.duration_ms) for span in spans]
        outputs = {window.span: one.output for window, one in zip(windows, encoded, strict=True)}
        return settle_languages(known)[n_known:], outputs

    def _guess_languages(
        self, waveform: Waveform, spans: Sequence[Span], spent: StageSeconds
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], dict[Span, Chances]]:
        """The languages each span may be in, heard alone."""
        guesses: dict[Span, Chances] = {}
        for some in _slices(spans, WINDOWS_AT_ONCE):
            answers = yield [
                Encode(self._recogniser.features(_cut(waveform, span), padded_frames(span.duration_ms, 0)))
                for span in some
            ]
            for span, answer in zip(some, answers, strict=True):
                assert isinstance(answer, Encoded)
                guesses[span] = answer.language
                spent.add("transcribe", answer.seconds)
        return guesses

    def _encode(
        self, waveform: Waveform, windows: Sequence[Window], spent: StageSeconds, full: bool = False
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[Encoded]]:
        answers = yield [self._encoding(self._recogniser, waveform, window, full) for window in windows]
        encoded = [answer for answer in answers if isinstance(answer, Encoded)]
        for one in encoded:
            spent.add("transcribe", one.seconds)
        return encoded

    def _decode(
        self,
        waveform: Waveform,
        windows: Sequence[Window],
        outputs: _Outputs,
        spent: StageSeconds,
        watch: Watch,
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[HeardWindow]]:
        """Windows through decoder and gate until each is settled; in order of their start, some of them split.

        Args:
            outputs: encodings that are there already, by the window's span; gets the others.
        """
        settled: list[HeardWindow] = []
        attempts = [_Attempt(window, (self._options.decoding.plan,)) for window in windows]
        while attempts:
            missing = [one.window for one in attempts if one.tried[-1].full or one.window.span not in outputs]
            # Attempts of one round are all the first, or all careful ones.
            encoded = yield from self._encode(waveform, missing, spent, attempts[0].tried[-1].full)
            for window, one in zip(missing, encoded, strict=True):
                outputs[window.span] = one.output
            answers = yield from _decoded(
                [
                    Decode(outputs[one.window.span], _frames(one.window.span), one.window.language, one.tried[-1])
                    for one in attempts
                ],
                spent,
            )
            again: list[_Attempt] = []
            for attempt, answer in zip(attempts, answers, strict=True):
                found = findings(answer, attempt.window, self._options.gate)
                heard = HeardWindow(attempt.window, answer, found, self._doubts(attempt.window, answer, found))
                watch(Step.FIRST if len(attempt.tried) == 1 else Step.AGAIN, heard)
                match judge(found, attempt.tried, attempt.window):
                    case Accept() | Doubtful():
                        best = min((*attempt.answers, heard), key=_suspicion)
                        settled.append(
                            replace(
                                best, doubts=tuple(doubts(best.decoded, best.window, best.found, self._options.gate))
                            )
                        )
                    case Retry(plan, split):
                        parts = split_window(attempt.window) if split else [attempt.window]
                        kept = () if split else (*attempt.answers, heard)
                        again += [_Attempt(part, (*attempt.tried, plan), kept) for part in parts]
            attempts = again
        return sorted(settled, key=lambda heard: heard.window.span)

    def _hear_open_speech(
        self,
        waveform: Waveform,
        heard: Sequence[HeardWindow],
        outputs: _Outputs,
        known: Sequence[LanguageGuess],
        spent: StageSeconds,
        watch: Watch,
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[HeardWindow]]:
        """Speech the answers leave open, heard for itself: what is believed then is added, or replaces what was not.

        Words that are doubted are heard again only where they may be in another language: in the same one, a second
        answer is as bad as the first.

        Args:
            outputs: gets the encodings of what is added.
        """
        options = self._options.gate
        left_open = [
            (number, one)
            for number, whole in enumerate(heard)
            for one in open_speech(
                whole.decoded, whole.window, [bool(some) for some in whole.doubts], options.missed_ms
            )
        ]
        spans = [one.window.span for _, one in left_open]
        guesses = yield from self._guess_languages(waveform, spans if self._recogniser.is_multilingual else [], spent)
        again: list[tuple[int, OpenSpeech, Window]] = []
        for number, one in left_open:
            language = one.window.language
            if guess := guesses.get(one.window.span):
                language = settle_languages([*known, LanguageGuess(guess, one.window.span.duration_ms)])[-1]
            if not one.phrases or language != one.window.language:
                again.append((number, one, replace(one.window, language=language)))

        replaced: dict[int, set[int]] = {}
        added: list[HeardWindow] = []
        for some in _slices(again, WINDOWS_AT_ONCE):
            windows = [window for _, _, window in some]
            encoded = yield from self._encode(waveform, windows, spent, full=True)
            made = [one.output for one in encoded]
            answers = yield from _decoded(
                [
                    Decode(output, _frames(window.span), window.language, CAREFUL)
                    for window, output in zip(windows, made, strict=True)
                ],
                spent,
            )
            for (number, one, window), output, answer in zip(some, made, answers, strict=True):
                found = findings(answer, window, options)
                new = HeardWindow(window, answer, found, self._doubts(window, answer, found))
                better = bool(answer.words) and not found and not any(new.doubts)
                watch(Step.RECOVERED if better else Step.IN_VAIN, new)
                if better:
                    replaced.setdefault(number, set()).update(one.phrases)
                    added.append(new)
                    outputs[window.span] = output
        kept = [whole.without(replaced.get(number, set())) for number, whole in enumerate(heard)]
        return sorted([*kept, *added], key=lambda one: one.window.span)

    def _prime(
        self, primer: Primer, heard: Sequence[HeardWindow], outputs: _Outputs, spent: StageSeconds
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[HeardWindow]]:
        """Settled windows heard once more with the vocabulary; an answer that is more suspicious changes nothing.

        Windows in which nothing was heard are left alone: names would be written into noise.
        """
        plan = self._options.decoding.plan
        spoken = [one for one in heard if one.decoded.phrases]
        answers = yield from _decoded(
            [
                Decode(
                    outputs[one.window.span], _frames(one.window.span), one.window.language, plan, prompt=primer.prompt
                )
                for one in spoken
            ],
            spent,
        )
        primed: dict[Span, HeardWindow] = {}
        for one, answer in zip(spoken, answers, strict=True):
            if findings(answer, one.window, self._options.gate) <= one.found:
                primed[one.window.span] = replace(one, decoded=adopt(one.decoded, answer, primer.vocabulary))
        return [primed.get(one.window.span, one) for one in heard]

    def _translate(
        self, waveform: Waveform, heard: Sequence[HeardWindow], outputs: _Outputs, spent: StageSeconds
    ) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[tuple[Phrase, ...]]]:
        """English phrases for each window in another language; none where it is English or nothing was said."""
        translator = self._translator
        if translator is None:
            return [()] * len(heard)
        phrases: dict[Span, tuple[Phrase, ...]] = {}
        foreign = [one.window for one in heard if one.window.language != "en" and one.decoded.phrases]
        for plan in (self._options.decoding.plan, CAREFUL):
            if not foreign:
                break
            if translator is self._recogniser and not plan.full:
                encoded = [outputs[window.span] for window in foreign]
            else:
                encodings = yield [
                    replace(self._encoding(translator, waveform, window, plan.full), by_translator=True)
                    for window in foreign
                ]
                encoded = [one.output for one in encodings if isinstance(one, Encoded)]
            answers = yield from _decoded(
                [
                    Decode(output, _frames(window.span), window.language, plan, "translate")
                    for window, output in zip(foreign, encoded, strict=True)
                ],
                spent,
            )
            again: list[Window] = []
            for window, answer in zip(foreign, answers, strict=True):
                if runs_away(answer, self._options.gate):
                    again.append(window)
                else:
                    phrases[window.span] = answer.phrases
            foreign = again
        return [phrases.get(one.window.span, ()) for one in heard]

    def _doubts(self, window: Window, answer: Decoded, found: frozenset[Finding]) -> tuple[frozenset[Finding], ...]:
        return tuple(doubts(answer, window, found, self._options.gate))

    def _encoding(self, model: Recogniser, waveform: Waveform, window: Window, full: bool) -> Encode:
        pad_ms = self._options.decoding.pad_ms
        n_frames = MAX_FRAMES if full else padded_frames(window.span.duration_ms, pad_ms)
        stretches = tuple(
            ((span.start_ms - window.span.start_ms) // FRAME_MS, (span.end_ms - window.span.start_ms) // FRAME_MS)
            for span in window.speech
            if not window.language
        )
        return Encode(model.features(_cut(waveform, window.span), n_frames), stretches)


def _decoded(
    requests: Sequence[Decode], spent: StageSeconds
) -> Generator[Sequence[WhisperRequest], Sequence[WhisperResult], list[Decoded]]:
    """The answers, their time accounted for."""
    answers = yield requests
    decoded = [answer for answer in answers if isinstance(answer, Decoded)]
    for one in decoded:
        spent.add("transcribe", one.seconds)
        spent.add("align", one.align_seconds)
    return decoded


def _suspicion(heard: HeardWindow) -> tuple[int, float]:
    return (len(heard.found), -heard.decoded.avg_logprob)


def _frames(span: Span) -> int:
    return min(MAX_FRAMES, math.ceil(span.duration_ms / FRAME_MS))


T = TypeVar("T")


def _slices(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(of), size):
        yield of[first : first + size]


def _cut(waveform: Waveform, span: Span) -> Waveform:
    return np.ascontiguousarray(waveform[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS])
