"""An archive nobody recorded, and random questions to it: for laws that are to hold of any query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from search.protocols import Filters, fold
from search.query import Mode, Query, Sort
from tests.spoken import line, spoken
from transcribe.transcript import Kind, RecordingId, SpeakerKind, Transcript

WORDS = ("stop", "gun", "hands", "up", "car")  # few, so that most phrases are said somewhere
KINDS = {"A": Kind.WEARER, "B": Kind.RADIO, "C": None}
METADATA = {
    "officer": ("Renee Okafor", "renee okafor", "Luis Villaseñor ", "Ann Ōtsu"),
    "unit": ("12A North", "12a north", "K-9"),
    "category": ("Traffic stop", "Use of force"),
    "incident_id": tuple(f"INC-{n}" for n in range(14)),  # more than a facet shows
}
# The last evening of a month in UTC, with and without an offset, near a change of clocks, and what is no time at all.
TIMES = ("2025-03-31T23:59:40", "2025-03-31T16:59:50-07:00", "2025-04-01", "2025-11-02T08:30:00+00:00", "in May")
PAUSE_MS = 10_000  # between lines: each is a passage of its own
FILTERED = ("officer", "unit", "category", "incident_id", "language", "speaker", "since_ms", "until_ms")


@dataclass(frozen=True, slots=True)
class Line:
    """What brute force knows of a passage."""

    recording: RecordingId
    metadata: dict[str, str]
    start_ms: int
    words: tuple[str, ...]  # the first is unlike all that is asked for: no phrase runs into the line
    speaker: str
    language: str
    is_doubtful: bool

    @property
    def said_at(self) -> datetime | None:
        """When the line begins, in UTC."""
        try:
            recorded = datetime.fromisoformat(self.metadata.get("recorded_at", ""))
        except ValueError:
            return None
        aware = recorded if recorded.tzinfo else recorded.replace(tzinfo=UTC)
        return aware.astimezone(UTC) + timedelta(milliseconds=self.start_ms)

    def passes(self, filters: Filters) -> bool:
        kind, at = KINDS[self.speaker], self.said_at
        at_ms = None if at is None else round(at.timestamp() * 1000)
        own = {name: self.metadata.get(name, "") for name in METADATA} | {"language": self.language}
        return (
            all(fold(asked) == fold(value) for name, value in own.items() if (asked := getattr(filters, name)))
            and filters.speaker in (None, self.speaker, kind)
            and (filters.since_ms is None or (at_ms is not None and at_ms >= filters.since_ms))
            and (filters.until_ms is None or (at_ms is not None and at_ms < filters.until_ms))
        )


def synthetic(seed: int, n_recordings: int = 40) -> tuple[list[Transcript], list[Line]]:
    """Recordings with some of the metadata, and all their lines."""
    random, transcripts, lines = Random(seed), [], []
    for number in range(n_recordings):
        metadata = {name: random.choice(values) for name, values in METADATA.items() if random.random() < 0.8}
        if random.random() < 0.8:
            metadata["recorded_at"] = random.choice(TIMES)
        here = [
            Line(
                RecordingId(f"{number:064x}"),
                metadata,
                at * PAUSE_MS,
                ("so", *random.choices(WORDS, k=random.randint(1, 6))),
                random.choice("ABC"),
                random.choice(("en", "es")),
                random.random() < 0.2,
            )
            for at in range(random.randint(1, 5))
        ]
        heard = spoken(
            *(
                line(one.speaker, one.start_ms, " ".join(one.words), one.language, flags=["doubtful"] * one.is_doubtful)
                for one in here
            ),
            **metadata,
        )
        kinds = tuple(SpeakerKind(label, kind, None if kind is None else 0.9) for label, kind in KINDS.items())
        transcripts.append(replace(heard, recording=replace(heard.recording, id=here[0].recording), kinds=kinds))
        lines += here
    return transcripts, lines


def questions(seed: int, lines: list[Line], n: int, mode: Mode) -> Iterator[Query]:
    """Phrases of one or two words; half of them filtered by what some line has."""
    random = Random(seed)
    for _ in range(n):
        text = " ".join(random.choices(WORDS, k=random.randint(1, 2)))
        yield Query(
            text,
            mode,
            limit=random.choice((1, 7, 50)),
            filters=_filters(random, random.choice(lines)) if random.random() < 0.5 else Filters(),
            doubtful=random.random() < 0.3,
            sort=random.choice((None, *Sort)),
        )


def _filters(random: Random, like: Line) -> Filters:
    asked: dict[str, object] = {}
    for name in random.sample(FILTERED, k=random.randint(1, 2)):
        if name in METADATA:
            asked[name] = like.metadata.get(name, "nobody").upper()
        elif name in ("since_ms", "until_ms"):
            asked[name] = round(like.said_at.timestamp() * 1000) if like.said_at else None
        else:
            asked[name] = getattr(like, name)
    return Filters(**asked)  # type: ignore[arg-type]  # the names are those of its fields


def places(lines: list[Line], query: Query) -> list[Line]:
    """The line of each place the query's words were said in their order, by looking at every word.

    Places that share words, as those of "up up" in "up up up", are one.
    """
    found: list[Line] = []
    for one in lines:
        end = 0
        for at in range(len(one.words)):
            if list(one.words[at : at + len(query.tokens)]) == query.tokens:
                if at >= end and one.passes(query.filters) and (query.doubtful or not one.is_doubtful):
                    found.append(one)
                end = at + len(query.tokens)
    return found
