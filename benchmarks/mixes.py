"""Recordings composed of a corpus, for what it has too little of: long pauses, two languages, short files.

Everything is a function of the corpus and the seed. Mixes are 16 kHz mono WAV files in a cache folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, Reference, Utterance
from benchmarks.stress import write_wav
from transcribe.media import SAMPLE_RATE, decode
from transcribe.spans import Span, subtract

SAMPLES_PER_MS = SAMPLE_RATE // 1000
SEED = 4
REVISION = 2  # raised when the same corpus makes other mixes

PAUSES_MS = (300, 4_000)
NEAR_SILENCE_DBFS = -62.0  # room noise: not digital silence
CLIP_MS = (10_000, 90_000)
MOST_CLIPS = 60
SHORT = 5.0  # of a beta distribution over `CLIP_MS`: most clips are short, as most footage is; 23 s in the mean
MIX_TURNS = 36
EDGE_MS = 80  # kept around an utterance that is cut out: reverberation, and labels that are milliseconds off

Sound = NDArray[np.float32]


def write_mixes(corpus: Corpus, folder: Path) -> dict[str, tuple[Reference, ...]]:
    """All mixes the corpus has material for, by name: `pauses`, `two languages`, `three turns`, `short clips`.

    Args:
        folder: a cache; a mix that lies there is read, not made again.
    """
    names = [reference.media.name for reference in (*corpus.patrol, *corpus.voices, *corpus.speech)]
    digest = hashlib.sha256(repr((REVISION, SEED, corpus.name, names)).encode()).hexdigest()[:10]
    place = folder / f"mixes-{digest}"
    place.mkdir(parents=True, exist_ok=True)
    sounds: dict[Path, Sound] = {}

    def sound(reference: Reference) -> Sound:
        if reference.media not in sounds:
            sounds[reference.media] = np.array(decode(str(reference.media)).waveform)
        return sounds[reference.media]

    rng = np.random.default_rng(SEED)
    speech = [(sound(one), one.utterances[0]) for one in corpus.speech]
    alone = [
        (_cut(sound(reference), utterance.span), utterance)
        for reference in corpus.patrol
        for utterance in _alone(reference)
    ]
    made: dict[str, tuple[Reference, ...]] = {}
    if speech or alone:
        calm = [piece for piece in alone if (piece[1].snr_db or 0) >= 10]
        picked = [*speech, *(calm[i] for i in rng.permutation(len(calm))[:40])]
        made["pauses"] = (_string(place / "pauses.wav", [picked[i] for i in rng.permutation(len(picked))], rng),)
    for name, run in (("two languages", 1), ("three turns", 3)):
        by_language = [[piece for piece in alone if piece[1].language == language] for language in ("en", "es")]
        if all(by_language):
            pieces = _alternating(by_language, run, rng)
            made[name] = (_string(place / f"{name.replace(' ', '-')}.wav", pieces, rng, (250, 900)),)
    clips = [clip for reference in corpus.patrol for clip in _clips(reference, sound(reference), place, rng)]
    if clips:
        made["short clips"] = tuple(clips[:MOST_CLIPS])
    return made


def _alone(reference: Reference) -> list[Utterance]:
    """Utterances nobody else talks into, not even beside the cut."""
    spans = [one.span for one in reference.utterances]
    return [
        one
        for number, one in enumerate(reference.utterances)
        if one.timed
        and not one.overlapped
        and not any(
            other.overlap_ms(Span(max(0, one.span.start_ms - EDGE_MS), one.span.end_ms + EDGE_MS))
            for place, other in enumerate(spans)
            if place != number
        )
    ]


def _cut(sound: Sound, span: Span) -> Sound:
    first = max(0, span.start_ms - EDGE_MS)
    return sound[first * SAMPLES_PER_MS : (span.end_ms + EDGE_MS) * SAMPLES_PER_MS]


def _alternating(
    by_language: Sequence[Sequence[tuple[Sound, Utterance]]], run: int, rng: np.random.Generator
) -> list[tuple[Sound, Utterance]]:
    """Turns of `run` utterances in one language, then as many in the other."""
    orders = [[pieces[i] for i in rng.permutation(len(pieces))] for pieces in by_language]
    mixed: list[tuple[Sound, Utterance]] = []
    for turn in range(MIX_TURNS // run):
        order = orders[turn % 2]
        first = (turn // 2) * run
        mixed += order[first : first + run]
    return mixed


def _string(
    path: Path,
    pieces: Sequence[tuple[Sound, Utterance]],
    rng: np.random.Generator,
    pauses_ms: tuple[int, int] = PAUSES_MS,
) -> Reference:
    """One recording of pieces with pauses of near-silence between them."""
    floor = 10 ** (NEAR_SILENCE_DBFS / 20)
    parts: list[Sound] = []
    utterances: list[Utterance] = []
    at = 0
    for sound, utterance in pieces:
        pause = int(rng.integers(*pauses_ms)) * SAMPLES_PER_MS
        parts += [rng.normal(0, floor, pause).astype(np.float32), sound]
        start_ms = (at + pause) // SAMPLES_PER_MS
        edge_ms = min(EDGE_MS, utterance.span.start_ms) if utterance.timed else 0
        length_ms = utterance.span.duration_ms if utterance.timed else len(sound) // SAMPLES_PER_MS
        span = Span(start_ms + edge_ms, start_ms + edge_ms + length_ms)
        utterances.append(replace(utterance, span=span))
        at += pause + len(sound)
    if not path.exists():
        write_wav(path, np.concatenate(parts))
    return Reference(path.stem, path, tuple(utterances))


def _clips(reference: Reference, sound: Sound, place: Path, rng: np.random.Generator) -> list[Reference]:
    """A recording cut into clips of random length, where nobody speaks; one ends where the recording does."""
    length_ms = len(sound) // SAMPLES_PER_MS
    quiet = subtract([Span(0, length_ms)], [one.span for one in reference.utterances])
    clips: list[Reference] = []
    start_ms = 0
    while start_ms < length_ms:
        shortest, longest = CLIP_MS
        wanted = start_ms + shortest + int((longest - shortest) * rng.beta(1.0, SHORT))
        cuts = [(one.start_ms + one.end_ms) // 2 for one in quiet if one.duration_ms >= 2 * EDGE_MS]
        later = [cut for cut in cuts if start_ms + shortest <= cut <= start_ms + longest]
        end_ms = min(later, key=lambda cut: abs(cut - wanted)) if later and wanted < length_ms else length_ms
        path = place / f"{reference.name}-{start_ms:06d}.wav"
        inside = [one for one in reference.utterances if start_ms <= one.span.start_ms < end_ms]
        if not path.exists():
            write_wav(path, sound[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS])
        moved = tuple(
            replace(one, span=Span(one.span.start_ms - start_ms, one.span.end_ms - start_ms)) for one in inside
        )
        clips.append(Reference(path.stem, path, moved))
        start_ms = end_ms
    return clips
