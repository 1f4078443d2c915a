"""Half an hour of everything but speech: what a recogniser writes down here, nobody said.

Eight kinds of sound, each in takes of at most a minute that draw their own parameters and level from the seed. Babble
and reversed speech are made of real speech, in a form that holds no word: played backwards, and for babble also with
random phases, six voices at once.
"""

from __future__ import annotations

import hashlib
import math
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Corpus

SAMPLE_RATE = 16_000
TAKE_SECONDS = 60
DEFAULT_SEED = 3
VOICES = 6  # in babble
SPEECH_SECONDS = 300
REVISION = 1  # raised when the same seed makes other sound

Sound = NDArray[np.floating[Any]]
Chance = np.random.Generator


def write_stress(folder: Path, minutes: float, seed: int, speech: NDArray[np.float32]) -> list[Path]:
    """The set as WAV files (16 kHz mono, 16 bit), one per kind, together at least `minutes` long.

    Args:
        folder: a cache; a set with the same seed, length and speech is found there instead of made again.
        speech: waveform at 16 kHz, at least one second: what babble and reversed speech are made of.

    Returns:
        the files, in the order of `KINDS`; `stress_wind.wav` and so on.
    """
    seconds = math.ceil(minutes * 60 / len(KINDS))
    digest = hashlib.sha256(np.ascontiguousarray(speech, np.float32).tobytes()).hexdigest()[:8]
    place = folder / f"stress-{REVISION}-{seed}-{seconds}s-{digest}"
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in KINDS:
        path = place / f"stress_{kind}.wav"
        if not path.exists():
            aside = path.with_suffix(".part")
            write_wav(aside, make_sound(kind, seconds, seed, speech))
            aside.rename(path)
        paths.append(path)
    return paths


def speech_for_stress(corpus: Corpus) -> NDArray[np.float32]:
    """Some minutes of the corpus's speech, read speech first: it has no sirens in it."""
    from transcribe.media import decode

    pieces: list[NDArray[np.float32]] = []
    for reference in (*corpus.speech, *corpus.voices, *corpus.patrol):
        pieces.append(np.array(decode(str(reference.media)).waveform))
        if sum(map(len, pieces)) >= SPEECH_SECONDS * SAMPLE_RATE:
            break
    return np.concatenate(pieces)[: SPEECH_SECONDS * SAMPLE_RATE]


def make_sound(kind: str, seconds: int, seed: int, speech: NDArray[np.float32]) -> NDArray[np.float32]:
    """One kind, `seconds` long, within [-1, 1]. The same arguments give the same samples.

    Each take has its own level, an RMS of -35 to -12 dBFS.
    """
    maker = KINDS[kind]
    takes = []
    for take, start in enumerate(range(0, seconds, TAKE_SECONDS)):
        chance = np.random.default_rng([seed, list(KINDS).index(kind), take])
        sound = maker(chance, min(TAKE_SECONDS, seconds - start) * SAMPLE_RATE, speech.astype(np.float64))
        level = 10 ** (chance.uniform(-35, -12) / 20)
        takes.append(np.clip(sound * level / max(1e-9, float(np.sqrt(np.mean(sound**2)))), -1, 1))
    return np.concatenate(takes).astype(np.float32)


def kind_of(name: str) -> str:
    """`wind` of `stress_wind`."""
    return name.removeprefix("stress_")


