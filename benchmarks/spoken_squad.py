"""Spoken-SQuAD (Li et al. 2018): passages of Wikipedia as a recogniser heard them, and the questions they answer.

    passages_werNN.jsonl   {"id": 0, "text": "…"}; one file for each word error rate
    questions.jsonl        {"id": "…", "question": "…", "passage": {"werNN": id, …}}

A passage is a recording with one segment; nobody knows when its words were said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.archives import Archive, Question, make_transcript, recording_id, untimed_segment
from benchmarks.corpus import Answer, LabelledQuery
from transcribe.spans import Span
from transcribe.transcript import Transcript

WORD_MS = 400  # a passage is as long as it takes to read it
QUESTIONS = "questions.jsonl"


class DataWrong(Exception):
    """A file of questions or passages cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot use {self.path}: {self.reason}. The modules of benchmarks/ say how data sets are laid out."


@dataclass(frozen=True, slots=True)
class Level:
    """The passages at one error rate, `name` as in the file's name, and each question's passage."""

    name: str
    passages: Mapping[int, str]
    questions: tuple[tuple[str, str, int], ...]  # id, text, passage


def read_spoken_squad(folder: Path) -> list[Level]:
    """Every level there is, least errors first.

    Raises:
        DataWrong
    """
    files = {path.stem.removeprefix("passages_"): path for path in sorted(folder.glob("passages_*.jsonl"))}
    if not files:
        raise DataWrong(folder, "it holds no passages_*.jsonl")
    asked = read_lines(folder / QUESTIONS)
    levels = []
    for name, path in files.items():
        try:
            passages = {int(entry["id"]): str(entry["text"]) for entry in read_lines(path)}
            questions = tuple(
                (str(entry["id"]), str(entry["question"]), int(entry["passage"][name]))
                for entry in asked
                if entry["passage"].get(name) is not None
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataWrong(path, f"it, or {QUESTIONS} beside it, is not as expected ({error!r})") from error
        if lost := {passage for _, _, passage in questions} - set(passages):
            raise DataWrong(path, f"questions ask for passage {min(lost)}, which it does not hold")
        levels.append(Level(name, passages, questions))
    return levels


def squad_transcripts(level: Level) -> list[Transcript]:
    """A recording for each passage with text."""
    made = []
    for number, text in level.passages.items():
        if text.strip():
            length_ms = WORD_MS * len(text.split())
            made.append(make_transcript(_name(level, number), [untimed_segment(text, 0, length_ms)], length_ms))
    return made


def squad_archive(level: Level) -> Archive:
    """The passages of a level, and all questions."""
    group = f"Spoken-SQuAD {level.name}"
    questions = []
    for key, text, passage in level.questions:
        length_ms = WORD_MS * len(level.passages[passage].split())
        answer = Answer(_name(level, passage), Span(0, length_ms))
        questions.append(Question(group, LabelledQuery(key, group, text, (answer,))))
    names = {recording_id(_name(level, number)): _name(level, number) for number in level.passages}
    return Archive(group, tuple(squad_transcripts(level)), tuple(questions), names)


def _name(level: Level, number: int) -> str:
    return f"squad-{level.name}-{number}"


def read_lines(path: Path) -> list[Any]:
    """A JSON value per line; empty lines do not count.

    Raises:
        DataWrong
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataWrong(path, error.strerror or str(error)) from error
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise DataWrong(path, f"line {number} is no JSON") from error
    return values
