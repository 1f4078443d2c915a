"""What length alone costs: `python -m benchmarks.long --corpus DIR --report FILE.md`.

The same clips of speech three times: end to end, and strewn over hours of digital silence and of room noise; of these
the words are heard. And hours of people speaking, recordings of `voices` over and over, who are told apart. Each in a
process of its own.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, CorpusWrong, read_corpus
from benchmarks.machine import describe
from benchmarks.mixes import NEAR_SILENCE_DBFS, SEED, write_mixes
from benchmarks.process import ProcessFailed, run_measured
from gpu.models import ModelPlaces
from transcribe.media import SAMPLE_RATE, decode

PROMISED_BYTES = 1 << 30  # of memory beyond what the speech takes by itself
PROMISED_FOR_TURNS = 2 << 30  # beyond the models, of hours of speech
LEAST_VOICES = 6
BLOCK = 60 * SAMPLE_RATE

Samples = NDArray[np.int16]


def write_recordings(clips: Sequence[Samples], hours: float, folder: Path) -> dict[str, Path]:
    """The clips end to end, and strewn evenly over `hours` of each kind of silence; 16 kHz mono WAV, by name."""
    n_speech = sum(map(len, clips))
    gap = max(0, round(hours * 3600 * SAMPLE_RATE) - n_speech) // (len(clips) + 1)
    level = 10 ** (NEAR_SILENCE_DBFS / 20) * 32767
    noise = np.random.default_rng(SEED).normal(0, level, BLOCK).round().astype(np.int16)
    kinds = {"end to end": None, "digital silence": np.zeros(BLOCK, np.int16), "room noise": noise}
    written = {}
    for name, filling in kinds.items():
        written[name] = folder / f"{name.replace(' ', '-')}.wav"
        with wave.open(str(written[name]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            for part in _strewn(clips, filling, gap):
                file.writeframesraw(part.tobytes())
    return written


def _strewn(clips: Sequence[Samples], filling: Samples | None, gap: int) -> Iterator[Samples]:
    for clip in (*clips, None):
        for first in range(0, gap if filling is not None else 0, BLOCK):
            assert filling is not None
            yield filling[: min(BLOCK, gap - first)]
        if clip is not None:
            yield clip


def some_speech(corpus: Corpus, minutes: float) -> list[Samples]:
    """Clips of `patrol`, cut where nobody speaks, of `minutes` together; the last one may be cut anywhere.

    Raises:
        CorpusWrong: there are not as many minutes.
    """
    mixes = write_mixes(corpus, ModelPlaces.from_environment().cache / "benchmarks")
    left = round(minutes * 60 * SAMPLE_RATE)
    clips: list[Samples] = []
    for reference in mixes.get("short clips", ()):
        if left <= 0:
            break
        with wave.open(str(reference.media), "rb") as file:
            clip = np.frombuffer(file.readframes(left), np.int16)
        clips.append(clip)
        left -= len(clip)
    if left > 0:
        raise CorpusWrong(Path(corpus.name), f"its patrol set is {left / SAMPLE_RATE / 60:.1f} minutes short")
    return clips


def write_voices(corpus: Corpus, hours: float, path: Path) -> int:
    """Recordings of `voices` with `LEAST_VOICES` people together, over and over; returns how many people.

    Raises:
        CorpusWrong: there are not as many people.
    """
    people: set[tuple[str, str]] = set()
    clips: list[Samples] = []
    for reference in corpus.voices:
        if len(people) >= LEAST_VOICES:
            break
        people |= {(reference.name, turn.speaker) for turn in reference.turns}
        clips.append(np.round(decode(str(reference.media)).waveform * 32767).astype(np.int16))
    if len(people) < LEAST_VOICES:
        raise CorpusWrong(Path(corpus.name), f"its voices set has {len(people)} speakers, {LEAST_VOICES} are needed")
    left = round(hours * 3600 * SAMPLE_RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for clip in itertools.cycle(clips):
            file.writeframesraw(clip[:left].tobytes())
            left -= len(clip)
            if left <= 0:
                return len(people)
    raise AssertionError("a cycle never ends")


def turns_line(n_people: int, found: dict[str, Any]) -> str:
    beyond = (found["peak_bytes"]["rss"] - found["loaded_bytes"]) / 2**20
    held = beyond <= PROMISED_FOR_TURNS >> 20
    return (
        f"{found['audio_seconds'] / 3600:.1f} hours in which {n_people} people speak all the time, told apart: "
        f"{beyond:.0f} MiB above the models ({found['loaded_bytes'] / 2**20:.0f} MiB), in "
        f"{found['seconds']['wall']:.0f} s, {found['speakers']} speakers found; promised are at most "
        f"{PROMISED_FOR_TURNS >> 20} MiB: {'holds' if held else 'BROKEN'}.\n"
    )


def row(name: str, found: dict[str, Any]) -> str:
    seconds, peaks = found["seconds"], found["peak_bytes"]
    cells = [
        name,
        f"{found['audio_seconds'] / 60:.0f}",
        str(found["words"]),
        *(f"{peaks[kind] / 2**20:.0f}" for kind in ("rss", "RssAnon", "RssFile")),
        *(f"{seconds.get(stage, 0.0):.1f}" for stage in ("wall", "decode", "speech", "transcribe", "align")),
    ]
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--corpus", "folder", type=click.Path(path_type=Path), envvar="EARWITNESS_CORPUS", required=True)
@click.option("--report", type=click.Path(path_type=Path), required=True, help="Markdown file to write.")
@click.option("--hours", type=click.FloatRange(0.1), default=4.0, show_default=True, help="Of the long recordings.")
@click.option("--minutes", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Of speech.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def main(folder: Path, report: Path, hours: float, minutes: float, threads: int) -> None:
    """Measure memory and time of long recordings. Exit code 1 when they take more memory than is promised."""
    machine = (facts := describe(threads))["machine"]
    report.parent.mkdir(parents=True, exist_ok=True)
    found = {}
    try:
        with tempfile.TemporaryDirectory(prefix="long-") as place:
            corpus = read_corpus(folder)
            clips = some_speech(corpus, minutes)
            for name, path in write_recordings(clips, hours, Path(place)).items():
                run = run_measured("benchmarks.long_alone", path, "words", threads=threads)
                found[name] = json.loads(run.out)
                click.echo(row(name, found[name]))
            spoken = Path(place) / "voices.wav"
            n_people = write_voices(corpus, hours, spoken)
            told = json.loads(run_measured("benchmarks.long_alone", spoken, "turns", threads=threads).out)
            click.echo(turns_line(n_people, told))
    except (CorpusWrong, ProcessFailed) as error:
        click.echo(f"benchmarks.long: {error}", err=True)
        sys.exit(1)
    peaks = [one["peak_bytes"]["rss"] for one in found.values()]
    beyond = max(peaks) - peaks[0]
    held = beyond <= PROMISED_BYTES
    report.write_text(
        "# Long recordings\n\n"
        f"`python -m benchmarks.long`, {minutes:g} minutes of patrol clips strewn over {hours:g} hours for words; "
        f"{machine['system']}, {machine['processor']}, {machine['cores']} cores, {threads} threads, load "
        f"{machine['load_at_start']} at the start, Python {machine['python']}; "
        f"commit {facts['commit']}{' with changes' if facts['changed_since_commit'] else ''}.\n\n"
        f"Length alone takes {beyond / 2**20:.0f} MiB; promised are at most {PROMISED_BYTES >> 20} MiB: "
        f"{'holds' if held else 'BROKEN'}.\n\n"
        "| between the clips | minutes | words | peak RSS [MiB] | anonymous [MiB] | of files [MiB] | wall [s] "
        "| decode [s] | speech [s] | transcribe [s] | align [s] |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        + "".join(row(name, one) + "\n" for name, one in found.items())
        + "\n"
        + turns_line(n_people, told),
        encoding="utf-8",
    )
    held = held and told["peak_bytes"]["rss"] - told["loaded_bytes"] <= PROMISED_FOR_TURNS
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
