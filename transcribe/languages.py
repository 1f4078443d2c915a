"""Which language each stretch of speech is in, from the model's guesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transcribe.spans import Span

LEAST_DETECTABLE_MS = 1_000  # language detection on less speech is a coin toss
# Share of the probability among the languages spoken. At 0.7, seven seconds of Spanish (0.68) took after the English
# beside them; at 0.55, turns of three voices got worse (WER 10.2, 10.2 and 11.8 % at 0.7, 0.6 and 0.55).
CLEAR_LANGUAGE = 0.6
SURE_LANGUAGE = 0.9  # noisy English passes for Welsh at 0.8 (dev patrol d07), real second languages reach 0.95
ONE_LANGUAGE = 0.95  # of a whole window: dev windows in two languages reach 0.92, most in one 0.97
SURE_SPEECH_MS = 2_500  # so much sure speech makes a language one that is spoken in the recording


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """The language of one speech span: probabilities by language, and how long it was."""

    probabilities: dict[str, float]
    duration_ms: int


def is_one_language(whole: Mapping[str, float], stretches: Iterable[tuple[Mapping[str, float], Span]]) -> bool:
    """Whether a window is in one sure language, and no stretch of speech in it is surely in another.

    A stretch guessed from its part of the window's encoding is mostly unsure, and right where it is sure (dev).

    Args:
        whole: probabilities of the window as a whole.
        stretches: those of each stretch, and where it is.
    """
    main = max(whole, key=lambda language: (whole[language], language))
    return whole[main] >= ONE_LANGUAGE and not any(
        chance >= SURE_LANGUAGE and language != main and span.duration_ms >= LEAST_DETECTABLE_MS
        for chances, span in stretches
        for language, chance in chances.items()
    )


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
