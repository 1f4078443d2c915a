"""A hit: a moment that answers a query, with everything that is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from search.angles import Angle, Timeline
from search.context import Line
from search.evidence import Evidence
from search.highlights import Highlight
from search.passages import DOUBTS, SpokenWord
from search.phrase import Occurrence, own_words
from search.protocols import EDITION_FIELD, Edition, Payload
from search.sounds import SoundMatch
from transcribe.transcript import CORRECTED_NOTICE, MACHINE_NOTICE, RecordingId

MARKS = ("sealed", "held")  # labels of the recording that are shown among a hit's flags


@dataclass(frozen=True, slots=True)
class Hit:
    """A moment that answers a query.

    `score` is the probability that it does, 0..1 (of a single leg: the leg's own), and `found` whether that is enough
    to say so; else it is perhaps what was meant. `legs` by name, None where a leg did not match or run. `adds`: what
    each leg adds to the log odds. `flags` are the passage's; but where the phrase itself was found, `doubtful` and
    `primed` speak of its words alone. `highlights`: the words that answer. `lines_before` and `lines_after`: the
    seconds around it, by speaker. `angles`: all cameras that heard the moment, this hit's own first; empty where it is
    the only one. `moment`: its number among the moments of the answer, 1 the first; its angles have the same.
    """

    recording_id: RecordingId
    source: str
    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    speaker_kind: str | None
    language: str
    score: float
    found: bool
    legs: dict[str, float | None]
    adds: dict[str, float]
    recorded_at: str | None
    officer: str | None
    incident_id: str | None
    translation: str | None
    context_before: str
    context_after: str
    confidence: float
    flags: tuple[str, ...]
    version: str
    said: tuple[SpokenWord, ...]  # the words of the phrase where it was found, else the passage's
    edition: Edition = Edition.MACHINE  # of the transcript: as machines made it, or as people corrected it
    highlights: tuple[Highlight, ...] = ()
    lines_before: tuple[Line, ...] = ()
    lines_after: tuple[Line, ...] = ()
    angles: tuple[Angle, ...] = ()
    moment: int = field(default=1, compare=False)  # where it stands in an answer is not what it is

    @property
    def every_angle(self) -> tuple[Hit, ...]:
        """The hits of all cameras; itself where it is the only one."""
        return tuple(angle.hit for angle in self.angles) or (self,)

    def to_json(self) -> dict[str, Any]:
        """The form other systems rely on."""
        return {
            "recording_id": self.recording_id,
            "source": self.source,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "text": self.text,
            "speaker": self.speaker,
            "speaker_kind": self.speaker_kind,
            "language": self.language,
            "score": round(self.score, 4),
            "found": self.found,
            "legs": {leg: None if score is None else round(score, 4) for leg, score in self.legs.items()},
            "adds": {leg: round(value, 2) for leg, value in self.adds.items()},
            "recorded_at": self.recorded_at,
            "officer": self.officer,
            "incident_id": self.incident_id,
            "angles": [angle.to_json() for angle in self.angles],
            "translation": self.translation,
            "context_before": self.context_before,
            "context_after": self.context_after,
            "confidence": self.confidence,
            "flags": list(self.flags),
            "version": self.version,
            "said": " ".join(word.text for word in self.said),
            "edition": self.edition.value,
            "highlights": [one.to_json() for one in self.highlights],
            "lines_before": [line.to_json() for line in self.lines_before],
            "lines_after": [line.to_json() for line in self.lines_after],
            "moment": self.moment,
            "label": CORRECTED_NOTICE if self.edition is Edition.CORRECTED else MACHINE_NOTICE,
        }


def hit_of(
    payload: Payload,
    score: float,
    found: bool,
    evidence: Evidence,
    adds: dict[str, float] | None = None,
    said: Occurrence | None = None,
    heard: SoundMatch | None = None,
    highlights: tuple[Highlight, ...] = (),
) -> Hit:
    """A passage as a hit.

    Args:
        said: where the phrase itself was found: the span is that of exactly its words, and the text the passage's and
            the words of a phrase that runs beyond it.
        heard: else, where it sounds like the query: the span is that of these words.
    """
    metadata = payload["metadata"]
    flags = list(payload["flags"])
    if said is not None:
        flags = [*(flag for flag in flags if flag not in DOUBTS), *said.doubts]
        flags += ["across_speakers"] if said.across_speakers else []
    flags += [mark for mark in MARKS if payload.get(mark)]
    words = _spoken(payload, heard) if said is None else said.said
    narrowed = bool(words) and (said is not None or heard is not None)
    return Hit(
        RecordingId(payload["recording_id"]),
        payload["source"],
        words[0].start_ms if narrowed else payload["start_ms"],
        max(word.end_ms for word in words) if narrowed else payload["end_ms"],
        text_of(payload, said),
        payload["speaker"],
        payload.get("speaker_kind"),  # rows made before there were kinds are searched until they are made again
        payload["language"],
        score,
        found,
        _legs(evidence),
        adds or {},
        metadata.get("recorded_at"),
        metadata.get("officer"),
        metadata.get("incident_id"),
        payload["translation"],
        payload["context_before"],
        payload["context_after"],
        payload["confidence"],
        tuple(flags),
        payload["version"],
        words,
        Edition(payload.get(EDITION_FIELD, Edition.MACHINE)),
        highlights,
    )


def text_of(payload: Payload, said: Occurrence | None) -> str:
    """The passage's text, and the words of a phrase that runs beyond it."""
    return f"{payload['text']} {said.beyond}" if said and said.beyond else str(payload["text"])


def joined(hits: Sequence[Hit], best: Hit) -> Hit:
    """Passages of one speaker that are one moment, in the order of time: what the best says, over the span of all."""
    if len(hits) == 1:
        return best
    moved, length = [], 0
    for hit in hits:
        moved += [one.moved(length) for one in hit.highlights]
        length += len(hit.text) + 1
    return replace(
        best,
        start_ms=hits[0].start_ms,
        end_ms=max(hit.end_ms for hit in hits),
        text=" ".join(hit.text for hit in hits),
        legs=_best_legs(hits),
        translation=" ".join(hit.translation for hit in hits if hit.translation) or None,
        context_before=hits[0].context_before,
        context_after=hits[-1].context_after,
        confidence=fmean(hit.confidence for hit in hits),
        flags=tuple(dict.fromkeys(flag for hit in hits for flag in hit.flags)),
        said=tuple(word for hit in hits for word in hit.said),
        highlights=tuple(moved),
    )


def as_one_moment(hits: Sequence[Hit], timeline: Timeline) -> Hit:
    """What several cameras heard of one moment, shown by the angle whose words are surest; scores are the best of all.

    Args:
        hits: of linked recordings, each one's once, in the order of the answer.
    """
    if len(hits) == 1:
        return hits[0]
    best = max(hits, key=lambda hit: hit.score)  # of equal ones the first
    first, *others = sorted(hits, key=lambda hit: -hit.confidence)
    angles = [Angle(first)]
    for hit in others:
        link = timeline.between(first.recording_id, hit.recording_id)
        angles.append(Angle(hit, link.offset_ms, link.error_ms, link.by, link.confidence))
    return _shown_by(first, best, hits, angles)


def without_angles(hit: Hit, keeps: Callable[[Hit], bool]) -> Hit | None:
    """The hit with those angles alone; None: no angle is left. Offsets are told from the first that is."""
    angles = [angle for angle in hit.angles or (Angle(hit),) if keeps(angle.hit)]
    if len(angles) == len(hit.every_angle):
        return hit
    if len(angles) < 2:
        return angles[0].hit if angles else None
    first, *others = angles
    moved = [
        replace(
            other,
            offset_ms=other.offset_ms - first.offset_ms,
            offset_error_ms=other.offset_error_ms + first.offset_error_ms,
        )
        for other in others
    ]
    hits = [angle.hit for angle in angles]
    return _shown_by(first.hit, max(hits, key=lambda one: one.score), hits, [Angle(first.hit), *moved])


def _shown_by(first: Hit, best: Hit, hits: Sequence[Hit], angles: Sequence[Angle]) -> Hit:
    return replace(
        first,
        score=best.score,
        found=any(hit.found for hit in hits),
        adds=best.adds,
        legs=_best_legs(hits),
        angles=tuple(angles),
    )


def _best_legs(hits: Sequence[Hit]) -> dict[str, float | None]:
    scores = {leg: [hit.legs[leg] for hit in hits] for leg in hits[0].legs}
    return {leg: max((one for one in some if one is not None), default=None) for leg, some in scores.items()}


def _spoken(payload: Payload, heard: SoundMatch | None) -> tuple[SpokenWord, ...]:
    """The passage's words, or those of them that sound like the query."""
    if heard is None:
        return tuple(own_words(payload))
    some = payload["words"][heard.first_word : heard.last_word + 1]
    return tuple(SpokenWord(start, end, text, payload["speaker"], tuple(d)) for start, end, text, *d in some)


def _legs(evidence: Evidence) -> dict[str, float | None]:
    """By leg what it found; a leg that found nothing of the query in the passage did not match."""
    sounds = max(evidence.sounds or 0.0, evidence.together or 0.0)
    return {"exact": evidence.exact or None, "words": evidence.words or None, "sounds": sounds or None} | {
        "meaning": None if evidence.meaning is None else max(0.0, evidence.meaning)
    }
