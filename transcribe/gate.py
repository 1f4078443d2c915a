"""The safety gate: which decoded windows to believe, which to decode again and how, which to mark.

Batched decoders usually drop Whisper's safety nets; here they are rules of their own, without a model, so that
what each one catches can be counted (`python -m benchmarks.transcribe`). Retries go back into the batches.
Nothing is decoded by chance: sampling at a higher temperature, Whisper's own way out of a loop, would make
a transcript depend on what else was in its batch.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from transcribe.decoding import Decoded, Phrase, Plan, TimedWord
from transcribe.windows import Window

MOST_TIMES = 2  # what is left of a loop of a few words: people do say "drop it, drop it"
WHOLE_SENTENCE = 4  # words; a loop this long is left once
LONGEST_LOOP = 12  # words
LONGEST_WORD = 40  # letters

# Sentences Whisper learned from subtitles and writes where nothing is said (of the kind reported by
# Koenecke et al. 2024, "Careless Whisper", and Baranski et al. 2025, "Whisper hallucinations on non-speech").
KNOWN_PHRASES = frozenset(
    {
        "thank you",
        "thank you for watching",
        "thank you so much for watching",
        "thank you very much",
        "thanks for watching",
        "please subscribe",
        "subscribe to my channel",
        "like and subscribe",
        "see you next time",
        "see you in the next video",
        "bye",
        "bye bye",
        "you",
        "so",
        "i'm sorry",
        "the end",
        "gracias",
        "gracias por ver el video",
        "suscríbete",
        "subtítulos realizados por la comunidad de amara.org",
        "subtitles by the amara.org community",
    }
)


class Finding(StrEnum):
    """Why a decoded window is suspicious."""

    UNLIKELY = "unlikely"  # low average log probability
    NOBODY = "nobody"  # the model doubts that anybody speaks, and its words
    REPETITIVE = "repetitive"  # compresses like a loop
    LOOP = "loop"  # the same few words over and over
    HASTY = "hasty"  # more words than anybody can say in the time
    CUT_OFF = "cut_off"  # stopped by the length limit
    OUTSIDE = "outside"  # most of its words lie outside of detected speech
    PHRASE = "phrase"  # nothing but a sentence Whisper writes into noise
    SPARSE = "sparse"  # much speech, hardly a word
    GUESSED = "guessed"  # a phrase whose words the model itself believes in less than one time in three


UNHEARD = frozenset({Finding.NOBODY, Finding.GUESSED})  # not written down: the speech is covered `unintelligible`
LOST = frozenset({Finding.REPETITIVE, Finding.LOOP, Finding.CUT_OFF})  # the decoder, somewhere in the window


@dataclass(frozen=True, slots=True)
class GateOptions:
    """Thresholds. log_prob, no_speech and compression are openai/whisper's own (transcribe.py).

    phrase_log_prob: mean log probability of a phrase's words below which it is doubted. On dev `patrol` and the mixes
    made of it, a quarter of the words in such phrases are right, of those in all others nine of ten
    (`benchmarks.transcribe`, "What the gate found").
    guess_log_prob: the same, of phrases of three words or more; one in six of their words is right, and most of what is
    written where nobody says anything is such a guess.
    repeated_per_second: words; nobody says a sentence twice that fast.
    missed_ms: so much speech between believed words, without a word in it, is heard again.
    """

    log_prob: float = -1.0
    no_speech: float = 0.6
    compression: float = 2.4
    loop_words: int = 4
    words_per_second: float = 7.0
    phrase_no_speech: float = 0.2
    sparse_words_per_second: float = 0.5
    sparse_speech_ms: int = 4_000
    phrase_log_prob: float = -0.7
    guess_log_prob: float = -1.0
    repeated_per_second: float = 6.0
    missed_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Accept:
    """Believe it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Decode the window again; halved at its longest pause when `split`."""

    plan: Plan
    split: bool = False


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Keep it, and say that it may not have been said."""


CAREFUL = Plan(full=True, beam_size=5)
Verdict = Accept | Retry | Doubtful


