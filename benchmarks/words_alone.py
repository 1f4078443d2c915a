"""Our transcriber without the rest: `python -m benchmarks.words_alone NAME TASK.json TRUTH.json OUTCOME.json`.

- `earwitness`: recordings go through the batches together, as in an ingest; nothing is translated, as the peers do not.
- `earwitness, translating`: the same with English beside other languages, as an ingest does it.
- `earwitness, one file at a time`: one recording after another, for the speed of a single file.
- `oracle windows`: the decoder alone on windows cut by the truth, in the true language; what the model can do.
- `full batches`: CTranslate2 alone on the windows of `earwitness`, sorted and batched in advance, no gate, no word
  times: the practical limit of speed. Its text is not scored.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.corpus import Utterance
from benchmarks.hypothesis import Hypothesis
from benchmarks.outcome import ALONE, LIMIT, ORACLE, OURS, TRANSLATING, WORK, Heard, Outcome
from benchmarks.task import Task
from gpu.batching import Batcher
from gpu.devices import pick_device, wait_without_spinning
from gpu.listener import HearingModels, HearingOptions, Listener, use
from gpu.models import ModelPlaces
from gpu.offline import stay_offline
from transcribe.decoding import MAX_FRAMES, Decode, Decoded, Encode, Encoded, WhisperRequest, WhisperResult
from transcribe.gate import CAREFUL
from transcribe.hearing import WordsHearing
from transcribe.media import Audio, decode
from transcribe.options import DecodingOptions, WordsOptions
from transcribe.segments import HeardWindow, segments_of
from transcribe.spans import Span
from transcribe.speech import SAMPLES_PER_MS
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse
from transcribe.whisper import Whisper
from transcribe.windows import Window

ORACLE_MS = 25_000
TOGETHER = 16
BATCH = 8
Truth = Mapping[str, Sequence[Utterance]]  # by recording; only their spans and languages are looked at
TELLS = frozenset({"words", "word times", "coverage"})


def hear(name: str, task: Task, truth: Truth) -> Outcome:
    """What one of the systems above made of every set of the task."""
    sets: dict[str, Heard] = {}
    for set_name, paths in task.sets.items():
        heard = sets[set_name] = SYSTEMS[name](paths, task.threads, truth)
        seconds = heard.stage_seconds["transcribe"]
        print(f"  {name}: {set_name}, {heard.audio_seconds:.0f} s of audio in {seconds:.0f} s", file=sys.stderr)
    return Outcome(name, TELLS, sets)


def main(args: Sequence[str]) -> None:
    """The process of one system."""
    name, task, truth, outcome = args
    stay_offline()
    wait_without_spinning()
    utterances = {
        recording: [Utterance(Span(*one["span"]), "", one["language"]) for one in some]
        for recording, some in json.loads(Path(truth).read_text()).items()
    }
    Path(outcome).write_text(json.dumps(hear(name, Task.read(Path(task)), utterances).to_json()))


def _listener(threads: int, translate: bool) -> Listener:
    # As many batches at once as there are threads: two batches side by side are faster than one with two threads.
    device = replace(pick_device("cpu", 1), runners=threads)
    options = HearingOptions(WordsOptions(decoding=DecodingOptions(translate=translate)))
    return Listener(HearingModels.find(None, device, ModelPlaces.from_environment()), options, device)


def _ours(together: int, translate: bool = False) -> Callable[[Sequence[Path], int, Truth], Heard]:
    def run(paths: Sequence[Path], threads: int, _utterances: Truth) -> Heard:
        listener = _listener(threads, translate)
        listener.load()
        spent = StageSeconds()

        def one(path: Path) -> tuple[str, float, Hypothesis]:
            audio = decode(str(path))
            words = listener.words(audio, spent)
            return path.stem, audio.media.duration_ms / 1000, Hypothesis(words.segments, (), words.coverage)

        started = time.perf_counter()
        with ThreadPoolExecutor(together) as pool:
            heard = list(pool.map(one, paths))
        seconds = time.perf_counter() - started
        listener.close()
        return Heard(
            sum(length for _, length, _ in heard),
            {"transcribe": seconds, **{f"{WORK}{part}": work for part, work in spent.seconds.items()}},
            {name: hypothesis for name, _, hypothesis in heard},
        )

    return run


def _oracle(paths: Sequence[Path], threads: int, utterances: Truth) -> Heard:
    whisper = _whisper(threads)
    hypotheses, audio_seconds, started = {}, 0.0, time.perf_counter()
    for path in paths:
        audio = decode(str(path))
        audio_seconds += audio.media.duration_ms / 1000
        windows = oracle_windows(utterances.get(path.stem, ()))
        answers = [_careful(whisper, audio, window) for window in windows]
        segments = [
            segment
            for window, answer in zip(windows, answers, strict=True)
            for segment in segments_of(HeardWindow.believed(window, answer), ())
        ]
        hypotheses[path.stem] = Hypothesis(tuple(segments))
    return Heard(audio_seconds, {"transcribe": time.perf_counter() - started}, hypotheses)


def oracle_windows(utterances: Sequence[Utterance]) -> list[Window]:
    """True utterance spans in their true language; neighbours of one language merged to at most 25 s."""
    windows: list[Window] = []
    for one in utterances:
        last = windows[-1] if windows else None
        joined = Span(last.span.start_ms, max(last.span.end_ms, one.span.end_ms)) if last else one.span
        if last and last.language == one.language and joined.duration_ms <= ORACLE_MS:
            windows[-1] = Window(joined, one.language, (joined,))
        else:
            windows.append(Window(one.span, one.language, (one.span,)))
    return windows


def _limit(paths: Sequence[Path], threads: int, _utterances: Truth) -> Heard:
    whisper = _whisper(threads)
    asked: list[WhisperRequest] = []

    def answer(requests: Sequence[WhisperRequest]) -> Sequence[WhisperResult]:
        asked.extend(requests)
        return whisper.answer(requests)

    options = WordsOptions()
    hearing = WordsHearing(whisper, None, ModelUse("silero-vad", "", ""), options)
    batcher = Batcher(answer, lambda _request: 1)
    audio_seconds = 0.0
    for path in paths:
        audio = decode(str(path))
        audio_seconds += audio.media.duration_ms / 1000
        batcher.submit(hearing.hear(audio, StageSeconds())).result()
    batcher.close()
    encodings = [[one] for one in asked if isinstance(one, Encode)]
    decodings = _full_batches([one for one in asked if isinstance(one, Decode)])
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(whisper.encode, encodings))
        list(pool.map(whisper.generate, decodings))
    return Heard(audio_seconds, {"transcribe": time.perf_counter() - started}, {})


def _full_batches(windows: Sequence[Decode]) -> list[list[Decode]]:
    buckets: dict[Hashable, list[Decode]] = {}
    for one in windows:
        buckets.setdefault(one.bucket, []).append(one)
    return [some[first : first + BATCH] for some in buckets.values() for first in range(0, len(some), BATCH)]


def _whisper(threads: int) -> Whisper:
    asr = HearingModels.find(None, pick_device("cpu", 1), ModelPlaces.from_environment()).asr
    return Whisper(asr.path, use(asr), threads=1, runners=threads)


def _careful(whisper: Whisper, audio: Audio, window: Window) -> Decoded:
    """A window as the model was trained: 30 s, beam 5, alone."""
    samples = audio.waveform[window.span.start_ms * SAMPLES_PER_MS : window.span.end_ms * SAMPLES_PER_MS]
    (encoded,) = whisper.answer([Encode(whisper.features(samples, MAX_FRAMES))])
    assert isinstance(encoded, Encoded)
    n_frames = min(MAX_FRAMES, -(-window.span.duration_ms // 10))
    (decoded,) = whisper.answer([Decode(encoded.output, n_frames, window.language, CAREFUL)])
    assert isinstance(decoded, Decoded)
    return decoded


SYSTEMS: dict[str, Callable[[Sequence[Path], int, Truth], Heard]] = {
    OURS: _ours(TOGETHER),
    ALONE: _ours(1),
    TRANSLATING: _ours(TOGETHER, translate=True),
    ORACLE: _oracle,
    LIMIT: _limit,
}


if __name__ == "__main__":
    main(sys.argv[1:])
