"""Patrol recordings with wind, an engine or babble added: where a recogniser errs, its doubts can be measured.

Everything is a function of the corpus and the seed. Noisy recordings are 16 kHz mono WAV files in a cache folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, Reference
from benchmarks.stress import SAMPLE_RATE, TAKE_SECONDS, make_sound, speech_for_stress, write_wav
from transcribe.media import decode
from transcribe.spans import merge
from transcribe.speech import SAMPLES_PER_MS, detect_digital_silence

KINDS = ("wind", "engine", "babble")
LEVELS_DB = (10, 3)  # speech above the added noise; what a recording has of its own comes on top
SEED = 5
REVISION = 1  # raised when the same corpus makes other noise

Sound = NDArray[np.float32]


def write_noisy(corpus: Corpus, folder: Path) -> dict[str, tuple[Reference, ...]]:
    """`patrol` at each of `LEVELS_DB`, by name: `patrol, noise 10 dB below` and so on; empty without `patrol`.

    A recording keeps one kind of noise from end to end, and has another at the next level. Labels stay, but for
    the SNR: it counts the added noise. Digital silence stays silent, as noise does not reach a muted microphone.

    Args:
        folder: a cache; a recording that lies there is not made again.
    """
    if not corpus.patrol:
        return {}
    speech = speech_for_stress(corpus)
    names = [reference.media.name for reference in corpus.patrol]
    facts = repr((REVISION, SEED, corpus.name, names)).encode()
    place = folder / f"noisy-{hashlib.sha256(facts + speech.tobytes()).hexdigest()[:10]}"
    place.mkdir(parents=True, exist_ok=True)
    made: dict[str, tuple[Reference, ...]] = {}
    loudness: dict[Path, float] = {}
    for turn, level_db in enumerate(LEVELS_DB):
        noisy = []
        for number, reference in enumerate(corpus.patrol):
            kind = KINDS[(number + turn) % len(KINDS)]
            path = place / f"{reference.name}-{kind}-{level_db}db.wav"
            if not path.exists():
                loudness = loudness or _loudness(corpus.patrol)
                rms = loudness[reference.media] * 10 ** (-level_db / 20)
                aside = path.with_suffix(".part")
                write_wav(aside, _with_noise(reference.media, kind, rms, number, speech))
                aside.rename(path)
            utterances = [replace(one, snr_db=_worse(one.snr_db, level_db)) for one in reference.utterances]
            noisy.append(replace(reference, name=path.stem, media=path, utterances=tuple(utterances)))
        made[f"patrol, noise {level_db} dB below"] = tuple(noisy)
    return made


def _with_noise(media: Path, kind: str, rms: float, number: int, speech: Sound) -> Sound:
    """A recording and noise of that RMS; softer as a whole where the sum would clip."""
    sound = np.array(decode(str(media)).waveform)
    noise = _even(make_sound(kind, -(-len(sound) // SAMPLE_RATE), SEED + number, speech))[: len(sound)]
    for span in detect_digital_silence(sound):
        noise[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS] = 0
    mixed = sound + rms * noise
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


def _even(noise: Sound) -> Sound:
    """Every take at an RMS of 1: the stress set draws levels of its own."""
    take = TAKE_SECONDS * SAMPLE_RATE
    takes = [noise[first : first + take] for first in range(0, len(noise), take)]
    return np.concatenate([one / max(1e-9, float(np.sqrt(np.mean(one**2)))) for one in takes])


def _loudness(references: Sequence[Reference]) -> dict[Path, float]:
    """RMS of the moments in which somebody speaks, by media file; where nobody does, the median of the others."""
    found: dict[Path, float | None] = {}
    for reference in references:
        sound = decode(str(reference.media)).waveform
        spans = merge(one.span for one in reference.utterances if one.timed)
        spoken = [sound[span.start_ms * SAMPLES_PER_MS : span.end_ms * SAMPLES_PER_MS] for span in spans]
        found[reference.media] = float(np.sqrt(np.mean(np.concatenate(spoken) ** 2))) if spoken else None
    usual = float(np.median([rms for rms in found.values() if rms] or [0.05]))
    return {media: rms or usual for media, rms in found.items()}


def _worse(snr_db: float | None, level_db: float) -> float | None:
    """The SNR with noise added that is `level_db` below the speech: powers of noise add up."""
    return None if snr_db is None else round(float(-10 * np.log10(10 ** (-snr_db / 10) + 10 ** (-level_db / 10))), 1)
