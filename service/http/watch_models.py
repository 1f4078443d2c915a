"""Watch-lists over the wire. As everywhere: answers gain fields, and questions with unknown ones are refused."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.http.models import Answer, Question

HitId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]


class NewWatch(BaseModel):
    """What to keep looking for: a query, or the queries of a detector."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, description="lower-case letters, digits, dashes; of a detector its own unless given")
    q: str | None = Field(None, description="what to look for, as in a search", max_length=2000)
    detector: str | None = Field(None, description="instead of a query: a detector that comes with earwitness")
    mode: Literal["auto", "exact"] = Field("auto", description="of what auto ranks, only what it finds becomes a hit")
    doubtful: bool = Field(False, description="also match what may not have been said")
    officer: str | None = Field(None, description="only footage of this officer")
    badge: str | None = Field(None, description="only footage of this badge")
    incident: str | None = Field(None, description="only footage of this incident")
    category: str | None = Field(None, description="only footage of this category")
    speaker: str | None = Field(None, description="only what this speaker said: SPEAKER_00, or wearer or radio")
    since: str | None = Field(None, description="only from this time on (ISO 8601; without offset: agency time)")
    until: str | None = Field(None, description="only before this time")
    language: str | None = Field(None, description="only what was said in this language, e.g. es")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.detector is None) == (self.q is None) or (self.q is not None and self.name is None):
            raise ValueError("give name and q, or a detector")
        return self

    @property
    def filters(self) -> dict[str, str | None]:
        """As searches take them."""
        return self.model_dump(exclude={"name", "q", "detector", "mode", "doubtful"})


class WatchAnswer(Answer):
    """A watch, and what became of it; hits are those of the current versions of transcripts."""

    name: str
    queries: list[str]
    mode: str
    filters: dict[str, str]
    doubtful: bool
    detector: str | None
    created_by: str
    created_at: str
    hits: int
    new: int = Field(description="hits that nobody has acknowledged")
    matched: int = Field(description="recordings")
    due: int = Field(description="recordings yet to be matched")
    error: str | None = Field(description="why the last match that failed did; it is tried again")


class WatchList(Answer):
    """Every watch, by name."""

    watches: list[WatchAnswer]


class WatchHitsQuestion(Question):
    """Which hits, and which page of them."""

    new: bool = Field(False, description="only those nobody has acknowledged")
    superseded: bool = Field(False, description="also those of earlier versions of a transcript")
    limit: int = Field(50, ge=1, le=1000, description="hits to return")
    offset: int = Field(0, ge=0, description="hits to leave out first")


class WatchHitAnswer(Answer):
    """A span to play, and what became of it."""

    id: str
    watch: str
    recording_id: str
    source: str
    transcript_version: str
    start_ms: int
    end_ms: int
    said: str | None = Field(description="all that was heard in the span; null: its transcript is gone")
    speaker: str | None = Field(description="null: several, or unknown")
    language: str
    score: float
    legs: dict[str, float | None]
    flags: list[str]
    recorded_at: str | None
    officer: str | None
    incident_id: str | None
    found_at: str
    superseded_at: str | None = Field(description="since when another version of the transcript is matched")
    acknowledged_at: str | None
    acknowledged_by: str | None
    acknowledgement: str | None = Field(description="what was noted with it")


class WatchHitPage(Answer):
    """Some hits of a watch, by when their recording was made."""

    hits: list[WatchHitAnswer]
    offset: int
    more: bool = Field(description="whether there are further pages")
    notice: str


class AcknowledgedHits(BaseModel):
    """Which hits somebody has looked at."""

    model_config = ConfigDict(extra="forbid")

    hits: list[HitId] | None = Field(None, description="their ids", min_length=1, max_length=1000)
    all: Literal[True] | None = Field(None, description="instead: every current hit of the watch")
    note: str | None = Field(None, description="what to keep with it; it may be exported", max_length=2000)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.hits is None) == (self.all is None):
            raise ValueError("give the ids of hits, or all: true")
        return self


class AcknowledgementAnswer(Answer):
    """What was noted."""

    acknowledged: int = Field(description="hits that nobody had acknowledged before")
