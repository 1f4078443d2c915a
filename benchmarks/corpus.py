"""A labelled corpus: any folder with `patrol/`, `voices/`, `speech/` and `queries.jsonl`, each of them optional.

    patrol/NAME.json + media   utterances with times, speaker, language, channel, SNR; manifest.csv
    voices/NAME.rttm + media   who speaks when
    speech/NAME.txt  + media   what is said; speech.json: its language
    queries.jsonl              labelled searches over patrol/

Labels are in seconds; everything here is in ms of recording time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.scan import MEDIA_EXTENSIONS
from transcribe.spans import Span
from transcribe.transcript import Turn

METADATA = ("recorded_at", "officer", "badge", "unit", "incident_id", "category", "camera_serial", "restricted")


class CorpusWrong(Exception):
    """The folder is not a corpus, or a label in it cannot be read."""

    def __init__(self, place: Path, reason: str) -> None:
        super().__init__(place, reason)
        self.place, self.reason = place, reason

    def __str__(self) -> str:
        return f"cannot use {self.place} as a corpus: {self.reason}. benchmarks/corpus.py says how it is laid out."


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one person says without a long break. `timed` is False where only the text is known: the span is empty."""

    span: Span
    text: str  # as a clerk would write it
    language: str
    speaker: str | None = None
    channel: str = "mic"
    overlapped: bool = False
    snr_db: float | None = None
    timed: bool = True
    spoken: str = ""  # the same in the words said ("forty-two hundred" for 4200); empty: unknown


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who speaks in a recording; `id` is the speaker of their utterances."""

    id: str
    name: str
    role: str  # officer, dispatcher, civilian, interpreter
    is_wearer: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """The truth of one recording; `name` is its file name without ending."""

    name: str
    media: Path
    utterances: tuple[Utterance, ...] = ()  # sorted by start
    turns: tuple[Turn, ...] = ()  # sorted by start
    wearer: str | None = None  # the speaker who wears the camera; None: unknown, or nobody speaks
    pair: str | None = None  # the recording of the same moments by another camera
    people: tuple[Person, ...] = ()
    duration_ms: int = 0  # 0: the labels do not say
    metadata: Mapping[str, str] = field(default_factory=dict)  # what an evidence system would say, as METADATA


@dataclass(frozen=True, slots=True)
class Answer:
    """A moment that answers a query."""

    recording: str
    span: Span


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A search and its right answers; none for the kind `absent`."""

    id: str
    kind: str
    text: str
    relevant: tuple[Answer, ...]
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Every set sorted by name."""

    name: str
    patrol: tuple[Reference, ...] = ()
    voices: tuple[Reference, ...] = ()
    speech: tuple[Reference, ...] = ()
    queries: tuple[LabelledQuery, ...] = ()
    manifest: Path | None = None

    def references(self, set_name: str) -> tuple[Reference, ...]:
        sets = {"patrol": self.patrol, "voices": self.voices, "speech": self.speech}
        return sets.get(set_name, ())


def read_corpus(folder: Path, limit: int | None = None) -> Corpus:
    """Read the labels; media is found, not opened.

    Args:
        limit: at most so many recordings of each set; queries keep the answers in them, and one that loses all
            its answers is left out.

    Raises:
        CorpusWrong
    """
    if not folder.is_dir():
        raise CorpusWrong(folder, "it is not a folder")
    patrol = tuple(_patrol(path) for path in sorted((folder / "patrol").glob("*.json"))[:limit])
    voices = tuple(_voices(path) for path in sorted((folder / "voices").glob("*.rttm"))[:limit])
    languages = _languages(folder / "speech" / "speech.json")
    speech = tuple(_speech(path, languages) for path in sorted((folder / "speech").glob("*.txt"))[:limit])
    if not (patrol or voices or speech):
        raise CorpusWrong(folder, "it holds no patrol/*.json, voices/*.rttm or speech/*.txt")
    manifest = folder / "patrol" / "manifest.csv"
    asked = folder / "queries.jsonl"
    queries = read_queries(asked, {reference.name for reference in patrol}) if asked.exists() else ()
    return Corpus(folder.resolve().name, patrol, voices, speech, queries, manifest if manifest.is_file() else None)


def _patrol(path: Path) -> Reference:
    labels = _json(path)
    try:
        utterances = tuple(
            Utterance(
                _span(utterance["start"], utterance["end"]),
                utterance["text"],
                utterance["language"],
                utterance["speaker"],
                utterance.get("channel", "mic"),
                bool(utterance.get("overlapped", False)),
                utterance.get("snr_db"),
                spoken=utterance.get("spoken", ""),
            )
            for utterance in sorted(labels["utterances"], key=lambda one: float(one["start"]))
        )
        people = tuple(
            Person(one["id"], one.get("name", ""), one.get("role", ""), bool(one.get("wearer")))
            for one in labels.get("speakers", ())
        )
        duration_ms = round(1000 * float(labels.get("duration", 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusWrong(path, f"an utterance or speaker in it is not as expected ({error!r})") from error
    rttm = path.with_suffix(".rttm")
    turns = (
        read_turns(rttm)
        if rttm.exists()
        else tuple(Turn(one.span.start_ms, one.span.end_ms, one.speaker or "unknown") for one in utterances)
    )
    wearer = next((person.id for person in people if person.is_wearer), None)
    metadata = {name: str(labels[name]) for name in METADATA if labels.get(name)}
    return Reference(
        path.stem, _media(path), utterances, turns, wearer, labels.get("pair"), people, duration_ms, metadata
    )


def _voices(path: Path) -> Reference:
    return Reference(path.stem, _media(path), turns=read_turns(path))


def _speech(path: Path, languages: Mapping[str, str]) -> Reference:
    media = _media(path)
    text = " ".join(path.read_text(encoding="utf-8").split())
    utterance = Utterance(Span(0, 0), text, languages.get(media.name, "en"), timed=False)
    return Reference(path.stem, media, (utterance,))


def _languages(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {entry["file"]: entry["language"] for entry in _json(path)}


def read_turns(path: Path) -> tuple[Turn, ...]:
    """RTTM, NIST's form of who speaks when: SPEAKER file channel start duration <NA> <NA> label <NA> <NA>."""
    turns = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start, duration = float(fields[3]), float(fields[4])
            turns.append(Turn(round(start * 1000), round((start + duration) * 1000), fields[7]))
        except (IndexError, ValueError) as error:
            raise CorpusWrong(path, f"line {number} is no RTTM") from error
    return tuple(sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms)))


