"""The ingest: one loop from footage to a searchable archive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from gpu.engine import Decoded, Engine, Failed, Finished, Heard
from search.errors import IndexBusy
from service.catalog import Catalog, Claim, SealedVoice, Stage, new_owner
from service.indexing import Indexer
from service.manifest import read_manifest
from service.scan import Scan, scan
from service.settings import Settings
from service.transcripts import TranscriptStore
from service.voices import VoiceKeeper
from transcribe.media import Audio
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import RecordingId, State, WordsArtifact

log = structlog.get_logger()

HEARTBEAT_SECONDS = 15.0  # a quarter of a lease
INDEX_EVERY_SECONDS = 10.0  # opening the index costs; what was heard is searchable this soon
FINAL_PATIENCE_SECONDS = 120.0
STAGES = ("decode", "speech", "transcribe", "align", "diarize", "embed", "index")


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be ingested, wholly or in one stage."""

    source: str
    error: str
    stage: str

    def to_json(self) -> dict[str, str]:
        return {"source": self.source, "error": self.error, "stage": self.stage}


@dataclass(slots=True)
class Report:
    """What one ingest did; `to_json` is the form other systems rely on."""

    found: int = 0
    done: int = 0
    failures: list[Failure] = field(default_factory=list)
    audio_ms: int = 0
    speech_ms: int = 0
    wall_seconds: float = 0.0
    stages: StageSeconds = field(default_factory=StageSeconds)
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Sources with at least one failure."""
        return len({failure.source for failure in self.failures})

    def to_json(self) -> dict[str, Any]:
        return {
            "recordings": {
                "found": self.found,
                "done": self.done,
                "skipped": max(0, self.found - self.done - self.failed),
                "failed": self.failed,
            },
            "audio_seconds": round(self.audio_ms / 1000, 3),
            "speech_seconds": round(self.speech_ms / 1000, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "stage_seconds": {stage: round(self.stages.seconds.get(stage, 0.0), 3) for stage in STAGES},
            "failures": [failure.to_json() for failure in self.failures],
            "warnings": self.warnings,
            "interrupted": self.interrupted,
        }


class Progress(Protocol):
    """Who watches an ingest."""

    def started(self, n_sources: int) -> None: ...

    def heard(self, source: str, audio_ms: int) -> None: ...

    def failed(self, failure: Failure) -> None: ...

    def note(self, text: str) -> None: ...


def find_sources(sources: Sequence[str], manifest: Path | None, settings: Settings) -> Scan:
    """What there is to ingest; never reads the contents of media.

    Raises:
        ManifestUnreadable
    """
    return scan(sources, read_manifest(manifest, settings.zone) if manifest else None)


class Ingest:
    """One run of the ingest loop over what a scan found."""

    def __init__(
        self,
        catalog: Catalog,
        transcripts: TranscriptStore,
        indexer: Indexer,
        engine: Engine,
        fingerprints: dict[str, str],
        progress: Progress,
        stop: threading.Event,
        voices: VoiceKeeper | None = None,
    ) -> None:
        """
        Args:
            voices: has the voices of each recording once its turns are heard; None: they are not kept.
        """
        self._voices = voices
        self._catalog, self._transcripts, self._indexer, self._engine = catalog, transcripts, indexer, engine
        self._fingerprints = {Stage(stage): fingerprint for stage, fingerprint in fingerprints.items()}
        self._progress, self._stop = progress, stop
        self._owner = new_owner()
        self._urls: frozenset[str] = frozenset()
        self._claim_failed: set[str] = set()
        self._claim_heard: dict[str, int] = {}  # source -> ms of audio heard anew
        self._media: dict[str, tuple[RecordingId, int]] = {}  # source -> its recording, and how long it lasts in ms
        self.report = Report()

    def run(self, found: Scan, retry_failed: bool = False) -> Report:
        """Hear and index everything found that is not; finishes what is in flight when `stop` is set."""
        started = time.perf_counter()
        report = self.report
        for problem in found.failures:
            self._fail(problem.source, problem.error, "scan")
        self._catalog.register(found.seen)
        self._urls = frozenset(seen.url for seen in found.seen)
        report.found = len(found.seen)
        if retry_failed:
            self._catalog.retry_failed()
        self._progress.started(len(self._urls))
        with self._heartbeat():
            try:
                self._hear()
            finally:
                self._catalog.release(self._owner)
            self._index(FINAL_PATIENCE_SECONDS)
        self._resting()
        report.interrupted = self._stop.is_set()
        report.wall_seconds = time.perf_counter() - started
        return report

    def _claims(self) -> Iterator[Claim]:
        while not self._stop.is_set():
            claims = self._catalog.claim(self._owner, self._fingerprints, 1, self._urls)
            if not claims:
                return
            yield from claims

    def _hear(self) -> None:
        indexed_at = time.monotonic()
        for event in self._engine.hear(self._claims(), self._admit):
            match event:
                case Decoded(claim, audio, seconds):
                    self.report.stages.add("decode", seconds)
                    for note in audio.media.notes:
                        self.note(f"{claim.source}: {note}")
                case Heard(claim, artifact, seconds):
                    self._keep(claim, artifact, seconds)
                case Failed(claim, stage, error, transient):
                    recording_id = self._media[claim.source][0] if claim.source in self._media else claim.recording_id
                    self._catalog.failed(claim, self._owner, recording_id, stage, error, transient)
                    self._claim_failed.add(claim.source)
                    self._fail(claim.source, error, stage)
                case Finished(claim):
                    self._catalog.finish(claim, self._owner)
                    self._count(claim)
                    if time.monotonic() - indexed_at > INDEX_EVERY_SECONDS:
                        self._index(0.0)
                        indexed_at = time.monotonic()

    def _admit(self, claim: Claim, audio: Audio) -> frozenset[Stage]:
        self._media[claim.source] = (audio.recording_id, audio.media.duration_ms)
        return self._catalog.admit(
            claim, self._owner, audio.recording_id, audio.media, audio.size_bytes, self._fingerprints
        )

    def _keep(self, claim: Claim, artifact: Any, seconds: dict[str, float]) -> None:
        for part, spent in seconds.items():
            self.report.stages.add(part, spent)
        recording_id = artifact.recording_id
        sealed: Sequence[SealedVoice] = ()
        if isinstance(artifact, WordsArtifact):
            facts = words_facts(artifact)
            self.report.speech_ms += facts["speech_ms"]
            stage, key = Stage.WORDS, self._transcripts.put_words(artifact)
        else:
            facts = {"n_speakers": len({turn.speaker for turn in artifact.turns})}
            stage, key = Stage.TURNS, self._transcripts.put_turns(artifact)
            sealed = self._voices.take(recording_id) if self._voices else ()
        self._claim_heard[claim.source] = self._media[claim.source][1]
        self._catalog.done(
            claim, self._owner, recording_id, stage, self._fingerprints[stage], key, seconds, facts, sealed
        )

    def _count(self, claim: Claim) -> None:
        self._media.pop(claim.source, None)
        heard_ms = self._claim_heard.pop(claim.source, None)
        if heard_ms is None:
            return
        self.report.audio_ms += heard_ms
        if claim.source not in self._claim_failed:
            self.report.done += 1
        self._progress.heard(claim.source, heard_ms)

    def _index(self, patience_seconds: float) -> None:
        try:
            self._indexer.index_pending(
                self.report.stages,
                patience_seconds,
                lambda state, error: self._fail(state.source, error, "index"),
            )
        except IndexBusy as error:
            if patience_seconds:
                self.note(f"{error} What was heard is kept; the next ingest indexes it.")

    def _resting(self) -> None:
        """Sources of this scan that rest as failed since earlier runs are failures of this one too."""
        known = {failure.source for failure in self.report.failures}
        for failure in self._catalog.failures(self._urls):
            if failure.resting and failure.source not in known:
                self._fail(
                    failure.source,
                    f"{failure.error} (rests after {failure.attempts} attempts; `--retry-failed` tries again)",
                    failure.stage,
                )

    def _fail(self, source: str, error: str, stage: str) -> None:
        failure = Failure(source, error, stage)
        self.report.failures.append(failure)
        self._progress.failed(failure)

    def note(self, text: str) -> None:
        """Something the reader of the report should know."""
        self.report.warnings.append(text)
        self._progress.note(text)

    def _heartbeat(self) -> _Heartbeat:
        return _Heartbeat(self._catalog, self._owner)


class _Heartbeat:
    """Keeps the leases of one owner alive while the block runs."""

    def __init__(self, catalog: Catalog, owner: str) -> None:
        self._catalog, self._owner = catalog, owner
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> _Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self._catalog.heartbeat(self._owner)
            except Exception as error:  # noqa: BLE001 -- a busy database for a moment; the lease outlives three beats
                log.warning("heartbeat failed", error=type(error).__name__)


def words_facts(words: WordsArtifact) -> dict[str, Any]:
    """What the catalog keeps of a recording's words, for lists and totals."""
    ms = dict.fromkeys(State, 0)
    for covered in words.coverage:
        ms[covered.state] += covered.span.duration_ms
    counts: dict[str, int] = {}
    for segment in words.segments:
        counts[segment.language] = counts.get(segment.language, 0) + len(segment.words)
    return {
        "speech_ms": ms[State.SPEECH] + ms[State.UNINTELLIGIBLE],
        "silent_ms": ms[State.DIGITAL_SILENCE],
        "not_processed_ms": ms[State.NOT_PROCESSED],
        "n_words": sum(counts.values()),
        "languages": sorted(counts, key=lambda language: (-counts[language], language)),
    }
