"""Voices across recordings: kept sealed while recordings are heard, compared when somebody asks, and that is recorded.

Nobody is identified, and nothing is decided: an answer is a score and a span to play. Voices of two speakers of one
recording are compared as well: one person may have been taken for two.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np

from service.audit import AuditTrail
from service.catalog import Catalog, SealedVoice, Stage
from service.errors import VoiceMissing, VoicesOfAnotherKey
from service.export import row_of
from service.finding import open_catalog
from service.settings import Settings
from service.transcripts import TranscriptStore
from service.voice_seal import VoiceSeal
from transcribe.speaker_voices import VOICES_KEPT, same_voice
from transcribe.transcript import RecordingId, Turn
from transcribe.voices import SpeakerVoices

SHOWN_SCORE = 0.5  # likelier one person's than two's, had that been as likely before
BATCH = 1_000  # voices opened at a time
NOTICE = (
    "Likeness, not identity. Scores are at even odds: among many recordings, more strangers sound alike than people "
    "return. Play both before you rely on one."
)


class VoiceKeeper:
    """Seals the voices of recordings as they are heard, until the catalog takes them along with their turns."""

    def __init__(self, seal: VoiceSeal, model: str) -> None:
        """
        Args:
            model: what made the voices (`gpu.listener.HearingModels.voice_model`).
        """
        self._seal, self._model = seal, model
        self._sealed: dict[RecordingId, list[SealedVoice]] = {}

    def keep(self, recording_id: RecordingId, voices: SpeakerVoices) -> None:
        self._sealed[recording_id] = [
            self._seal.seal(recording_id, speaker, voice, self._model) for speaker, voice in voices.items()
        ]

    def take(self, recording_id: RecordingId) -> list[SealedVoice]:
        """What was kept of a recording, which is no longer here."""
        return self._sealed.pop(recording_id, [])


@dataclass(frozen=True, slots=True)
class Heard:
    """A speaker of a recording: how much speech their voice was heard in, and their longest turn, to play."""

    recording_id: RecordingId
    source: str
    speaker: str
    speech_ms: int
    turn: Turn | None

    def to_json(self) -> dict[str, Any]:
        return {
            "recording_id": self.recording_id,
            "source": self.source,
            "speaker": self.speaker,
            "speech_seconds": round(self.speech_ms / 1000, 1),
            "start_ms": self.turn.start_ms if self.turn else None,
            "end_ms": self.turn.end_ms if self.turn else None,
        }


@dataclass(frozen=True, slots=True)
class VoicesFound:
    """Whose voices are alike, the most alike first.

    matches: a score and whose voice it is. total: how many reached `SHOWN_SCORE`. compared: with how many.
    """

    asked: Heard
    matches: tuple[tuple[float, Heard], ...]
    total: int
    compared: int

    def to_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked.to_json(),
            "matches": [{"score": round(score, 3), **heard.to_json()} for score, heard in self.matches],
            "total": self.total,
            "compared": self.compared,
            "least_score": SHOWN_SCORE,
            "notice": NOTICE,
        }


def find_voices(settings: Settings, recording: str, speaker: str, limit: int) -> VoicesFound:
    """Who, in any recording, sounds like a speaker of this one. The asking is recorded before there is an answer.

    Args:
        recording: an id, the beginning of one, or a source path.
        speaker: a label in that recording.

    Raises:
        NothingIngested, RecordingUnknown, RecordingAmbiguous, TranscriptMissing
        VoicesOff, VoicesKeyWrong, VoicesOfAnotherKey, VoiceMissing, VoiceUnreadable
        AuditUnwritable: then nothing is answered.
    """
    with (
        open_catalog(settings) as catalog,
        AuditTrail(settings.data).recorded("voices.find", recording=recording, speaker=speaker) as event,
    ):
        seal = open_seal(settings, catalog)
        recording_id = catalog.find(recording)
        event.on["recording"] = recording_id
        transcripts = TranscriptStore(settings.transcripts)
        asked = _kept(catalog, transcripts, recording_id, speaker)
        best, total, compared = _alike(seal, asked, catalog.comparable_voices(asked), limit)
        found = VoicesFound(
            _heard(catalog, transcripts, asked),
            tuple((score, _heard(catalog, transcripts, voice)) for score, voice in best),
            total,
            compared,
        )
        event.facts |= {"compared": compared, "alike": total, "returned": len(best)}
    return found


def forget_voices(settings: Settings, recording: str | None) -> int:
    """Delete the voices of a recording, or all; returns how many. Recorded. It takes no key, nor that voices are on.

    Raises:
        NothingIngested, RecordingUnknown, RecordingAmbiguous
        AuditUnwritable: then nothing is deleted.
    """
    with (
        open_catalog(settings) as catalog,
        AuditTrail(settings.data).recorded("voices.forget", recording=recording or "all") as event,
    ):
        recording_id = None if recording is None else catalog.find(recording)
        event.on["recording"] = recording_id or "all"
        event.facts["deleted"] = n_deleted = catalog.forget_voices(recording_id)
    return n_deleted


def open_seal(settings: Settings, catalog: Catalog) -> VoiceSeal:
    """The seal of the settings, which is that of every voice kept.

    Raises:
        VoicesOff, VoicesKeyWrong, VoicesOfAnotherKey
    """
    seal = VoiceSeal.of(settings.voices)
    if catalog.has_voices_of_other_keys(seal.key_id):
        raise VoicesOfAnotherKey
    return seal


def _kept(catalog: Catalog, transcripts: TranscriptStore, recording_id: RecordingId, speaker: str) -> SealedVoice:
    voices = {voice.speaker: voice for voice in catalog.voices(recording_id)}
    if speaker in voices:
        return voices[speaker]
    row = row_of(catalog, recording_id)
    name, told = row.sources[0] if row.sources else recording_id[:12], row.stages[Stage.TURNS]
    labels = sorted({turn.speaker for turn in _turns(transcripts, told.artifact)})
    if labels and speaker not in labels:
        raise VoiceMissing(name, speaker, f"its speakers are {', '.join(labels)}")
    if not told.fingerprint.endswith(VOICES_KEPT):
        raise VoiceMissing(name, speaker, "none was kept when its speakers were told apart; ingest it again")
    others = f"; there are voices of {', '.join(voices)}" if voices else ""
    raise VoiceMissing(name, speaker, f"too little speech of theirs is heard alone{others}")


def _alike(
    seal: VoiceSeal, asked: SealedVoice, others: Iterable[SealedVoice], limit: int
) -> tuple[list[tuple[float, SealedVoice]], int, int]:
    """The most alike of the others with their scores, how many reach `SHOWN_SCORE`, and how many there are."""
    vector = seal.open(asked)
    best: list[tuple[float, int, SealedVoice]] = []
    total, compared, order = 0, 0, count()
    for batch in _batches(others):
        compared += len(batch)
        likeness = np.stack([seal.open(voice) for voice in batch]) @ vector
        for cosine, voice in zip(likeness, batch, strict=True):
            score = same_voice(float(cosine))
            if score < SHOWN_SCORE:
                continue
            total += 1
            heapq.heappush(best, (score, -next(order), voice))
            if len(best) > limit:
                heapq.heappop(best)
    return [(score, voice) for score, _, voice in sorted(best, key=lambda one: one[:2], reverse=True)], total, compared


def _batches(voices: Iterable[SealedVoice]) -> Iterator[list[SealedVoice]]:
    remaining = iter(voices)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _heard(catalog: Catalog, transcripts: TranscriptStore, voice: SealedVoice) -> Heard:
    row = row_of(catalog, voice.recording_id)
    own = [turn for turn in _turns(transcripts, row.stages[Stage.TURNS].artifact) if turn.speaker == voice.speaker]
    longest = max(own, key=lambda turn: turn.end_ms - turn.start_ms, default=None)
    return Heard(voice.recording_id, row.sources[0] if row.sources else "", voice.speaker, voice.speech_ms, longest)


def _turns(transcripts: TranscriptStore, artifact: str | None) -> tuple[Turn, ...]:
    """Where each speaker holds the floor; where nothing says who does, all turns."""
    if artifact is None:
        return ()
    told = transcripts.turns(artifact)
    return told.exclusive or told.turns
