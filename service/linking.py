"""Linking: which recordings heard the same scene, told once, when a recording is indexed, so that no search aligns.

Whom to compare with is told by the incident, whatever the clocks say, and by the index itself: another camera's
passages are those most like ours, whatever incident and time were written down. That recorded times overlap is no
reason alone: where thousands of cameras run at once, they overlap with thousands. Whether two share a scene, the words
decide (`transcribe.alignment`): milliseconds for each two, and no audio. `earwitness align A B` listens as well, and
its more exact offset is kept in place of this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import structlog

from search.access import SEALED_TOO
from search.angles import Link
from search.bm25 import AskedWord, words_vector
from search.passages import DOUBTFUL
from search.protocols import Filters, Index, Leg, LegQuery, Row
from search.rarity import rarities
from search.schema import TERMS_FIELD
from service.catalog import Catalog, RecordingRow
from service.catalog.metadata import recorded_ms
from service.errors import TranscriptMissing
from service.transcripts import TranscriptStore
from transcribe.alignment import WordAlignment, align_words
from transcribe.transcript import RecordingId, Transcript

MAX_OF_INCIDENT = 32  # compared of one incident, the nearest in recorded time first; a riot has hundreds
N_PROBES = 6  # passages whose like is looked for: the longest say most
PROBE_HITS = 6  # of each; the passage itself is one
MIN_PROBES = 2  # a warning that everybody recites is one passage or two; the words then decide
# Starts of one word in two transcripts differ by up to a bin of `transcribe.alignment`; the median of many by less.
MIN_ERROR_MS = 100

# Sealed ones, too: a link is only followed between recordings that an answer found something in.
EVERY_RECORDING = Filters(grants=SEALED_TOO)

log = structlog.get_logger()


class Linker:
    """Links what a batch brings into the index."""

    def __init__(self, catalog: Catalog, transcripts: TranscriptStore) -> None:
        self._catalog, self._transcripts = catalog, transcripts

    def link(
        self, index: Index, transcript: Transcript, rows: Sequence[Row], batch: Mapping[RecordingId, Transcript]
    ) -> int:
        """Keep the offset to every recording that shares a scene with this one; returns how many do.

        Twice is once; older links of the recording go.

        Args:
            rows: of the transcript, as the index holds them.
            batch: transcripts that the catalog does not yet know to be indexed, by recording.
        """
        recording_id = transcript.recording.id
        self._catalog.forget_older_links(recording_id, transcript.version)
        words, n_linked = transcript.words, 0
        for other_id, version in self._candidates(index, transcript, rows, batch):
            try:
                other = batch.get(other_id) or self._transcripts.get(other_id, version)
            except TranscriptMissing:  # `earwitness index verify` says so; the others are linked
                log.warning("not linked: a transcript is missing", recording=recording_id, other=other_id)
                continue
            found = link_of(recording_id, other_id, align_words(words, other.words))
            if found is not None:
                self._catalog.keep_link(found, {recording_id: transcript.version, other_id: other.version})
                n_linked += 1
        return n_linked

    def _candidates(
        self, index: Index, transcript: Transcript, rows: Sequence[Row], batch: Mapping[RecordingId, Transcript]
    ) -> Iterator[tuple[RecordingId, str]]:
        """Recordings worth comparing with, each once, and the version of each; never itself."""
        versions = self._of_incident(transcript, batch) | most_alike(index, rows)
        versions.pop(transcript.recording.id, None)
        for other_id in sorted(versions):
            yield other_id, versions[other_id]

    def _of_incident(self, transcript: Transcript, batch: Mapping[RecordingId, Transcript]) -> dict[RecordingId, str]:
        incident = transcript.recording.metadata.get("incident_id")
        if not incident:
            return {}
        own_ms = recorded_ms(transcript.recording.metadata.get("recorded_at", ""))

        def apart(row: RecordingRow) -> tuple[bool, int]:
            """How long before or after; what is not known comes last."""
            other_ms = recorded_ms(row.metadata.get("recorded_at", ""))
            return (True, 0) if own_ms is None or other_ms is None else (False, abs(other_ms - own_ms))

        near = sorted(self._catalog.recordings({"incident_id": incident}), key=apart)[: MAX_OF_INCIDENT + 1]
        known = ((row.id, batch[row.id].version if row.id in batch else row.transcript_version) for row in near)
        return {recording_id: version for recording_id, version in known if version is not None}


def link_of(first: RecordingId, second: RecordingId, words: WordAlignment) -> Link | None:
    """What two transcripts say of two recordings; None: they do not share a scene."""
    if words.offset_ms is None:
        return None
    return Link(first, second, words.offset_ms, max(MIN_ERROR_MS, words.spread_ms), "words", words.confidence)


def most_alike(index: Index, rows: Sequence[Row]) -> dict[RecordingId, str]:
    """Recordings with passages most like several of these, by rare words in common, and their versions."""
    telling = [row for row in rows if row.words.indices and DOUBTFUL not in row.payload["flags"]]
    probes = sorted(telling, key=lambda row: (-len(row.words.indices), row.id))[:N_PROBES]
    if not probes:
        return {}
    terms_of = [row.payload[TERMS_FIELD] for row in probes]
    worth = rarities(index, {term for terms in terms_of for term in terms}, EVERY_RECORDING)
    vectors = [words_vector([AskedWord(term, {term: 1.0}) for term in terms], worth) for terms in terms_of]
    answers = index.query_batch([LegQuery(Leg.WORDS, one, PROBE_HITS, EVERY_RECORDING) for one in vectors])
    versions: dict[RecordingId, str] = {}
    probed: Counter[RecordingId] = Counter()
    for hits in answers:
        found = {RecordingId(hit.payload["recording_id"]): str(hit.payload["version"]) for hit in hits}
        versions |= found
        probed.update(found.keys())
    return {other: versions[other] for other, n_probes in probed.items() if n_probes >= MIN_PROBES}
