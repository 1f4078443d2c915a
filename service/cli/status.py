"""`earwitness status`: what is in the archive, how far it was heard, and what went wrong."""

from __future__ import annotations

from typing import Any

import click

from service.cli.main import Globals, common
from service.cli.output import console, length, print_json

SHOWN_ROWS = 50


@click.command("status")
@common
@click.pass_obj
def command(options: Globals) -> None:
    """List recordings with their state, speakers, words and coverage, and every failure."""
    from service.client import service_of
    from service.finding import open_catalog
    from service.status import status_json

    settings = options.settings()
    service = service_of(settings.data)
    if service is not None:
        status = service.status()
    else:
        with open_catalog(settings) as catalog:
            status = status_json(catalog)
    if options.json:
        print_json(status)
        return
    _show(status["recordings"], status["failures"])
    summary = status["summary"]
    console().print(
        f"{summary['recordings']} recordings of {summary['sources']} sources: {summary['heard']} heard, "
        f"{summary['speakers_known']} with speakers, {summary['indexed']} searchable, {summary['unread']} unread, "
        f"{summary['in_flight']} in flight, {summary['failing']} failing; {length(summary['duration_ms'])} of footage, "
        f"{length(summary['speech_ms'])} of speech",
        soft_wrap=True,
    )
    if summary["corrected"]:
        again = summary["heard_again"]
        since = f"; {again} of them were heard otherwise since, and stay as corrected" if again else ""
        console().print(f"{summary['corrected']} corrected by people{since}", soft_wrap=True)


def _show(recordings: list[dict[str, Any]], failures: list[dict[str, Any]]) -> None:
    from rich.table import Table

    out = console()
    table = Table("recording", "source", "length", "languages", "speakers", "words", "coverage", "state")
    for recording in recordings[:SHOWN_ROWS]:
        table.add_row(
            recording["id"][:8],
            recording["sources"][0].rsplit("/", 1)[-1] if recording["sources"] else "",
            length(recording["duration_ms"]),
            ", ".join(recording["languages"]) or "none",
            "?" if recording["speakers"] is None else str(recording["speakers"]),
            "?" if recording["words"] is None else str(recording["words"]),
            coverage(recording),
            state(recording),
        )
    out.print(table)
    if len(recordings) > SHOWN_ROWS:
        out.print(f"… and {len(recordings) - SHOWN_ROWS} more; --json lists all")
    for failure in failures:
        rests = " (rests until --retry-failed)" if failure["resting"] else ""
        out.print(f"failed ({failure['stage']}){rests}: {failure['error']}", markup=False, soft_wrap=True)


def coverage(recording: dict[str, Any]) -> str:
    """Shares of the recording by what is known of it, e.g. `71 % speech, 18 % silence`."""
    duration = recording["duration_ms"]
    if recording["speech_ms"] is None or not duration:
        return ""
    parts = [
        ("speech", recording["speech_ms"]),
        ("digital silence", recording["silent_ms"] or 0),
        ("not processed", recording["not_processed_ms"] or 0),
    ]
    return ", ".join(f"{ms / duration:.0%} {what}" for what, ms in parts if ms) or "no speech"


def state(recording: dict[str, Any]) -> str:
    """`searchable`, or the stages that are missing."""
    missing = [f"{stage} {is_['state']}" for stage, is_ in recording["stages"].items() if is_["state"] != "done"]
    return ", ".join(missing) or "searchable"
