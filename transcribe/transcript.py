"""The transcript: what was said in one recording, by whom, when, and what could not be heard.

Two stages of hearing leave one artifact each: `WordsArtifact` (segments with words, coverage) and
`TurnsArtifact` (who held the floor when). `assemble` in `transcribe.speakers` joins them into a
`Transcript`. All times are integer ms of recording time: the time a player shows.

The JSON form (`Transcript.to_json`) is relied on by other systems: fields are added, never renamed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NewType

from transcribe.spans import Span

RecordingId = NewType("RecordingId", str)  # SHA-256 of the file's bytes, 64 hex digits

MACHINE_NOTICE = "machine transcript, not verified"
CORRECTED_NOTICE = "machine transcript, corrected by a person where it says so; the rest is not verified"

CORRECTED = "corrected"  # flag of words a person wrote, and of segments a person changed


class State(StrEnum):
    """What is known about a moment of a recording; every moment has exactly one state."""

    SPEECH = "speech"
    NO_SPEECH = "no_speech"
    DIGITAL_SILENCE = "digital_silence"  # no signal at all; its cause (buffer, mute) is not observed
    UNINTELLIGIBLE = "unintelligible"  # speech was detected, but no words we trust came out
    NOT_PROCESSED = "not_processed"  # the file ends early or was damaged here


@dataclass(frozen=True, slots=True)
class Word:
    """One word as Whisper wrote it, punctuation attached, no surrounding space."""

    start_ms: int
    end_ms: int
    text: str
    # 0..1, that it is right: calibrated, or the decoder's own probability; `ModelUse.options` says which. Of a word
    # flagged `corrected` it is 1 and means nothing: a person wrote it.
    confidence: float
    flags: tuple[str, ...] = ()

    @property
    def span(self) -> Span:
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said without a long break, in one language and, once speakers are known, by one speaker."""

    start_ms: int
    end_ms: int
    text: str
    language: str  # ISO 639-1 as Whisper names it
    confidence: float  # the mean of its words'
    words: tuple[Word, ...] = ()
    speaker: str | None = None  # None: nobody was told apart (yet)
    flags: tuple[str, ...] = ()
    translation: str | None = None  # English, by machine; None for English speech
    channel: int | None = None  # the audio channel that was clearly loudest, of several; else None

    @property
    def span(self) -> Span:
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch one speaker holds; turns of different speakers may overlap."""

    start_ms: int
    end_ms: int
    speaker: str

    @property
    def span(self) -> Span:
        return Span(self.start_ms, self.end_ms)


class Kind(StrEnum):
    """How a speaker takes part, as far as sound tells."""

    WEARER = "wearer"  # of the camera
    RADIO = "radio"  # heard through one, or through a telephone


@dataclass(frozen=True, slots=True)
class SpeakerKind:
    """A speaker, and what kind they likely are; None: not sure enough. `confidence`: that they are it, 0 without."""

    speaker: str
    kind: Kind | None = None
    confidence: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {"speaker": self.speaker, "kind": self.kind, "confidence": self.confidence}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> SpeakerKind:
        return SpeakerKind(data["speaker"], Kind(data["kind"]) if data["kind"] else None, data["confidence"])


@dataclass(frozen=True, slots=True)
class Covered:
    """A stretch of the recording in one state."""

    start_ms: int
    end_ms: int
    state: State

    @property
    def span(self) -> Span:
        return Span(self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model and how it was used: enough to say which bytes produced a word."""

    name: str
    revision: str
    sha256: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "revision": self.revision, "sha256": self.sha256, "options": dict(self.options)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ModelUse:
        return ModelUse(data["name"], data["revision"], data["sha256"], dict(data["options"]))


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What the container says about a recording, and what decoding it showed."""

    duration_ms: int  # as a player shows it
    container: str
    audio_codecs: tuple[str, ...] = ()
    video_codecs: tuple[str, ...] = ()
    channels: int = 0  # over all audio streams
    created_at: str | None = None  # ISO 8601, from the container's own metadata
    notes: tuple[str, ...] = ()  # e.g. "no audio stream", "audio gap of 1200 ms at 4.0 s filled with silence"


@dataclass(frozen=True, slots=True)
class WordsArtifact:
    """The `words` stage of one recording."""

    recording_id: RecordingId
    media: MediaFacts
    segments: tuple[Segment, ...]  # sorted by start; `speaker` is None
    coverage: tuple[Covered, ...]  # partition of [0, duration_ms)
    models: tuple[ModelUse, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "recording_id": self.recording_id,
            "media": _media_json(self.media),
            "segments": [_segment_json(segment) for segment in self.segments],
            "coverage": [_covered_json(covered) for covered in self.coverage],
            "models": [model.to_json() for model in self.models],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> WordsArtifact:
        return WordsArtifact(
            RecordingId(data["recording_id"]),
            _media(data["media"]),
            tuple(_segment(segment) for segment in data["segments"]),
            tuple(_covered(covered) for covered in data["coverage"]),
            tuple(ModelUse.from_json(model) for model in data["models"]),
        )


@dataclass(frozen=True, slots=True)
class TurnsArtifact:
    """The `turns` stage of one recording."""

    recording_id: RecordingId
    turns: tuple[Turn, ...]  # sorted by start
    models: tuple[ModelUse, ...]
    exclusive: tuple[Turn, ...] = ()  # the same moments, each given to one speaker; empty where nobody said to whom
    kinds: tuple[SpeakerKind, ...] = ()  # one per speaker; empty in artifacts made before there were any

    def to_json(self) -> dict[str, Any]:
        return {
            "recording_id": self.recording_id,
            "turns": [_turn_json(turn) for turn in self.turns],
            "models": [model.to_json() for model in self.models],
            "exclusive": [_turn_json(turn) for turn in self.exclusive],
            "kinds": [kind.to_json() for kind in self.kinds],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TurnsArtifact:
        return TurnsArtifact(
            RecordingId(data["recording_id"]),
            tuple(_turn(turn) for turn in data["turns"]),
            tuple(ModelUse.from_json(model) for model in data["models"]),
            tuple(_turn(turn) for turn in data.get("exclusive", ())),
            tuple(SpeakerKind.from_json(kind) for kind in data.get("kinds", ())),
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known about a recording besides what was said: identity, media facts, metadata.

    `metadata` holds the manifest's columns as strings (`recorded_at`, `officer`, `badge`, `unit`,
    `incident_id`, `category`, `camera_serial`, `restricted`, and any the agency added); absent means
    unknown.
    """

    id: RecordingId
    source: str  # path or URL of one source
    media: MediaFacts
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration_ms(self) -> int:
        return self.media.duration_ms


