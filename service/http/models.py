"""What goes over the wire: answers as the command line prints them, described for the OpenAPI document.

Answers may gain fields, so the models let unknown ones through; questions may not, because a filter that is
misspelt and ignored would search what was to be left out.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from search.query import Mode, Sort
from service.citations import CitationFormat

FacetName = Literal["officer", "unit", "category", "incident", "month", "language", "speaker_kind"]  # as FACETS


class Answer(BaseModel):
    """Fields are added, never renamed."""

    model_config = ConfigDict(extra="allow")


class Question(BaseModel):
    """Parameters of a query string."""

    model_config = ConfigDict(extra="forbid")


class RecordingFilters(Question):
    """Which recordings."""

    officer: str | None = Field(None, description="only footage of this officer")
    badge: str | None = Field(None, description="only footage of this badge")
    unit: str | None = Field(None, description="only footage of this unit")
    incident: str | None = Field(None, description="only footage of this incident")
    category: str | None = Field(None, description="only footage of this category")
    since: str | None = Field(None, description="only from this time on (ISO 8601; without offset: agency time)")
    until: str | None = Field(None, description="only before this time")


class Asked(RecordingFilters):
    """What to look for, and where."""

    q: str = Field(
        description="what was said, roughly; in double quotes: exactly; or phrases combined, as the README says",
        max_length=2000,
    )
    mode: Mode = Field(Mode.AUTO, description="which ways of matching; auto combines them")
    doubtful: bool = Field(
        False,
        description="also find what may not have been said: doubtful passages, and exactly, primed words",
    )
    sort: Sort | None = Field(
        None,
        description="what hits come by: relevance, time (of recording, the first first) or -time (the last first). "
        "Default: relevance; places of an exact search are alike, and come by time",
    )
    machine: bool = Field(
        False, description="of recordings that people corrected, search what the machine heard instead"
    )
    recording: str | None = Field(None, description="only this recording: an id, its beginning, or a source path")
    speaker: str | None = Field(None, description="only what this speaker said: SPEAKER_00, or wearer or radio")
    language: str | None = Field(None, description="only what was said in this language, e.g. es")


class SearchQuestion(Asked):
    """Which hits, and how long they may take."""

    limit: int = Field(10, ge=1, le=1000, description="hits to return")
    offset: int = Field(0, ge=0, description="hits to leave out first; offset and limit together at most 10000")
    facets: bool = Field(False, description="also count hits by officer, unit, category, incident, month, and so on")
    deadline_ms: int | None = Field(
        None, ge=1, le=3_600_000, description="when to answer with what there is; default: as the service is set"
    )


class ExportQuestion(Asked):
    """In which form. An exact search is exported whole, another up to its limit."""

    limit: int = Field(10, ge=1, le=1000, description="hits to export, unless the search is exact")
    format: CitationFormat = Field(description="csv, made for spreadsheets, or jsonl, one JSON object a line")


class ListQuestion(RecordingFilters):
    """Which recordings, and which page of them."""

    limit: int = Field(50, ge=1, le=500, description="recordings to return")
    offset: int = Field(0, ge=0, description="recordings to leave out first")


class AlignmentQuestion(Question):
    """Which other recording."""

    other: str = Field(alias="with", description="all 64 digits of the id of another recording of the scene")


class Highlight(Answer):
    """A word that answers the query."""

    start_ms: int
    end_ms: int
    text: str
    leg: Literal["exact", "words", "sounds"] = Field(
        description="by what: the very word, its stem or number, or its sound"
    )
    from_: int | None = Field(
        alias="from", description="where it begins in the hit's text, in characters (code points)"
    )
    to: int | None


class Line(Answer):
    """What one speaker said before or after a hit."""

    start_ms: int
    end_ms: int
    speaker: str | None
    speaker_kind: str | None
    text: str


class Angle(Answer):
    """One of the cameras that heard a moment."""

    recording_id: str
    source: str
    start_ms: int
    end_ms: int
    officer: str | None
    recorded_at: str | None
    speaker: str | None
    speaker_kind: str | None
    text: str
    confidence: float = Field(description="of the words, as they were heard here")
    version: str
    offset_ms: int = Field(description="time here = time in the first angle + offset")
    offset_error_ms: int = Field(description="how far off that may be")
    by: Literal["words", "sound"] | None = Field(description="what tells the offset; null: the first angle itself")
    offset_confidence: float | None = Field(description="how far the offset stands out from others, 0 to 1")


class Hit(Answer):
    """A moment that answers the query."""

    recording_id: str
    source: str
    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    speaker_kind: str | None = Field(description="wearer: likely wears the camera; radio: likely heard through one")
    language: str
    score: float = Field(description="0 to 1: the probability that this answers; of one leg alone, its own score")
    found: bool = Field(
        description="whether that is enough to say so; false: perhaps what was meant, and of one leg alone not judged"
    )
    legs: dict[str, float | None] = Field(description="each way of matching; null: it did not match or run")
    adds: dict[str, float] = Field(description="what each leg adds to the log odds of the score; empty: nothing fused")
    recorded_at: str | None
    officer: str | None
    incident_id: str | None
    angles: list[Angle] = Field(
        description="all cameras that heard the moment, this hit's first: its words are surest; empty: the only one"
    )
    translation: str | None = Field(description="English, by machine")
    context_before: str
    context_after: str
    confidence: float
    flags: list[str] = Field(
        description="doubtful: may not have been said; primed: suggested by the vocabulary, and not heard without it; "
        "no_word_times: heard, but not when each word was said; across_speakers: two people said it between them"
    )
    version: str = Field(description="of the transcript: its SHA-256")
    said: str = Field(description="the words of the phrase where it was found exactly, else those of the passage")
    edition: Literal["machine", "corrected"] = Field(
        description="corrected: of a transcript that people corrected; flags say whether in this passage"
    )
    highlights: list[Highlight] = Field(description="the words that answer the query")
    lines_before: list[Line] = Field(description="the seconds before, by speaker")
    lines_after: list[Line] = Field(description="the seconds after, by speaker")
    moment: int = Field(description="its number among the moments of the answer, 1 the first")
    label: str = Field(
        description="what a hit is worth: a machine wrote it down and nobody verified it, or a person corrected it"
    )


class AskedWord(Answer):
    """A word of the query, or the words that make one number; what it is worth of all of them."""

    text: str
    worth: float


class Understood(Answer):
    """What the query was taken for: the legs are weighed by it."""

    kind: Literal["name", "question", "description"]
    reason: str
    words: list[AskedWord]


class FacetValue(Answer):
    """One value, and how many hits have it."""

    value: str | None = Field(description="as most hits spell it; null: hits without one")
    count: int


class FacetOthers(Answer):
    """What a facet's list leaves out."""

    values: int
    count: int = Field(description="of hits with any of them")


