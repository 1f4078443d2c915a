"""QMSum (Zhong et al. 2021, MIT): transcribed meetings, and questions with the turns that answer them.

    meetings.jsonl   {"meeting_transcripts": [{"speaker": "…", "content": "…"}],
                      "specific_query_list": [{"query": "…", "relevant_text_span": [["459", "530"]]}]}

A meeting is a recording, a turn a segment; nobody knows when its words were said, so turns follow each other at the
pace of speech. A hit is right when it is one of the turns that answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.archives import Archive, Question, make_transcript, recording_id, untimed_segment
from benchmarks.corpus import Answer, LabelledQuery
from benchmarks.spoken_squad import DataWrong, read_lines
from search.protocols import Filters
from transcribe.spans import Span
from transcribe.transcript import Transcript

WORD_MS, PAUSE_MS = 300, 500
WITHIN, AMONG_ALL = "QMSum, in its meeting", "QMSum, among all"

_NOTE = re.compile(r"\{[^}]*\}")  # {disfmarker}, {vocalsound}: what the transcribers noted, nobody said


@dataclass(frozen=True, slots=True)
class Meeting:
    """Turns as (speaker, text), and questions as (text, turns that answer)."""

    name: str
    turns: tuple[tuple[str, str], ...]
    questions: tuple[tuple[str, frozenset[int]], ...]

    def spans(self) -> list[Span]:
        """When each turn would be said; one without words takes no time."""
        spans, at = [], 0
        for _, text in self.turns:
            end = at + WORD_MS * len(text.split())
            spans.append(Span(at, end))
            at = end + PAUSE_MS
        return spans


def read_qmsum(path: Path) -> list[Meeting]:
    """Every meeting of the file; questions without an answering turn that has words are left out.

    Raises:
        DataWrong
    """
    meetings = []
    for number, entry in enumerate(read_lines(path)):
        try:
            turns = tuple((str(one["speaker"]), _said(one["content"])) for one in entry["meeting_transcripts"])
            questions = []
            for asked in entry["specific_query_list"]:
                numbers = {
                    turn
                    for first, last in asked["relevant_text_span"]
                    for turn in range(int(first), int(last) + 1)
                    if turn < len(turns) and turns[turn][1]
                }
                if numbers:
                    questions.append((str(asked["query"]), frozenset(numbers)))
        except (KeyError, TypeError, ValueError) as error:
            raise DataWrong(path, f"meeting {number + 1} is not as expected ({error!r})") from error
        meetings.append(Meeting(f"meeting-{number}", turns, tuple(questions)))
    if not meetings:
        raise DataWrong(path, "it holds no meeting")
    return meetings


def meeting_transcripts(meetings: list[Meeting]) -> list[Transcript]:
    """A recording for each meeting."""
    made = []
    for meeting in meetings:
        spans = meeting.spans()
        segments = [
            untimed_segment(text, span.start_ms, span.end_ms, speaker)
            for (speaker, text), span in zip(meeting.turns, spans, strict=True)
            if text
        ]
        made.append(make_transcript(meeting.name, segments, max((span.end_ms for span in spans), default=0)))
    return made


def qmsum_archive(meetings: list[Meeting]) -> Archive:
    """All meetings; every question is asked twice: in its own meeting, and among all."""
    questions = []
    for meeting in meetings:
        spans = meeting.spans()
        for number, (text, turns) in enumerate(meeting.questions):
            answers = tuple(Answer(meeting.name, spans[turn]) for turn in sorted(turns))
            query = LabelledQuery(f"{meeting.name}-{number}", "specific", text, answers)
            questions.append(Question(WITHIN, query, Filters(recording_id=recording_id(meeting.name))))
            questions.append(Question(AMONG_ALL, query))
    names = {recording_id(meeting.name): meeting.name for meeting in meetings}
    return Archive("QMSum", tuple(meeting_transcripts(meetings)), tuple(questions), names)


def _said(content: str) -> str:
    return " ".join(_NOTE.sub(" ", content).split())