def write_wav(path: Path, sound: NDArray[np.float32]) -> None:
    """16 kHz mono, 16 bit; samples beyond ±1, which decoded AAC has, are clipped."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(sound, -1.0, 1.0) * 32767).round().astype("<i2").tobytes())


def _time(n_samples: int) -> Sound:
    return np.arange(n_samples) / SAMPLE_RATE


def _noise(chance: Chance, n_samples: int, shape: Callable[[Sound], Sound]) -> Sound:
    """White noise with its spectrum multiplied by `shape(Hz)`; RMS 1."""
    spectrum = np.fft.rfft(chance.standard_normal(n_samples))
    coloured = np.fft.irfft(spectrum * shape(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)), n_samples)
    return np.asarray(coloured / max(1e-9, float(np.sqrt(np.mean(coloured**2)))))


def _drift(chance: Chance, n_samples: int, hertz: float) -> Sound:
    """A slow random curve around 0 with RMS 1, nothing in it faster than about `hertz`."""
    return _noise(chance, n_samples, lambda f: np.exp(-((f / hertz) ** 2)))


def _phase(frequency: Sound) -> Sound:
    return np.asarray(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE)


def _wind(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    corner = chance.uniform(80, 300)
    rumble = _noise(chance, n_samples, lambda f: 1 / (1 + (f / corner) ** 2))
    hiss = _noise(chance, n_samples, lambda f: np.where(f < 2_000, 1.0, 0.2))
    gusts = np.exp(0.9 * _drift(chance, n_samples, 0.7))
    return np.asarray((rumble + 0.05 * hiss) * gusts)


def _siren(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    low, high = chance.uniform(500, 700), chance.uniform(1_200, 1_600)
    period = chance.choice([0.3, 4.0])  # yelp and wail
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * _time(n_samples) / period)
    horn = np.tanh(3 * np.sin(_phase(low + (high - low) * sweep)))
    distance = np.exp(0.5 * _drift(chance, n_samples, 0.1))
    street = _noise(chance, n_samples, lambda f: 1 / (1 + f / 200))
    return np.asarray(horn * distance + 0.1 * street)


def _engine(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    turning = chance.uniform(25, 60) * (1 + 0.15 * _drift(chance, n_samples, 0.2))
    phase = _phase(turning)
    orders = sum((np.sin(k * phase + chance.uniform(0, 6)) / k**0.7 for k in range(1, 25)), np.zeros(n_samples))
    tyres = _noise(chance, n_samples, lambda f: 1 / (1 + (f / 600) ** 2))
    return np.asarray(orders + 0.8 * tyres)


def _music(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    """Plucked notes of one pentatonic scale over a drum, as from a car radio between songs' words."""
    scale = chance.uniform(110, 220) * 2 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16, 19, 21]) / 12)
    beat = round(60 / chance.uniform(80, 140) * SAMPLE_RATE / 2)
    sound = np.zeros(n_samples)
    for number, start in enumerate(range(0, n_samples, beat)):
        length = min(4 * beat, n_samples - start)
        t = _time(length)
        for _ in range(2):
            pitch = chance.choice(scale)
            sound[start : start + length] += sum(
                (np.sin(2 * np.pi * k * pitch * t) * np.exp(-t * (2 + k)) / k for k in range(1, 6)), np.zeros(length)
            )
        if number % 2 == 0:
            sound[start : start + length] += 0.7 * chance.standard_normal(length) * np.exp(-t * 60)
    return sound


def _hum(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    mains = float(chance.choice([50.0, 60.0]))
    t = _time(n_samples)
    partials = sum(
        (chance.uniform(0.1, 1) * np.sin(2 * np.pi * mains * k * t) / k for k in range(1, 12)), np.zeros_like(t)
    )
    return partials + 0.02 * chance.standard_normal(n_samples)


def _babble(chance: Chance, n_samples: int, speech: Sound) -> Sound:
    return sum((_scrambled(chance, _backwards(chance, n_samples, speech)) for _ in range(VOICES)), np.zeros(n_samples))


def _scrambled(chance: Chance, sound: Sound) -> Sound:
    """The same short-time magnitudes with random phases, in frames of 64 ms."""
    size, hop = 1_024, 512
    padded = np.concatenate([sound, np.zeros(2 * size)])
    out, window = np.zeros_like(padded), np.hanning(size)
    for start in range(0, len(padded) - size, hop):
        magnitude = np.abs(np.fft.rfft(padded[start : start + size] * window))
        phases = np.exp(2j * np.pi * chance.random(len(magnitude)))
        out[start : start + size] += np.fft.irfft(magnitude * phases, size) * window
    return np.asarray(out[: len(sound)])


def _backwards(chance: Chance, n_samples: int, speech: Sound) -> Sound:
    """Speech from a random place on, played backwards, repeated as often as needed."""
    turned = np.roll(speech, int(chance.integers(len(speech))))[::-1]
    return np.asarray(np.resize(turned, n_samples))


def _reversed(chance: Chance, n_samples: int, speech: Sound) -> Sound:
    return _backwards(chance, n_samples, speech)


def _tones(chance: Chance, n_samples: int, _speech: Sound) -> Sound:
    """Beeps, dialled digits and test tones, with pauses."""
    sound = 0.003 * chance.standard_normal(n_samples)
    for start, length in _marks(chance, n_samples):
        t = _time(length)
        pitches = chance.choice([[697, 1209], [770, 1336], [852, 1477], [941, 1633], [1000, 1000], [440, 480]])
        edge = np.minimum(1, np.minimum(t, t[::-1]) / 0.005)
        sound[start : start + length] += edge * sum(
            (np.sin(2 * np.pi * pitch * t) for pitch in pitches), np.zeros(length)
        )
    return sound


def _marks(chance: Chance, n_samples: int) -> Iterator[tuple[int, int]]:
    at = 0
    while at < n_samples - 2:
        length = min(int(chance.choice([0.1, 0.3, 1.0, 4.0]) * SAMPLE_RATE), n_samples - at)
        yield at, length
        at += length + int(chance.uniform(0.1, 2.0) * SAMPLE_RATE)


KINDS: dict[str, Callable[[Chance, int, Sound], Sound]] = {
    "wind": _wind,
    "siren": _siren,
    "engine": _engine,
    "music": _music,
    "hum": _hum,
    "babble": _babble,
    "reversed": _reversed,
    "tones": _tones,
}
