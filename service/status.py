"""The state of an archive as JSON: what `earwitness status --json` prints and the service answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.catalog import Catalog, RecordingRow


def status_json(catalog: Catalog) -> dict[str, Any]:
    """Counts, every recording in the order of its first source, every failure."""
    return {
        "summary": asdict(catalog.summary()),
        "recordings": [recording_json(row) for row in catalog.recordings()],
        "failures": [asdict(failure) for failure in catalog.failures()],
    }


def recording_json(row: RecordingRow) -> dict[str, Any]:
    """What is known of one recording; None: the stage that tells it has not run."""
    return {
        "id": row.id,
        "sources": list(row.sources),
        "duration_ms": row.media.duration_ms,
        "metadata": dict(row.metadata),
        "stages": {stage.value: {"state": state.state, "error": state.error} for stage, state in row.stages.items()},
        "languages": list(row.languages),
        "speakers": row.n_speakers,
        "words": row.n_words,
        "speech_ms": row.speech_ms,
        "silent_ms": row.silent_ms,
        "not_processed_ms": row.not_processed_ms,
        "transcript_version": row.current_version,
        "corrected": row.correction is not None,
        "machine_version": row.machine_version,
        "heard_again": row.heard_again,
        "notes": list(row.media.notes),
    }
