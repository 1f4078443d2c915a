"""How two recordings of one scene lie in time: by their transcripts, then by their sound where it can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.angles import Link
from service.catalog import Catalog, RecordingRow
from service.catalog.metadata import recorded_ms
from service.errors import MediaChanged, SameRecording
from service.export import current_transcript
from service.original import find_original
from service.transcripts import TranscriptStore
from transcribe.alignment import WordAlignment, align_words
from transcribe.errors import TranscribeError
from transcribe.media import Audio, decode
from transcribe.sound_alignment import SoundAlignment, align_sound

MIN_SOUND_ERROR_MS = 10  # stretches that agree to the millisecond still hear each speaker from another distance: 3 m
NOT_CONFIRMED = "the offset is that of the words: the sound of the two does not agree on one near it"


@dataclass(frozen=True, slots=True)
class Alignment:
    """The offset between two recordings and how it was measured, or why there is none.

    Attributes:
        sound: None where it was not asked, could not be read, or did not agree.
        degraded: why the words' offset stands alone, in sentences; empty where it does not, or there is none.
    """

    first: RecordingRow
    second: RecordingRow
    words: WordAlignment
    sound: SoundAlignment | None = None
    degraded: tuple[str, ...] = ()

    @property
    def measured(self) -> SoundAlignment | WordAlignment:
        return self.sound or self.words

    @property
    def clock_difference_ms(self) -> int | None:
        """How far the second camera's clock is ahead of the first's; None: not aligned, or a time is unknown.

        As exact as `recorded_at`, which evidence systems round to seconds.
        """
        offset_ms = self.measured.offset_ms
        first_ms, second_ms = (recorded_ms(row.metadata.get("recorded_at", "")) for row in (self.first, self.second))
        if offset_ms is None or first_ms is None or second_ms is None:
            return None
        return second_ms + offset_ms - first_ms

    def to_json(self) -> dict[str, Any]:
        """What the command line prints, and HTTP answers."""
        aligned = self.words.offset_ms is not None
        return {
            "a": _recording_json(self.first),
            "b": _recording_json(self.second),
            "aligned": aligned,
            "offset_ms": self.measured.offset_ms,
            "spread_ms": self.measured.spread_ms if aligned else None,
            "measured_by": ("sound" if self.sound else "words") if aligned else None,
            "confidence": round(self.words.confidence, 3),
            "reason": self.words.reason,
            "words": {
                "offset_ms": self.words.offset_ms,
                "spread_ms": self.words.spread_ms if aligned else None,
                "agreed": len(self.words.matches),
                "runs": self.words.n_runs,
                "places": len(self.words.places),
                "share": round(self.words.share, 3),
            },
            "sound": None
            if self.sound is None
            else {
                "offset_ms": self.sound.offset_ms,
                "spread_ms": self.sound.spread_ms,
                "stretches": self.sound.n_stretches,
            },
            "clock_difference_ms": self.clock_difference_ms,
            "degraded": list(self.degraded),
        }


def align(catalog: Catalog, transcripts: TranscriptStore, first: RecordingRow, second: RecordingRow) -> Alignment:
    """Find the offset of the second recording against the first.

    Sound that cannot be read is no error: the words' offset stands, and `degraded` says so. What the sound says is kept
    for searches.
    Cost: where the words agree, both files are read and decoded once, seconds for each hour.

    Raises:
        SameRecording, NotHeardYet, TranscriptMissing
    """
    if first.id == second.id:
        raise SameRecording(_source(first), _source(second))
    words = align_words(*(current_transcript(row, transcripts).words for row in (first, second)))
    if words.offset_ms is None:
        return Alignment(first, second, words)
    try:
        heard, also_heard = (_audio(catalog, row) for row in (first, second))
    except (TranscribeError, MediaChanged, OSError) as error:
        return Alignment(first, second, words, degraded=(f"the offset is that of the words: {error}",))
    sound = align_sound(heard.waveform, also_heard.waveform, words.offset_ms, words.places)
    if sound is not None:
        _keep(catalog, first, second, sound, words.confidence)
    return Alignment(first, second, words, sound, () if sound else (NOT_CONFIRMED,))


def _keep(catalog: Catalog, first: RecordingRow, second: RecordingRow, sound: SoundAlignment, sure: float) -> None:
    """Searches fold angles by it from now on."""
    versions = {row.id: row.transcript_version for row in (first, second) if row.transcript_version is not None}
    error_ms = max(MIN_SOUND_ERROR_MS, sound.spread_ms)
    catalog.keep_link(Link(first.id, second.id, sound.offset_ms, error_ms, "sound", sure), versions)


def _audio(catalog: Catalog, row: RecordingRow) -> Audio:
    source = find_original(row, catalog.sources_of(row.id)).source
    audio = decode(source)
    if audio.recording_id != row.id:
        raise MediaChanged(source)
    return audio


def _recording_json(row: RecordingRow) -> dict[str, Any]:
    return {"recording_id": row.id, "source": _source(row), "recorded_at": row.metadata.get("recorded_at")}


def _source(row: RecordingRow) -> str:
    return row.sources[0] if row.sources else row.id
