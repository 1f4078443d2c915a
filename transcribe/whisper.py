"""Whisper on CTranslate2: batches of windows in, tokens with their scores and times out.

Everything a request's answer depends on is in the request, the padded length included: a window reads the
same alone and in any batch (measured for int8 on CPU; at another padded length its score changes).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transcribe.decoding import (
    FRAMES_PER_SECOND,
    MAX_TOKENS,
    Chances,
    Decode,
    Decoded,
    Encode,
    Encoded,
    Features,
    Output,
    Phrase,
    TimedWord,
    WhisperRequest,
    WhisperResult,
)
from transcribe.errors import ModelUnusable
from transcribe.speech import Waveform
from transcribe.transcript import ModelUse

if TYPE_CHECKING:
    from faster_whisper.tokenizer import Tokenizer

TIMESTAMP_SECONDS = 0.02

# Fast speech is 6 tokens a second, a timestamp pair for each sentence included. A decoder that runs away stops
# here instead of holding up its batch until Whisper's own limit of 448.
TOKENS_PER_SECOND = 10
SPARE_TOKENS = 24
STRETCHES_AT_ONCE = 32

# Of a stretch, so much is looked at to guess its language: the encoder has seen the whole window already.
STRETCH_FRAMES = 300
STRETCH_STEP = 50  # stretches are cut to multiples of half a second, so that they can be asked together


class Whisper:
    """A Whisper model in memory; several threads may ask it at once."""

    def __init__(
        self,
        directory: Path,
        model: ModelUse,
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 0,
        runners: int = 1,
        devices: Sequence[int] = (0,),
    ) -> None:
        """Load the CTranslate2 model in `directory`.

        Args:
            threads: for each batch, on the CPU.
            runners: batches that may run at once on one device.
            devices: indices of the GPUs that hold the model each; whichever is free takes the next batch.

        Raises:
            ModelUnusable: the folder does not hold a Whisper model this build can run.
        """
        import ctranslate2
        import tokenizers
        from faster_whisper.feature_extractor import FeatureExtractor

        try:
            self._model = ctranslate2.models.Whisper(
                str(directory),
                device=device,
                device_index=list(devices),
                compute_type=compute_type,
                intra_threads=threads,
                inter_threads=runners,
            )
            self._tokens = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:  # tokenizers raises a bare Exception
            raise ModelUnusable(model.name, str(error)) from error
        self.use = model
        self._extractor = FeatureExtractor(feature_size=self._model.n_mels)
        self._tokenizers: dict[tuple[str, str], Tokenizer] = {}

    @property
    def is_multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    def features(self, samples: Waveform, n_frames: int) -> Features:
        """Log-mel features of 16 kHz samples, padded or cut to `n_frames`."""
        found = self._extractor(samples)[:, :n_frames]
        padded = np.zeros((found.shape[0], n_frames), np.float32)
        padded[:, : found.shape[1]] = found
        return padded

    def tokens(self, text: str) -> tuple[int, ...]:
        """`text` as the model writes it, without marks of its own: for `Decode.prompt`."""
        return tuple(self._tokens.encode(text, add_special_tokens=False).ids)

    def answer(self, requests: Sequence[WhisperRequest]) -> Sequence[WhisperResult]:
        """Answers to requests of one bucket, in order."""
        if isinstance(requests[0], Encode):
            return self.encode([one for one in requests if isinstance(one, Encode)])
        return self._decode([one for one in requests if isinstance(one, Decode)])

    def generate(self, requests: Sequence[Decode]) -> tuple[Any, list[Any]]:
        """The decoder alone: encoder outputs as one batch, and CTranslate2's results."""
        first = requests[0]
        batch = _batch([request.encoded for request in requests])
        prompts = [self._start(request) for request in requests]
        found = self._model.generate(
            batch,
            prompts,
            beam_size=first.plan.beam_size,
            # CTranslate2 writes at most half of `max_length`, and no more than is left of it behind the prompt.
            max_length=max(2 * self._room(first), self._room(first) + len(prompts[0]) - 1),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        return batch, found

    def encode(self, requests: Sequence[Encode]) -> list[WhisperResult]:
        """The encoder, and guesses at the language from its outputs."""
        started = time.perf_counter()
        encoded = self._model.encode(_batch([request.features for request in requests]), to_cpu=True)
        outputs = np.asarray(encoded)
        whole: list[Chances] = [{} for _ in requests]
        stretches: list[tuple[Chances, ...]] = [() for _ in requests]
        if self.is_multilingual:
            whole = self._languages(encoded)
            stretches = self._stretches(outputs, requests)
        seconds = (time.perf_counter() - started) / len(requests)
        return [
            Encoded(output.copy(), language, parts, seconds)  # a copy: a view would keep the whole batch in memory
            for output, language, parts in zip(outputs, whole, stretches, strict=True)
        ]

    def _stretches(self, outputs: Output, requests: Sequence[Encode]) -> list[tuple[Chances, ...]]:
        """The language of every stretch; those of one length are asked together."""
        by_length: dict[int, list[tuple[int, int, int]]] = {}
        for place, request in enumerate(requests):
            for number, (first, last) in enumerate(request.stretches):
                length = max(STRETCH_STEP, min(STRETCH_FRAMES, last - first) // STRETCH_STEP * STRETCH_STEP)
                start = max(0, min(first, 2 * outputs.shape[1] - length))
                by_length.setdefault(length, []).append((place, number, start))
        found: dict[tuple[int, int], Chances] = {}
        for length, some in by_length.items():
            for part in (some[at : at + STRETCHES_AT_ONCE] for at in range(0, len(some), STRETCHES_AT_ONCE)):
                cut = _batch([outputs[place, start // 2 : (start + length) // 2] for place, _, start in part])
                for (place, number, _), chances in zip(part, self._languages(cut), strict=True):
                    found[place, number] = chances
        return [
            tuple(found[place, number] for number in range(len(request.stretches)))
            for place, request in enumerate(requests)
        ]

    def _languages(self, batch: Any) -> list[Chances]:
        ranked = self._model.detect_language(batch)
        return [{token[2:-2]: chance for token, chance in one[:8]} for one in ranked]

    def _decode(self, requests: Sequence[Decode]) -> list[WhisperResult]:
        started = time.perf_counter()
        batch, found = self.generate(requests)
        seconds = (time.perf_counter() - started) / len(requests)
        tokens = [list(one.sequences_ids[0]) for one in found]
        started = time.perf_counter()
        timed = requests[0].task == "transcribe"
        words = self._align(batch, requests, tokens) if timed else [[] for _ in requests]
        align_seconds = (time.perf_counter() - started) / len(requests)
        return [
            Decoded(
                _phrases(self._tokenizer(request), ids, some, request.n_frames / FRAMES_PER_SECOND),
                one.scores[0] * len(ids) / (len(ids) + 1),
                one.no_speech_prob,
                len(ids) >= self._room(request),
                seconds,
                align_seconds,
            )
            for request, one, ids, some in zip(requests, found, tokens, words, strict=True)
        ]

    def _align(
        self, batch: Any, requests: Sequence[Decode], tokens: Sequence[list[int]]
    ) -> list[list[tuple[TimedWord, int]]]:
        """Words with their number of tokens, per request; `align` takes one language at a time."""
        aligned: list[list[tuple[TimedWord, int]]] = [[] for _ in requests]
        by_language: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            if _text_tokens(tokens[place], self._end):
                by_language.setdefault(request.language, []).append(place)
        for places in by_language.values():
            tokenizer = self._tokenizer(requests[places[0]])
            part = batch if len(places) == len(requests) else _batch([requests[place].encoded for place in places])
            texts = [_text_tokens(tokens[place], self._end) for place in places]
            n_frames = [requests[place].n_frames for place in places]
            found = self._model.align(part, tokenizer.sot_sequence, texts, n_frames)
            for place, text, one in zip(places, texts, found, strict=True):
                aligned[place] = _timed_words(tokenizer, text, one)
        return aligned

    def _start(self, request: Decode) -> list[int]:
        """What the decoder is given before the first token it writes."""
        tokenizer = self._tokenizer(request)
        prompt = [tokenizer.sot_prev, *request.prompt] if request.prompt else []
        return [*prompt, *tokenizer.sot_sequence]

    def _room(self, request: Decode) -> int:
        """The most tokens that may be written for a window of this padded length, and for what the prompt leaves."""
        wanted = SPARE_TOKENS + TOKENS_PER_SECOND * 2 * len(request.encoded) // FRAMES_PER_SECOND
        return min(wanted, MAX_TOKENS // 2, MAX_TOKENS + 1 - len(self._start(request)))

    def _tokenizer(self, request: Decode) -> Tokenizer:
        return self._tokenizer_of(request.language, request.task)

    def _tokenizer_of(self, language: str, task: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        key = (language, task)
        if key not in self._tokenizers:
            self._tokenizers[key] = Tokenizer(self._tokens, self.is_multilingual, task, language)
        return self._tokenizers[key]

    @cached_property
    def _end(self) -> int:
        return int(self._tokenizer_of("en", "transcribe").eot)

    @cached_property
    def _suppressed(self) -> list[int]:
        """Tokens that are no speech: other tasks, tags, brackets, music notes (as in openai/whisper, decoding.py)."""
        from faster_whisper.transcribe import get_suppressed_tokens

        return list(get_suppressed_tokens(self._tokenizer_of("en", "transcribe"), [-1]) or ())


def encoder(directory: Path, model_name: str) -> Callable[[str], tuple[int, ...]]:
    """`Whisper.tokens` of the model in `directory`, without loading more of it.

    Raises:
        ModelUnusable: there is no tokenizer in the folder.
    """
    import tokenizers

    try:
        found = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    except Exception as error:  # tokenizers raises a bare Exception
        raise ModelUnusable(model_name, str(error)) from error
    return lambda text: tuple(found.encode(text, add_special_tokens=False).ids)


def translates(model_name: str) -> bool:
    """Whether a Whisper model of this name was trained to translate: English-only and turbo models were not."""
    return not model_name.endswith(".en") and "turbo" not in model_name


def _batch(arrays: Sequence[NDArray[Any]]) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(arrays)))


def _text_tokens(tokens: Sequence[int], end: int) -> list[int]:
    return [token for token in tokens if token < end]


def _timed_words(tokenizer: Tokenizer, tokens: Sequence[int], alignment: Any) -> list[tuple[TimedWord, int]]:
    """Words and how many tokens each has, punctuation joined to its word (as in openai/whisper, timing.py)."""
    from faster_whisper.transcribe import merge_punctuations

    texts, word_tokens = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    text_at = np.array([pair[0] for pair in alignment.alignments])
    frame_at = np.array([pair[1] for pair in alignment.alignments])
    if len(word_tokens) <= 1 or not len(text_at):
        return []
    jumps = np.pad(np.diff(text_at), (1, 0), constant_values=1).astype(bool)
    times = frame_at[jumps] * TIMESTAMP_SECONDS
    edges = np.pad(np.cumsum([len(one) for one in word_tokens[:-1]]), (1, 0))
    words: list[dict[str, Any]] = [
        {"word": text, "tokens": list(ids), "start": start, "end": end, "probability": float(np.mean(chances))}
        for text, ids, start, end, chances in zip(
            texts,
            word_tokens,
            times[edges[:-1]],
            times[edges[1:]],
            (alignment.text_token_probs[i:j] for i, j in itertools.pairwise(edges)),
            strict=False,  # `texts` also holds the end token
        )
    ]
    merge_punctuations(words, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
    return [
        (TimedWord(float(one["start"]), float(one["end"]), one["word"], one["probability"]), len(one["tokens"]))
        for one in words
    ]


def _phrases(
    tokenizer: Tokenizer, tokens: Sequence[int], words: Sequence[tuple[TimedWord, int]], length_s: float
) -> tuple[Phrase, ...]:
    """Tokens cut where one timestamp follows another, each piece with its words.

    A piece without a timestamp at an end lasts to that end of the window.
    """
    pieces: list[list[int]] = [[]]
    for token in tokens:
        if token >= tokenizer.timestamp_begin and pieces[-1] and _text_tokens(pieces[-1], tokenizer.eot):
            pieces[-1].append(token)
            pieces.append([])
        else:
            pieces[-1].append(token)
    phrases: list[Phrase] = []
    left = list(words)
    for piece in pieces:
        text = _text_tokens(piece, tokenizer.eot)
        if not text:
            continue
        start_s = (piece[0] - tokenizer.timestamp_begin) * TIMESTAMP_SECONDS if piece[0] != text[0] else 0.0
        end_s = (piece[-1] - tokenizer.timestamp_begin) * TIMESTAMP_SECONDS if piece[-1] != text[-1] else length_s
        mine: list[TimedWord] = []
        used = 0
        while left and used < len(text):
            word, n_tokens = left.pop(0)
            used += n_tokens
            if word.text.strip():
                mine.append(word)
        end_s = min(end_s, length_s)
        phrases.append(Phrase(min(start_s, end_s), end_s, tokenizer.decode(text).strip(), tuple(mine)))
    return tuple(phrases)