@dataclass(frozen=True, slots=True)
class Amendment:
    """That a person changed a transcript: which version, who, when."""

    base: str  # the version that was changed
    author: str
    at: str  # ISO 8601, UTC
    note: str | None = None
    n_edits: int = 0
    restores: str | None = None  # the version whose content was put in place of the base's; None: it was edited

    def to_json(self) -> dict[str, Any]:
        return {
            "base": self.base,
            "author": self.author,
            "at": self.at,
            "note": self.note,
            "n_edits": self.n_edits,
            "restores": self.restores,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Amendment:
        return Amendment(data["base"], data["author"], data["at"], data["note"], data["n_edits"], data["restores"])


@dataclass(frozen=True, slots=True)
class Transcript:
    """Who said what and when in one recording, and where every claim comes from.

    `segments` are sorted by start; words inside a segment are sorted and lie within it. `coverage`
    partitions `[0, recording.duration_ms)`. `speakers_known` is False while diarization is missing.
    """

    recording: Recording
    segments: tuple[Segment, ...]
    turns: tuple[Turn, ...]
    coverage: tuple[Covered, ...]
    models: tuple[ModelUse, ...]
    speakers_known: bool = True
    kinds: tuple[SpeakerKind, ...] = ()  # one per speaker; empty in transcripts made before there were any
    amendments: tuple[Amendment, ...] = ()  # oldest first; empty: as machines made it

    @property
    def version(self) -> str:
        """Content hash (16 hex digits) of what was heard, by which models, who changed it; metadata does not count."""
        content = {
            "recording_id": self.recording.id,
            "segments": [_segment_json(segment) for segment in self.segments],
            "turns": [_turn_json(turn) for turn in self.turns],
            "coverage": [_covered_json(covered) for covered in self.coverage],
            "models": [model.to_json() for model in self.models],
            # Transcripts made before there were kinds keep the version they were stored under.
            **({"speakers": [kind.to_json() for kind in self.kinds]} if self.kinds else {}),
            **({"amendments": [one.to_json() for one in self.amendments]} if self.amendments else {}),
        }
        return hashlib.sha256(canonical_json(content)).hexdigest()[:16]

    @property
    def notice(self) -> str:
        """What whoever reads it must know first."""
        return CORRECTED_NOTICE if self.amendments else MACHINE_NOTICE

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def languages(self) -> list[str]:
        """Languages heard, most words first."""
        counts: dict[str, int] = {}
        for segment in self.segments:
            counts[segment.language] = counts.get(segment.language, 0) + len(segment.words)
        return sorted(counts, key=lambda language: (-counts[language], language))

    @property
    def speakers(self) -> list[str]:
        """Labels in order of first appearance in the turns."""
        return list(dict.fromkeys(turn.speaker for turn in self.turns))

    def kind_of(self, speaker: str | None) -> Kind | None:
        """What kind a speaker likely is; None: that is not sure, or nobody spoke."""
        return next((one.kind for one in self.kinds if one.speaker == speaker), None)

    def covered_ms(self, *states: State) -> int:
        return sum(covered.span.duration_ms for covered in self.coverage if covered.state in states)

    def with_recording(self, recording: Recording) -> Transcript:
        return replace(self, recording=recording)

    def to_json(self) -> dict[str, Any]:
        """The form other systems rely on (DESIGN, "Forms that others rely on")."""
        return {
            "notice": self.notice,
            "recording": {
                **self.recording.metadata,
                "id": self.recording.id,
                "source": self.recording.source,
                **_media_json(self.recording.media),
            },
            "provenance": {
                "source_sha256": self.recording.id,
                "transcript_version": self.version,
                "speakers_known": self.speakers_known,
                "models": [model.to_json() for model in self.models],
                "amendments": [one.to_json() for one in self.amendments],
            },
            "segments": [_segment_json(segment) for segment in self.segments],
            "turns": [_turn_json(turn) for turn in self.turns],
            "speakers": [kind.to_json() for kind in self.kinds],
            "coverage": [_covered_json(covered) for covered in self.coverage],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Transcript:
        fields = dict(data["recording"])
        recording_id, source = RecordingId(fields.pop("id")), fields.pop("source")
        media = _media({name: fields.pop(name) for name in _MEDIA_FIELDS})
        return Transcript(
            Recording(recording_id, source, media, fields),
            tuple(_segment(segment) for segment in data["segments"]),
            tuple(_turn(turn) for turn in data["turns"]),
            tuple(_covered(covered) for covered in data["coverage"]),
            tuple(ModelUse.from_json(model) for model in data["provenance"]["models"]),
            data["provenance"]["speakers_known"],
            tuple(SpeakerKind.from_json(kind) for kind in data.get("speakers", ())),
            tuple(Amendment.from_json(one) for one in data["provenance"].get("amendments", ())),
        )


def canonical_json(data: Any) -> bytes:
    """One byte form per value: sorted keys, no spaces, UTF-8. What hashes are taken of."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_MEDIA_FIELDS = ("duration_ms", "container", "audio_codecs", "video_codecs", "channels", "created_at", "notes")


def _media_json(media: MediaFacts) -> dict[str, Any]:
    return {
        "duration_ms": media.duration_ms,
        "container": media.container,
        "audio_codecs": list(media.audio_codecs),
        "video_codecs": list(media.video_codecs),
        "channels": media.channels,
        "created_at": media.created_at,
        "notes": list(media.notes),
    }


def _media(data: Mapping[str, Any]) -> MediaFacts:
    return MediaFacts(
        data["duration_ms"],
        data["container"],
        tuple(data["audio_codecs"]),
        tuple(data["video_codecs"]),
        data["channels"],
        data["created_at"],
        tuple(data["notes"]),
    )


def _segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "start_ms": segment.start_ms,
        "end_ms": segment.end_ms,
        "speaker": segment.speaker,
        "text": segment.text,
        "language": segment.language,
        "confidence": segment.confidence,
        "flags": list(segment.flags),
        "words": [_word_json(word) for word in segment.words],
        "translation": segment.translation,
        "channel": segment.channel,
    }


def _word_json(word: Word) -> dict[str, Any]:
    """`flags` only where there are any: most words have none, and there are millions."""
    data = {"start_ms": word.start_ms, "end_ms": word.end_ms, "text": word.text, "confidence": word.confidence}
    return {**data, "flags": list(word.flags)} if word.flags else data


def _word(data: Mapping[str, Any]) -> Word:
    return Word(data["start_ms"], data["end_ms"], data["text"], data["confidence"], tuple(data.get("flags", ())))


def _segment(data: Mapping[str, Any]) -> Segment:
    return Segment(
        data["start_ms"],
        data["end_ms"],
        data["text"],
        data["language"],
        data["confidence"],
        tuple(_word(word) for word in data["words"]),
        data["speaker"],
        tuple(data["flags"]),
        data["translation"],
        data.get("channel"),
    )


def _turn_json(turn: Turn) -> dict[str, Any]:
    return {"start_ms": turn.start_ms, "end_ms": turn.end_ms, "speaker": turn.speaker}


def _turn(data: Mapping[str, Any]) -> Turn:
    return Turn(data["start_ms"], data["end_ms"], data["speaker"])


def _covered_json(covered: Covered) -> dict[str, Any]:
    return {"start_ms": covered.start_ms, "end_ms": covered.end_ms, "state": covered.state.value}


def _covered(data: Mapping[str, Any]) -> Covered:
    return Covered(data["start_ms"], data["end_ms"], State(data["state"]))


def joined_text(words: Sequence[Word]) -> str:
    """Words as a line of text."""
    return " ".join(word.text for word in words)