class Searched(Answer):
    """What the search could look at, and what not."""

    recordings: int
    speech_seconds: float
    silent_seconds: float
    not_processed: int = Field(description="recordings and sources that were not searched: they are not in the index")
    awaiting_index: int = Field(description="of those not processed: heard, but not in the index yet")


class SearchAnswer(Answer):
    """Hits in their order."""

    query: str
    mode: str
    exact: bool = Field(description="whether only these words in this order, or this pattern, was looked for")
    pattern: str | None = Field(description="how the query's operators were read; null: it has none")
    machine: bool = Field(description="whether what machines heard was searched, where people corrected it")
    doubtful: bool = Field(description="whether what may not have been said was asked for, too")
    sort: Sort = Field(description="what the hits come by")
    offset: int
    hits: list[Hit]
    total: int = Field(description="moments; what several cameras heard at once is one")
    total_is_exact: bool = Field(description="whether the total counts every moment: exact searches that were in time")
    places: int = Field(description="what the moments were folded from: places of every camera, else passages")
    left_out: int = Field(
        description="exact mode: places that match only with doubtful or primed words; other modes: doubtful passages. "
        "They are not in the total"
    )
    facets: dict[FacetName, list[FacetValue]] | None = Field(
        description="hits in the total by value, the most frequent first, months in their order and as the agency's "
        "clocks have them; exact searches count all places, others the passages brought up; null: not asked for"
    )
    facets_others: dict[FacetName, FacetOthers] | None = Field(description="the less frequent values of each facet")
    searched: Searched
    degraded: list[str] = Field(description="what could not be asked, or not to the end, and why")
    understood: Understood | None = Field(description="what the query was taken for; null: exactly these words")


