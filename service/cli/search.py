"""`earwitness search`: find the moment something was said."""

from __future__ import annotations

from typing import Any

import click

from service.cli.main import Globals, common
from service.cli.output import clock, console, length, print_json

FLAGS = {"doubtful": "doubtful: may not have been said", "primed": "primed: suggested by the vocabulary"}


@click.command("search")
@click.argument("query")
@click.option(
    "--mode",
    type=click.Choice(["auto", "exact", "words", "sounds", "meaning"]),
    default="auto",
    show_default=True,
    help="auto combines all; exact finds these words in this order. A query in double quotes is exact.",
)
@click.option(
    "--doubtful",
    is_flag=True,
    help="Also count as said exactly what may not have been said: doubtful words, and those a vocabulary suggested.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Hits to return.")
@click.option("--officer", help="Only footage of this officer.")
@click.option("--badge", help="Only footage of this badge.")
@click.option("--incident", help="Only footage of this incident.")
@click.option("--category", help="Only footage of this category.")
@click.option("--recording", help="Only this recording: an id, its beginning, or a source path.")
@click.option("--speaker", help="Only what this speaker said: a label (SPEAKER_00), or wearer or radio.")
@click.option("--since", help="Only what was said at or after this time (ISO 8601; without offset: agency time).")
@click.option("--until", help="Only what was said before this time.")
@click.option("--language", help="Only what was said in this language, e.g. es.")
@common
@click.pass_obj
def command(options: Globals, /, query: str, mode: str, doubtful: bool, limit: int, **filters: str | None) -> None:
    """Find QUERY in everything heard. Prints who said it, in which recording, and when."""
    from service.client import service_of
    from service.finding import find

    settings = options.settings()
    service = service_of(settings.data)
    if service is not None:
        found = service.search(query, mode, limit, filters, doubtful)
    else:
        found = find(settings, query, mode, limit, filters, doubtful).to_json()
    if options.json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    out = console()
    for rank, hit in enumerate(found["hits"], 1):
        legs = ", ".join(f"{leg} {score:.2f}" for leg, score in hit["legs"].items() if score is not None)
        who = " · ".join(str(hit[name]) for name in ("recorded_at", "officer", "incident_id") if hit[name])
        span = f"{clock(hit['start_ms'])}–{clock(hit['end_ms'])}"
        out.print(f"[bold]{rank}. {_name(hit['source'])}  {span}[/]", soft_wrap=True)
        out.print(f"   {who}", style="dim", markup=False, soft_wrap=True)
        speaker = hit["speaker"] or "unknown"
        about = ", ".join(filter(None, (hit["speaker_kind"], hit["language"])))
        out.print(f"   {speaker} ({about}): {hit['text']}", markup=False, soft_wrap=True)
        if hit["translation"]:
            out.print(f"   in English, by machine: {hit['translation']}", markup=False, soft_wrap=True)
        flags = f"; {', '.join(FLAGS.get(flag, flag) for flag in hit['flags'])}" if hit["flags"] else ""
        out.print(f"   score {hit['score']:.2f} ({legs}){flags}", style="dim", markup=False, soft_wrap=True)
    searched, total = found["searched"], found["total"]
    word = "hit" if total == 1 else "hits"
    shown = "No hits" if not found["hits"] else f"{total} {word}, {len(found['hits'])} shown"
    speech, silence = (length(round(searched[name] * 1000)) for name in ("speech_seconds", "silent_seconds"))
    out.print(
        f"{shown}. Searched {searched['recordings']} recordings: {speech} of speech, {silence} of digital silence; "
        f"{searched['not_processed']} not processed. Machine transcripts, not verified.",
        markup=False,
        soft_wrap=True,
    )
    if left_out := found["left_out"]:
        places = "1 place matches" if left_out == 1 else f"{left_out} places match"
        out.print(f"Left out: {places} only with doubtful words; --doubtful shows them.", soft_wrap=True)
    for missing in found["degraded"]:
        out.print(f"Degraded: {missing}", markup=False, soft_wrap=True)


def _name(source: str) -> str:
    return source.rstrip("/").rsplit("/", 1)[-1]