def judge(found: frozenset[Finding], tried: Sequence[Plan], window: Window) -> Verdict:
    """What to do with a window: believed, or decoded with care, then in halves, then marked.

    Args:
        found: what is suspicious in the last answer.
        tried: the plans of this window so far, the last one included.
    """
    if not found:
        return Accept()
    if CAREFUL not in tried:
        return Retry(CAREFUL)
    in_parts = found & (LOST | {Finding.SPARSE})
    if in_parts and len(window.speech) > 1 and tried.count(CAREFUL) == 1:
        return Retry(CAREFUL, split=True)
    return Doubtful()


def findings(decoded: Decoded, window: Window, options: GateOptions) -> frozenset[Finding]:
    """Everything suspicious about what was decoded in a window."""
    found: set[Finding] = set()
    text = decoded.text
    words = text.split()
    speech_s = sum(span.duration_ms for span in window.speech) / 1000
    if decoded.at_limit:
        found.add(Finding.CUT_OFF)
    if 1000 * speech_s >= options.sparse_speech_ms and len(words) < options.sparse_words_per_second * speech_s:
        found.add(Finding.SPARSE)
    if not words:
        return frozenset(found)
    if decoded.avg_logprob < options.log_prob:
        found.add(Finding.UNLIKELY)
        if decoded.no_speech > options.no_speech:
            found.add(Finding.NOBODY)
    if compression_ratio(text) > options.compression:
        found.add(Finding.REPETITIVE)
    if longest_loop(words) >= options.loop_words:
        found.add(Finding.LOOP)
    if len(words) > 3 and len(words) > options.words_per_second * max(speech_s, 0.5):
        found.add(Finding.HASTY)
    if _outside(decoded.words, window) > 0.5:
        found.add(Finding.OUTSIDE)
    if decoded.no_speech > options.phrase_no_speech and _bare(text) in KNOWN_PHRASES:
        found.add(Finding.PHRASE)
    return frozenset(found)


def doubts(
    decoded: Decoded, window: Window, found: frozenset[Finding], options: GateOptions
) -> list[frozenset[Finding]]:
    """What is suspicious about each phrase of an answer that is going to stay.

    A window may be wrong in one sentence and right in the next; only where its findings cannot be pinned to any
    phrase are all of them doubted.

    Args:
        found: what `findings` says about the whole.
    """
    each = [_phrase_findings(decoded.phrases, number, window, options) for number in range(len(decoded.phrases))]
    if decoded.at_limit and each:
        each[-1] |= {Finding.CUT_OFF}
    for place in range(1, len(each)):  # the same again is no better
        if _bare(decoded.phrases[place].text) == _bare(decoded.phrases[place - 1].text):
            each[place] |= each[place - 1]
    # A loop that two ways of decoding agree upon, in a time in which it can be said, was said: people shout.
    whole = found - {Finding.SPARSE, Finding.LOOP}
    return [whole] * len(each) if whole and not any(each) else each


def _phrase_findings(
    phrases: Sequence[Phrase], number: int, window: Window, options: GateOptions
) -> frozenset[Finding]:
    phrase = phrases[number]
    words = [word for word in phrase.words if word.text.strip()]
    if not words:
        return frozenset()
    found: set[Finding] = set()
    believed = log_prob([phrase])
    if believed < options.phrase_log_prob:
        found.add(Finding.UNLIKELY)
    if believed < options.guess_log_prob and len(words) > 2:
        found.add(Finding.GUESSED)
    lasts_s = max(word.end_s for word in words) - min(word.start_s for word in words)
    if len(words) > 2 and len(words) > options.words_per_second * 1.5 * lasts_s:
        found.add(Finding.HASTY)
    if compression_ratio(phrase.text) > options.compression:
        found.add(Finding.REPETITIVE)
    spoken = phrase.text.replace("-", " ").split()
    if Finding.UNLIKELY in found and longest_loop(spoken) >= options.loop_words:
        found.add(Finding.LOOP)
    if _kept(spoken).count(False) >= WHOLE_SENTENCE and len(words) > options.repeated_per_second * lasts_s:
        found.add(Finding.LOOP)
    same = sum(_bare(one.text) == _bare(phrase.text) for one in phrases[max(0, number - 2) : number])
    if len(words) >= WHOLE_SENTENCE and same >= (1 if Finding.HASTY in found else 2):
        found.add(Finding.LOOP)
    if _outside(phrase.words, window) > 0.5:
        found.add(Finding.OUTSIDE)
    return frozenset(found)


