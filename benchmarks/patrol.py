"""The corpus to search: its recordings as we hear them and as their labels say, and its queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import ours
from benchmarks.archives import Archive, Question, make_transcript
from benchmarks.corpus import Corpus, LabelledQuery, Person, Reference, Utterance, read_queries
from benchmarks.finding import NEAR_MS
from benchmarks.process import run_measured
from benchmarks.task import Task
from search.protocols import Filters
from transcribe.spans import Span, merge, subtract
from transcribe.transcript import Covered, Kind, Segment, SpeakerKind, State, Transcript, Word

OWN_QUERIES = Path(__file__).parent / "queries"
SPEAKER = "speaker"


def heard_transcripts(corpus: Corpus, data: Path | None, work: Path, threads: int) -> list[Transcript]:
    """Our transcripts of `patrol`, as the command line exports them.

    Args:
        data: a data folder that holds them; None: they are ingested first.
        work: an empty folder.

    Raises:
        ProcessFailed
    """
    exported = work / "transcripts"
    if data is None:
        ours.hear(Task({"patrol": [one.media for one in corpus.patrol]}, threads), work, corpus.manifest)
        data = ours.data_folder(work, "patrol")
    command = ("--data", data, "export", "--all", "--format", "json", "-o", exported, "--json")
    run_measured(ours.CLI, *command, threads=threads, accept=(0, ours.SOME_FAILED))
    names = {one.name for one in corpus.patrol}
    found = [Transcript.from_json(json.loads(path.read_text("utf-8"))) for path in sorted(exported.glob("*.json"))]
    return [one for one in found if name_of(one) in names]


def name_of(transcript: Transcript) -> str:
    """What the labels call a recording: its file name without ending."""
    return Path(transcript.recording.source).stem


def reference_transcript(reference: Reference) -> Transcript:
    """What the labels say, as if a perfect system had heard it.

    A segment per utterance, its words spread evenly; the wearer and whoever is heard over the radio are marked.
    """
    said = reference.utterances
    end_ms = max([reference.duration_ms, *(one.span.end_ms for one in said)])
    speech = merge(one.span for one in said)
    covered = [Covered(span.start_ms, span.end_ms, State.SPEECH) for span in speech]
    quiet = subtract([Span(0, end_ms)], speech)
    covered += [Covered(span.start_ms, span.end_ms, State.NO_SPEECH) for span in quiet]
    kinds = [
        SpeakerKind(speaker, kind, 1.0 if kind else 0.0)
        for speaker in dict.fromkeys(one.speaker for one in said)
        if speaker is not None
        for kind in (_kind(speaker, reference),)
    ]
    return make_transcript(
        reference.media.name,
        [_segment(one) for one in said],
        end_ms,
        reference.metadata,
        kinds,
        sorted(covered, key=lambda one: one.start_ms),
    )


def _kind(speaker: str, reference: Reference) -> Kind | None:
    if speaker == reference.wearer:
        return Kind.WEARER
    channels = {one.channel for one in reference.utterances if one.speaker == speaker}
    return None if "mic" in channels else Kind.RADIO


def _segment(said: Utterance) -> Segment:
    texts = said.text.split()
    steps = [said.span.start_ms + said.span.duration_ms * step // len(texts) for step in range(len(texts) + 1)]
    words = tuple(Word(start, end, text, 1.0) for start, end, text in zip(steps[:-1], steps[1:], texts, strict=True))
    span = said.span
    return Segment(span.start_ms, span.end_ms, said.text, said.language, 1.0, words, said.speaker)


def corpus_archive(
    name: str,
    corpus: Corpus,
    transcripts: Sequence[Transcript],
    distractors: Iterable[Transcript],
    queries: Sequence[LabelledQuery],
) -> Archive:
    """The recordings of `patrol` among what has nothing to do with them.

    A query of the kind `speaker` is asked twice: with all filters a search has, and without the one on who speaks.
    """
    people = [person for reference in corpus.patrol for person in reference.people]
    questions = []
    for query in queries:
        filters = search_filters(query, people)
        questions.append(Question(f"{name}: {query.kind}", query, filters))
        if query.kind == SPEAKER:
            questions.append(
                Question(f"{name}: {query.kind}, no speaker filter", query, replace(filters, speaker=None))
            )
    names = {one.recording.id: name_of(one) for one in transcripts}
    return Archive(name, (*transcripts, *distractors), tuple(questions), names, NEAR_MS)


def search_filters(query: LabelledQuery, people: Iterable[Person]) -> Filters:
    """What a person would set to narrow a search as the labels do.

    `officer` and `category` are filters of the search. Who speaks is one only for kinds of voices: somebody who wears
    a camera in this corpus is `officer` and the speaker `wearer`, so what they say in another's footage is left out;
    the dispatcher is the speaker `radio`; nobody else's name is known to an archive, and filters nothing.
    """
    labels = query.filters
    speaker, officer = None, labels.get("officer")
    named = [person for person in people if person.name == labels.get("speaker")]
    if any(person.is_wearer for person in named):
        speaker, officer = Kind.WEARER.value, officer or labels["speaker"]
    elif labels.get("speaker_role") == "dispatcher" or any(person.role == "dispatcher" for person in named):
        speaker = Kind.RADIO.value
    return Filters(officer=officer, category=labels.get("category"), speaker=speaker)


def own_queries(corpus: Corpus, files: Sequence[Path]) -> list[LabelledQuery]:
    """The queries of these files; without any, those of this repository where they are about this corpus.

    They are about it when it holds a recording that one of them names: what nobody says in one corpus may be said in
    another.

    Raises:
        CorpusWrong
    """
    recordings = {one.name for one in corpus.patrol}
    found = [query for path in files or sorted(OWN_QUERIES.glob("*.jsonl")) for query in read_queries(path, recordings)]
    return found if files or any(query.relevant for query in found) else []


def joined(*some: Iterable[LabelledQuery]) -> list[LabelledQuery]:
    """All queries, each once: one that asks the same with the same filters is dropped."""
    kept: dict[tuple[object, ...], LabelledQuery] = {}
    for query in (query for queries in some for query in queries):
        kept.setdefault((query.kind, query.text.casefold(), *sorted(query.filters.items())), query)
    return list(kept.values())
