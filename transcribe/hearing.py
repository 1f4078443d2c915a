"""The `words` stage of one recording: speech, language, windows, Whisper, the gate, coverage.

Written as if the recording were alone: `WordsHearing.hear` yields what it asks of the models and is sent the
answers, so that whoever runs it (`gpu.batching`) can answer many recordings together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from transcribe.asking import (
    WINDOWS_AT_ONCE,
    Asking,
    Outputs,
    Recogniser,
    ask_decoder,
    ask_encoder,
    cut,
    slices,
    to_decode,
    to_encode,
)
from transcribe.confidence import Rate, as_decoded
from transcribe.coverage import cover
from transcribe.decoding import Chances, Decoded, Encode, Encoded, Phrase, Plan, padded_frames
from transcribe.gate import CAREFUL, Accept, Doubtful, Finding, Retry, doubts, findings, judge
from transcribe.languages import LanguageGuess, is_one_language, settle_languages
from transcribe.media import Audio, dominant_channel
from transcribe.open_speech import OpenSpeech, open_speech
from transcribe.options import WordsOptions
from transcribe.priming import Primer, adopt, make_primer
from transcribe.segments import HeardWindow, segments_of
from transcribe.spans import Span
from transcribe.speech import Waveform, detect_digital_silence, detect_speech, let_go
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse, Segment, WordsArtifact
from transcribe.translating import translate
from transcribe.vocabulary import NOTHING, Vocabulary
from transcribe.windows import Window, build_windows, split_window


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


Hearing = Asking[WordsArtifact]


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
        for some in slices(build_windows(speech, [""] * len(speech), silent, self._options.windows), WINDOWS_AT_ONCE):
            languages, outputs = yield from self._languages(audio.waveform, some, known, spent)
            parts = [span for window in some for span in window.speech]
            windows = build_windows(parts, languages, silent, self._options.windows)
            heard = yield from self._decode(audio.waveform, windows, outputs, spent, watch)
            heard = yield from self._hear_open_speech(audio.waveform, heard, outputs, known, spent, watch)
            if primer:
                heard = yield from self._prime(primer, heard, outputs, spent)
            translations: list[tuple[Phrase, ...]] = [()] * len(heard)
            if translator := self._translator:
                known_to_it = outputs if translator is self._recogniser else {}
                translations = yield from translate(
                    translator, audio.waveform, heard, known_to_it, self._options, spent
                )
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
    ) -> Asking[tuple[list[str], Outputs]]:
        """The language (ISO 639-1) of each stretch of speech in windows that do not know theirs, and their encodings.

        A window in which nothing speaks against its one sure language is not looked at again. In any other, each
        stretch is heard alone: in company it takes after its neighbours.

        Args:
            known: guesses from earlier in the recording; gets those of these windows.
        """
        encoded = yield from self._encode(waveform, windows, spent)
        outputs = {window.span: one.output for window, one in zip(windows, encoded, strict=True)}
        if not self._recogniser.is_multilingual:
            return ["en"] * sum(len(window.speech) for window in windows), outputs
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
        return settle_languages(known)[n_known:], outputs

    def _guess_languages(
        self, waveform: Waveform, spans: Sequence[Span], spent: StageSeconds
    ) -> Asking[dict[Span, Chances]]:
        """The languages each span may be in, heard alone."""
        guesses: dict[Span, Chances] = {}
        for some in slices(spans, WINDOWS_AT_ONCE):
            encoded = yield from ask_encoder(
                [
                    Encode(self._recogniser.features(cut(waveform, span), padded_frames(span.duration_ms, 0)))
                    for span in some
                ],
                spent,
            )
            guesses.update({span: one.language for span, one in zip(some, encoded, strict=True)})
        return guesses

    def _encode(
        self, waveform: Waveform, windows: Sequence[Window], spent: StageSeconds, full: bool = False
    ) -> Asking[list[Encoded]]:
        model, pad_ms = self._recogniser, self._options.decoding.pad_ms
        return (yield from ask_encoder([to_encode(model, waveform, window, pad_ms, full) for window in windows], spent))

    def _decode(
        self,
        waveform: Waveform,
        windows: Sequence[Window],
        outputs: Outputs,
        spent: StageSeconds,
        watch: Watch,
    ) -> Asking[list[HeardWindow]]:
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
            answers = yield from ask_decoder(
                [to_decode(outputs[one.window.span], one.window, one.tried[-1]) for one in attempts], spent
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
        outputs: Outputs,
        known: Sequence[LanguageGuess],
        spent: StageSeconds,
        watch: Watch,
    ) -> Asking[list[HeardWindow]]:
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
        for some in slices(again, WINDOWS_AT_ONCE):
            windows = [window for _, _, window in some]
            encoded = yield from self._encode(waveform, windows, spent, full=True)
            made = [one.output for one in encoded]
            answers = yield from ask_decoder(
                [to_decode(output, window, CAREFUL) for window, output in zip(windows, made, strict=True)], spent
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
        self, primer: Primer, heard: Sequence[HeardWindow], outputs: Outputs, spent: StageSeconds
    ) -> Asking[list[HeardWindow]]:
        """Settled windows heard once more with the vocabulary; an answer that is more suspicious changes nothing.

        Windows in which nothing was heard are left alone: names would be written into noise.
        """
        plan = self._options.decoding.plan
        spoken = [one for one in heard if one.decoded.phrases]
        answers = yield from ask_decoder(
            [to_decode(outputs[one.window.span], one.window, plan, prompt=primer.prompt) for one in spoken], spent
        )
        primed: dict[Span, HeardWindow] = {}
        for one, answer in zip(spoken, answers, strict=True):
            if findings(answer, one.window, self._options.gate) <= one.found:
                primed[one.window.span] = replace(one, decoded=adopt(one.decoded, answer, primer.vocabulary))
        return [primed.get(one.window.span, one) for one in heard]

    def _doubts(self, window: Window, answer: Decoded, found: frozenset[Finding]) -> tuple[frozenset[Finding], ...]:
        return tuple(doubts(answer, window, found, self._options.gate))


def _suspicion(heard: HeardWindow) -> tuple[int, float]:
    return (len(heard.found), -heard.decoded.avg_logprob)
