"""The catalog: which footage is known, what is pending, done or failed, and who works on it now.

Several processes, on one machine over SQLite or on many over PostgreSQL, share one catalog. Every method is
one transaction: a process killed at any moment leaves nothing half said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, select

from search.access import ALL, Grants
from search.angles import Link
from search.labels import Labels
from service.catalog import (
    claims,
    corrections,
    finding,
    labels,
    links,
    outcomes,
    registration,
    repairs,
    reports,
    voices,
)
from service.catalog.database import database_errors, open_engine, snapshot, writing
from service.catalog.entries import (
    Claim,
    Failure,
    RecordingRow,
    RecordingState,
    Registered,
    SealedVoice,
    Searched,
    SourceSeen,
    Stage,
    Summary,
    TranscriptVersion,
)
from service.catalog.labels import Mark
from service.catalog.models import recordings
from service.catalog.watches import Watches
from service.errors import RecordingUnknown
from transcribe.transcript import Amendment, MediaFacts, RecordingId


class Catalog:
    """One open catalog; threads may share it. Every method raises `CatalogUnusable` when the database refuses.

    Args:
        clock: UTC epoch seconds; leases and time stamps are told by it.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine, self._clock = engine, clock
        self._shown = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] = time.time) -> Catalog:
        """Open `sqlite:///PATH` or `postgresql+psycopg://…`, creating or migrating its tables as needed.

        Raises:
            CatalogUnusable: no such database, no permission, or an address of another kind.
            CatalogNewer: its tables are newer than this program.
        """
        return cls(open_engine(url), clock)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What there is to hear

    def register(self, seen: Iterable[SourceSeen]) -> Registered:
        """Enter what a scan saw, by distinct urls. A source whose size or modification changed is to be read again.

        Sources that were not seen stay: their share may not be mounted today.
        """
        total = [0, 0, 0, 0]
        remaining = iter(seen)
        while batch := list(islice(remaining, registration.BATCH)):
            with self._writing() as connection:
                entered = registration.register(connection, batch, self._now_ms())
            counts = (entered.found, entered.new, entered.changed, entered.unchanged)
            total = [sum(pair) for pair in zip(total, counts, strict=True)]
        return Registered(*total)

    def claim(
        self,
        owner: str,
        fingerprints: Mapping[Stage, str],
        limit: int,
        sources: Collection[str] | None = None,
    ) -> list[Claim]:
        """Lease up to `limit` sources that were never read or whose words or turns are missing or out of date.

        Never interrupted ones come first, then by id; what a process died over before comes alone. Nothing comes
        that failed under this owner, rests, or is another's. Empty: nothing is left for this owner now.

        Args:
            owner: from `new_owner`.
            fingerprints: what words and turns are to be made with; a stage left out is not asked for.
            sources: only these urls; None: all.
        """
        with self._writing() as connection:
            return claims.claim(connection, owner, fingerprints, limit, sources, self._now_ms())

    def heartbeat(self, owner: str) -> int:
        """Extend the owner's leases by `LEASE_SECONDS` from now; returns on how many sources it still has one."""
        with self._writing() as connection:
            return claims.extend(connection, owner, self._now_ms())

    def finish(self, claim: Claim, owner: str) -> None:
        """Give the claim's leases back, whatever became of it. Twice is once."""
        with self._writing() as connection:
            claims.finish(connection, claim, owner)

    def release(self, owner: str) -> None:
        """Give back all the owner holds, counting neither attempts nor interruptions."""
        with self._writing() as connection:
            claims.release(connection, owner)

    # What became of it

    def admit(
        self,
        claim: Claim,
        owner: str,
        recording_id: RecordingId,
        media: MediaFacts,
        size_bytes: int,
        fingerprints: Mapping[Stage, str],
    ) -> frozenset[Stage]:
        """Link a source, once read, to the recording its bytes are; returns which of words and turns to hear.

        Empty, and the claim given back, when that is nothing: all is done, another claim hears it at this moment,
        it rests as failed, or the source has changed or was lost to another owner since it was claimed.
        """
        with self._writing() as connection:
            return outcomes.admit(
                connection, claim, owner, recording_id, media, size_bytes, fingerprints, self._now_ms()
            )

    def done(
        self,
        claim: Claim,
        owner: str,
        recording_id: RecordingId,
        stage: Stage,
        fingerprint: str,
        artifact: str,
        seconds: Mapping[str, float],
        facts: Mapping[str, Any],
        sealed: Collection[SealedVoice] = (),
    ) -> None:
        """Keep a stage's artifact; the claim stays until `finish`.

        It counts even if the lease was lost meanwhile: hearing is repeatable, so whoever took over finds the same.

        Args:
            artifact: an opaque key; the same key again leaves the passages up to date.
            seconds: what it took, by step.
            facts: for words `speech_ms`, `silent_ms`, `not_processed_ms`, `n_words`, `languages`; for turns
                `n_speakers`; anything else that JSON holds is kept beside.
            sealed: for turns, the voices of the recording from now on.
        """
        with self._writing() as connection:
            outcomes.done(
                connection, recording_id, stage, fingerprint, artifact, seconds, facts, sealed, self._now_ms()
            )

    def failed(
        self,
        claim: Claim,
        owner: str,
        recording_id: RecordingId | None,
        stage_name: str,
        error: str,
        transient: bool,
    ) -> None:
        """Count a failed attempt; after `MAX_ATTEMPTS` of them it rests until `retry_failed`.

        An earlier artifact of the stage stays in use. An owner that lost its lease counts nothing.

        Args:
            stage_name: `decode` when the source could not be read (which gives the claim back), else a `Stage`.
            transient: the error's own word on whether trying again can help; shown, not acted on.
        """
        with self._writing() as connection:
            outcomes.failed(connection, claim, owner, recording_id, stage_name, error, transient)

    def retry_failed(self) -> int:
        """Forget attempts and interruptions; returns how many things had rested."""
        with self._writing() as connection:
            return outcomes.retry_failed(connection)

    # What is to be indexed

    def heard_not_indexed(
        self, passages_fingerprint: str, limit: int, only: RecordingId | None = None
    ) -> list[RecordingState]:
        """Up to `limit` recordings with words whose passages are missing or made of something older.

        Passages are made of the artifacts of words and turns, the recorded time, what people corrected and
        `passages_fingerprint`. Those that failed before come last; those that rest, or are being heard right now, not
        at all. `only`: of this recording alone.
        """
        with self._reading() as connection:
            return reports.heard_not_indexed(connection, passages_fingerprint, limit, self._now_ms(), only)

    def indexing(self, states: Iterable[RecordingState]) -> None:
        """Note that the index is about to be given rows of these; only then is it given them."""
        with self._writing() as connection:
            for state in states:
                labels.indexing(connection, state.recording_id, state.labels.digest)

    def indexed(
        self,
        recording_id: RecordingId,
        inputs: str,
        transcript_version: str,
        n_passages: int,
        machine: tuple[str, int] | None = None,
    ) -> None:
        """Note that the index holds the passages made of `inputs` (from `RecordingState`).

        Args:
            machine: where people corrected the transcript, the machine's version and how many passages of it are kept
                beside.
        """
        with self._writing() as connection:
            outcomes.indexed(connection, recording_id, inputs, transcript_version, n_passages, self._now_ms(), machine)

    def corrected(self, recording_id: RecordingId, version: str, amendment: Amendment) -> None:
        """Make a version that a person made, and the store keeps, the current one; it is to be indexed now.

        Raises:
            CorrectionOutdated: another version became current since the one that was changed was read.
        """
        with self._writing() as connection:
            corrections.corrected(connection, recording_id, version, amendment, self._now_ms())

    def index_failed(self, recording_id: RecordingId, error: str, inputs: str = "") -> None:
        """Count a failed attempt at the passages; with `inputs`, another fingerprint starts counting anew."""
        with self._writing() as connection:
            outcomes.index_failed(connection, recording_id, error, inputs)

    # What is said about recordings

    def mark(self, recording_id: RecordingId, mark: Mark, by: str, reason: str) -> bool:
        """Seal or hold a recording; False where it already is. From here on no search finds what is sealed."""
        with self._writing() as connection:
            return labels.mark(connection, recording_id, mark, by, reason, self._now_ms())

    def unmark(self, recording_id: RecordingId, mark: Mark) -> bool:
        """Take a mark off; False where there is none. It is found again once the index says so, too."""
        with self._writing() as connection:
            return labels.unmark(connection, recording_id, mark)

    def labels_due(self, limit: int) -> list[tuple[RecordingId, Labels]]:
        """Up to `limit` recordings of which the index says something else, and what it should say."""
        with self._reading() as connection:
            return labels.due(connection, limit)

    def labelled(self, recording_id: RecordingId, said: Labels) -> None:
        """Note that every row the index has of a recording says these labels."""
        with self._writing() as connection:
            labels.indexed(connection, recording_id, said.digest)

    def unlabelled(self) -> frozenset[RecordingId]:
        """Recordings of which the index may say something else: nobody may be shown what it says."""
        with self._reading() as connection:
            return labels.unlabelled(connection)

    def settled_labels(self, recording_ids: Collection[RecordingId]) -> dict[RecordingId, Labels]:
        """The labels of those of these recordings that are known, and of which the index says the same."""
        with self._reading() as connection:
            return labels.settled(connection, recording_ids)

    # What is to be done again

    def unindexed(self, recording_ids: Collection[RecordingId] | None = None) -> int:
        """Note that the index holds nothing of these recordings, or of any: what was heard is to be indexed again.

        Returns how many of them the catalog knows. Words and turns stay done; what was cited stays kept.
        """
        with self._writing() as connection:
            return repairs.unindexed(connection, recording_ids)

    def lost(self, recording_id: RecordingId, stage: Stage) -> None:
        """Note that the artifact of a stage is gone, so that the next ingest hears it again."""
        with self._writing() as connection:
            repairs.lost(connection, recording_id, stage)

    def free_all(self) -> None:
        """Give back every lease: for a copy of a catalog, whose owners work on the original."""
        with self._writing() as connection:
            repairs.free_all(connection)

    def forget_voices(self, recording_id: RecordingId | None = None) -> int:
        """Delete the voices of a recording, or all; returns how many. With voices enabled, they are made again."""
        with self._writing() as connection:
            return voices.forget(connection, recording_id)

    def snapshot(self, path: Path) -> None:
        """Copy the database as it is at this moment to a new SQLite file; others read and write meanwhile.

        Raises:
            CatalogUnusable: it is not in SQLite, or the copy cannot be written.
        """
        with database_errors(self._shown):
            snapshot(self._engine, path)

    @property
    def watches(self) -> Watches:
        """Queries that are kept, and what they found."""
        return Watches(self._writing, self._reading, self._now_ms)

    # Voices

    def voices(self, recording_id: RecordingId) -> list[SealedVoice]:
        """Those kept of a recording, sorted by speaker."""
        with self._reading() as connection:
            return voices.of_recording(connection, recording_id)

    def comparable_voices(self, voice: SealedVoice) -> Iterator[SealedVoice]:
        """Every other voice of the same model, in no order; as they were at one moment, a batch in memory at a time."""
        with self._reading() as connection:
            yield from voices.comparable(connection, voice)

    def has_voices_of_other_keys(self, key_id: str) -> bool:
        with self._reading() as connection:
            return voices.other_keys(connection, key_id)

    # Links

    def keep_link(self, link: Link, versions: Mapping[RecordingId, str]) -> None:
        """Keep the offset between two recordings of one scene, told from these versions of both."""
        with self._writing() as connection:
            links.keep(connection, link, versions)

    def forget_older_links(self, recording_id: RecordingId, version: str) -> None:
        """Delete the links of a recording that were told from other versions of its transcript."""
        with self._writing() as connection:
            links.forget_older(connection, recording_id, version)

    def links_of(self, recording_ids: Collection[RecordingId]) -> list[Link]:
        """Every link that has an end among these and was told from what the index serves; sorted by recording."""
        with self._reading() as connection:
            return links.of(connection, recording_ids)

    # What is known

    def transcript_versions(self) -> list[tuple[RecordingId, str]]:
        """Every version that was ever in the index, sorted by recording: what may have been exported or cited."""
        with self._reading() as connection:
            return reports.transcript_versions(connection)

    def versions(self, recording_id: RecordingId) -> list[TranscriptVersion]:
        """Every version of one recording's transcript, oldest first."""
        with self._reading() as connection:
            return corrections.versions(connection, recording_id)

    def metadata(self, recording_id: RecordingId) -> dict[str, str]:
        """The recording's metadata, merged over its sources (see `service.catalog.metadata`).

        Raises:
            RecordingUnknown: no such recording.
        """
        with self._reading() as connection:
            row = connection.execute(select(recordings.c.metadata).where(recordings.c.id == recording_id)).first()
        if row is None:
            raise RecordingUnknown(recording_id)
        return dict(row.metadata)

    def find(self, text: str) -> RecordingId:
        """The one recording that goes by an id, at least 4 of its first characters, a source or a file name.

        Raises:
            RecordingUnknown: nothing goes by it, or a source that has not been read yet.
            RecordingAmbiguous: several recordings do.
        """
        with self._reading() as connection:
            return finding.find(connection, text)

    def recordings(
        self,
        filters: Mapping[str, str] | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> list[RecordingRow]:
        """Recordings the filters leave, in the order their first source was registered.

        Args:
            filters: metadata field or `recording_id` to value; equal ignoring case.
            since_ms, until_ms: when it was recorded, UTC epoch ms, inclusive; unknown times never match.
        """
        with self._reading() as connection:
            return reports.recording_rows(connection, filters or {}, since_ms, until_ms)

    def searched(
        self,
        filters: Mapping[str, str],
        since_ms: int | None = None,
        until_ms: int | None = None,
        grants: Grants = ALL,
    ) -> Searched:
        """What a search with these filters (as in `recordings`) under these grants can and cannot look at."""
        with self._reading() as connection:
            return reports.searched(connection, filters, since_ms, until_ms, grants)

    def page(
        self, filters: Mapping[str, str], since_ms: int | None, until_ms: int | None, limit: int, offset: int
    ) -> tuple[int, list[RecordingRow]]:
        """How many recordings the filters (as in `recordings`) leave, and one page of them, last recorded first.

        Recordings of unknown time come last, by id.
        """
        with self._reading() as connection:
            return reports.page(connection, filters, since_ms, until_ms, limit, offset)

    def sources_of(self, recording_id: RecordingId) -> list[SourceSeen]:
        """Where the recording's bytes were read, as they were when they were; in the order of registration."""
        with self._reading() as connection:
            return reports.sources_of(connection, recording_id)

    def failures(self, sources: Collection[str] | None = None) -> list[Failure]:
        """What went wrong and has not gone right since, sorted by source; only these urls, or all."""
        with self._reading() as connection:
            return reports.failures(connection, sources, self._now_ms())

    def summary(self) -> Summary:
        """Counts over the whole catalog."""
        with self._reading() as connection:
            return reports.summary(connection, self._now_ms())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with database_errors(self._shown), writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database_errors(self._shown), self._engine.connect() as connection:
            yield connection