def log_prob(phrases: Sequence[Phrase]) -> float:
    """Mean natural logarithm of the probabilities of the words; -inf without any."""
    chances = [max(1e-9, word.probability) for phrase in phrases for word in phrase.words if word.text.strip()]
    return sum(map(math.log, chances)) / len(chances) if chances else -math.inf


def runs_away(decoded: Decoded, options: GateOptions) -> bool:
    """Whether the decoder lost its way: stopped by the limit, or in a loop."""
    text = decoded.text
    return (
        decoded.at_limit
        or compression_ratio(text) > options.compression
        or longest_loop(text.split()) >= options.loop_words
    )


def shorten_loops(decoded: Decoded, lost: Sequence[bool]) -> Decoded:
    """The same without what a decoder that lost its way repeats.

    Each run of the same few words is left `MOST_TIMES` long: people do shout them again and again, so a loop is
    shortened, not forgotten. A run of the same sentence is left once. Words of impossible length, loops of letters,
    go.

    Args:
        lost: per phrase, whether it may be shortened; other phrases stay as they are.

    Returns:
        As many phrases, some of them perhaps without a word.
    """
    kept = iter(_kept([word.text for word in decoded.words]))
    phrases = []
    for phrase, may_shorten in zip(decoded.phrases, lost, strict=True):
        stays = [next(kept) for _word in phrase.words]
        mine = tuple(word for word, stay in zip(phrase.words, stays, strict=True) if stay or not may_shorten)
        if mine != phrase.words:
            phrase = replace(phrase, words=mine, text="".join(word.text for word in mine).strip())
        phrases.append(phrase)
    return replace(decoded, phrases=tuple(phrases))


def _kept(texts: Sequence[str]) -> list[bool]:
    """Which words are left of a loop."""
    words = [_bare(text) for text in texts]
    keep = [len(word) <= LONGEST_WORD for word in words]
    for length in range(1, LONGEST_LOOP + 1):
        spared = 0 if length >= WHOLE_SENTENCE else (MOST_TIMES - 1) * length
        at = length
        while at < len(words):
            end = at
            while end < len(words) and words[end] == words[end - length]:
                end += 1
            if end - at >= length:
                keep[at + spared : end] = [False] * (end - at - spared)
            at = end + 1
    return keep


def compression_ratio(text: str) -> float:
    """Length in UTF-8 over its length compressed, as openai/whisper measures repetition; 0 for no text."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def longest_loop(words: Sequence[str]) -> int:
    """How many times in a row the same one to four words come, at most; 0 for no words."""
    plain = [_bare(word) for word in words]
    longest = min(1, len(plain))
    for length in range(1, 5):
        same = 0  # places in a row that equal the place `length` words before
        for at in range(length, len(plain)):
            same = same + 1 if plain[at] == plain[at - length] else 0
            longest = max(longest, 1 + same // length)
    return longest


def _outside(words: Sequence[TimedWord], window: Window) -> float:
    """Share of the words that touch no detected speech."""
    if not words:
        return 0.0
    spans = [(one.start_ms - window.span.start_ms, one.end_ms - window.span.start_ms) for one in window.speech]
    n_outside = sum(
        not any(start < 1000 * word.end_s + 1 and end > 1000 * word.start_s for start, end in spans) for word in words
    )
    return n_outside / len(words)


def _bare(text: str) -> str:
    return re.sub(r"[^\w\s'.@]", "", text).strip(" .'").lower()