def read_queries(path: Path, recordings: set[str]) -> tuple[LabelledQuery, ...]:
    """The queries of a file, with their answers in these recordings; one that loses all its answers is left out.

    Raises:
        CorpusWrong
    """
    queries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            labelled = [Answer(one["recording"], _span(one["start"], one["end"])) for one in entry["relevant"]]
            relevant = tuple(answer for answer in labelled if answer.recording in recordings)
            query = LabelledQuery(entry["id"], entry["kind"], entry["query"], relevant, entry.get("filters") or {})
        except (KeyError, TypeError, ValueError) as error:
            raise CorpusWrong(path, f"line {number} is not as expected ({error!r})") from error
        if relevant or not labelled:
            queries.append(query)
    return tuple(queries)


def _media(label: Path) -> Path:
    beside = sorted(
        path
        for path in label.parent.glob(f"{label.stem}.*")
        if path.stem == label.stem and path.suffix.removeprefix(".").lower() in MEDIA_EXTENSIONS
    )
    if len(beside) != 1:
        raise CorpusWrong(label, f"{len(beside) or 'no'} media files of this name lie beside it, one is needed")
    return beside[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusWrong(path, f"it is no JSON ({error})") from error


def _span(start: float, end: float) -> Span:
    return Span(round(float(start) * 1000), round(float(end) * 1000))