class StageState(Answer):
    """Where one stage of a recording stands."""

    state: Literal["pending", "done", "failed"]
    error: str | None


class RecordingAnswer(Answer):
    """What is known of one recording; null: the stage that tells it has not run."""

    id: str = Field(description="SHA-256 of the file's bytes")
    sources: list[str]
    duration_ms: int
    metadata: dict[str, str]
    stages: dict[str, StageState]
    languages: list[str]
    speakers: int | None
    words: int | None
    speech_ms: int | None
    silent_ms: int | None
    not_processed_ms: int | None
    transcript_version: str | None
    corrected: bool = Field(description="whether people made that version")
    machine_version: str | None = Field(description="what the machine heard instead, kept beside in the index")
    heard_again: bool = Field(description="whether the machine heard otherwise since it was corrected")
    notes: list[str]


class Playable(Answer):
    """What a browser is given to play."""

    kind: Literal["original", "remux", "transcode"]
    media_type: str
    sha256: str | None = Field(description="of the bytes that are played; null: the copy is not made yet")
    state: Literal["ready", "making", "not_made"]


class RecordingDetail(RecordingAnswer):
    """One recording, and how it can be played."""

    playable: Playable


class RecordingPage(Answer):
    """Some recordings, the last recorded first."""

    total: int
    offset: int
    recordings: list[RecordingAnswer]


class Aligned(Answer):
    """One of two recordings."""

    recording_id: str
    source: str
    recorded_at: str | None


class WordsOffset(Answer):
    """What the words say that both heard."""

    offset_ms: int | None
    spread_ms: int | None = Field(description="half of the words lie at most this far from the offset")
    agreed: int = Field(description="words heard by both at the best offset, believed or not")
    runs: int = Field(description="stretches of three such words and more")
    places: int = Field(description="ten seconds each, in which there are such runs")
    share: float = Field(description="of the words of whichever heard fewer while both ran")


class SoundOffset(Answer):
    """What the sound says of stretches in which both heard the same words."""

    offset_ms: int
    spread_ms: int = Field(description="half of the stretches lie at most this far from the offset")
    stretches: int = Field(description="how many agree")


class AlignmentAnswer(Answer):
    """How two recordings lie in time, as `earwitness align --json` prints it."""

    a: Aligned
    b: Aligned
    aligned: bool = Field(description="false: the two do not seem to share a scene")
    offset_ms: int | None = Field(description="own time of b = time in a + offset")
    spread_ms: int | None
    measured_by: Literal["sound", "words"] | None
    confidence: float = Field(description="1 - the votes of the next best offset, as a share of this one's; 0: none")
    reason: str = Field(description="why the offset is believed, or none is")
    words: WordsOffset
    sound: SoundOffset | None = Field(description="null: it could not be read, or does not agree on an offset")
    clock_difference_ms: int | None = Field(
        description="how far the clock of b's camera is ahead of a's, by recorded_at; null: not known"
    )
    degraded: list[str] = Field(description="why the words' offset stands alone")


class Preparing(Answer):
    """A playable copy is being made: ask again."""

    state: Literal["making"] = "making"


class StatusAnswer(Answer):
    """The whole archive, as `earwitness status --json` prints it."""

    summary: dict[str, int]
    recordings: list[RecordingAnswer]
    failures: list[dict[str, Any]]


class IndexingAnswer(Answer):
    """How indexing stands."""

    passages_fingerprint: str | None = Field(description="what passages are made with; null: nothing is indexed here")
    error: str | None = Field(description="why the last attempt went wrong")


class Health(Answer):
    """Whether the process answers, or can do its work."""

    status: Literal["ok", "not_ready"]
    reason: str | None = None


class Problem(BaseModel):
    """RFC 9457: what is wrong with a request, or with the service."""

    type: str = Field(description="a name that stays: urn:earwitness:problem:…")
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="the parameter that is wrong")
    position: int | None = Field(
        None, description="of the character in it where something else would fit; 0: the first"
    )
