"""`earwitness search`: find the moment something was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cli.filters import filtered
from service.cli.main import Globals, common
from service.cli.output import clock, console, length, print_json, write_blocks

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from search.access import Grants
    from service.citations import CitationFormat
    from service.question import Question
    from service.settings import Settings

FLAGS = {
    "doubtful": "doubtful: may not have been said",
    "primed": "primed: suggested by the vocabulary",
    "corrected": "corrected by a person",
}


@click.command("search")
@click.argument("query")
@click.option(
    "--mode",
    type=click.Choice(["auto", "exact", "words", "sounds", "meaning"]),
    default="auto",
    show_default=True,
    help="auto combines all and says how likely each hit is; exact finds every place these words were said in this "
    "order, as does a query in double quotes; words, sounds and meaning are asked alone.",
)
@click.option(
    "--doubtful",
    is_flag=True,
    help="Also find what may not have been said: doubtful passages, and exactly, words a vocabulary suggested.",
)
@click.option(
    "--machine",
    is_flag=True,
    help="Of recordings that people corrected, search what the machine heard instead.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Hits to return.")
@click.option(
    "--offset",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Hits to leave out first: the next page. With --limit at most 10000; what lies beyond of an exact search, "
    "--format writes.",
)
@click.option(
    "--sort",
    type=click.Choice(["relevance", "time", "-time"]),
    help="What hits come by: relevance, time (of recording, the first first) or -time (the last first). "
    "[default: relevance; of an exact search, whose places are alike, time]",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Answer with what there is by then, and say so. [default: the setting search_deadline_seconds, 10]",
)
@click.option(
    "--facets",
    is_flag=True,
    help="Also count hits by officer, unit, category, incident, month (agency time), language and speaker kind: of an "
    "exact search all places, of another the passages brought up.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Show what QUERY was taken for, what each of its words weighs, and what each leg adds to a hit's log odds.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "jsonl"]),
    help="Write citations instead: of an exact search every place, whatever --limit; of another its hits. "
    "csv: for spreadsheets; jsonl: one JSON object a line, with the confidence of each word.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File for --format. [default: stdout]"
)
@click.option(
    "--sealed",
    is_flag=True,
    help="Also search sealed recordings. Recorded in DATA/audit.jsonl. Not where a service runs on the data.",
)
@filtered
@common
@click.pass_obj
def command(
    options: Globals,
    /,
    query: str,
    mode: str,
    doubtful: bool,
    machine: bool,
    limit: int,
    offset: int,
    sort: str | None,
    deadline: float | None,
    facets: bool,
    explain: bool,
    format_: CitationFormat | None,
    output: Path | None,
    sealed: bool,
    **filters: str | None,
) -> None:
    """Find QUERY in everything heard. Prints who said it, in which recording, and when.

    Plain text is looked for in every way. Fields may stand in it: speaker:wearer, officer:"Renee Okafor", badge:,
    unit:, incident:, category:, recording:, lang:es, after:2025-03-01, before:, confidence:>0.7 (of the passage).

    Phrases in quotes, and words, combine to an exact search with operators in capitals:

    \b
    "hands up" WITHIN 10s OF "gun"   both, in either order, at most so far apart
    "stop" BEFORE 5s "taser"         the first, then the second (ms, s, min, h)
    "gun" AND "knife"                all said within 30 s; AND may be left out beside quotes, fields, parentheses
    "gun" NOT "knife"                and nobody says the other within 30 s before or after
    (gun OR knife) AND drop it       words beside each other are one phrase

    Each moment is one hit, the shortest span that holds what was asked. None reaches across digital silence or what
    was not processed. What several cameras of one scene heard is one hit, too, the surest words first; the others are
    named under it, and --format writes a line for each, with the number of the moment.
    """
    if format_ is None and output is not None:
        raise click.UsageError("-o writes citations: give --format csv or jsonl, too")
    if format_ is not None and (offset or facets or deadline is not None):
        raise click.UsageError("--format writes all there is: leave --offset, --facets and --deadline out")
    from search.query import Mode, Sort
    from service.client import service_of
    from service.finding import find
    from service.question import Question

    settings = options.settings()
    order = None if sort is None else Sort(sort)
    question = Question(query, Mode(mode), limit, filters, doubtful, offset, deadline, order, machine, facets)
    grants = _grants(settings, sealed)
    with _pointing_at_errors(query):
        _check(question)  # here, too: a service tells where it is wrong, but does not draw
        if format_ is not None:
            with _citations(settings, question, format_, grants) as blocks:
                write_blocks(blocks, output, options.json)
            return
        service = service_of(settings.data)
        found = service.search(question) if service is not None else find(settings, question, grants).to_json()
    if options.json:
        print_json(found)
    else:
        _show(found, explain)


def _grants(settings: Settings, sealed: bool) -> Grants:
    """What the operator of a data folder may see: all, and what is sealed on request, if no service answers instead."""
    from search.access import ALL, SEALED_TOO
    from service.client import service_of
    from service.errors import ServiceRunning

    if not sealed:
        return ALL
    if service_of(settings.data) is not None:
        raise ServiceRunning(settings.data, None)  # it answers whoever can reach it
    return SEALED_TOO


def _check(question: Question) -> None:
    from search.pattern import read
    from search.protocols import EVERYTHING

    read(question.text, EVERYTHING, lambda _field: EVERYTHING, one_leg=question.mode.is_one_leg)


@contextmanager
def _pointing_at_errors(query: str) -> Iterator[None]:
    """Draw the query with a caret under the character at which it cannot be read."""
    from search.errors import QueryWrong

    try:
        yield
    except QueryWrong as error:
        from rich.cells import cell_len

        shown = "".join(character if character.isprintable() else " " for character in query)
        click.echo(f"{shown}\n{' ' * cell_len(shown[: error.position])}^", err=True)
        raise


@contextmanager
def _citations(
    settings: Settings, question: Question, format_: CitationFormat, grants: Grants
) -> Iterator[Iterator[bytes]]:
    from service.citations import blocks, lines
    from service.client import service_of
    from service.finding import find_citations

    service = service_of(settings.data)
    if service is not None:
        with service.export(question, format_) as sent:
            yield sent
    else:
        with find_citations(settings, question, grants) as citations:
            yield blocks(lines(citations, format_))


def _show(found: dict[str, Any], explain: bool) -> None:
    out = console()
    if found["pattern"]:
        out.print(f"Looked for: {found['pattern']}", style="dim", markup=False, soft_wrap=True)
    if explain:
        out.print(_taken_for(found), markup=False, soft_wrap=True)
    fused = found["mode"] == "auto" and not found["exact"]
    says_perhaps = not fused or found["sort"] != "relevance"  # once, before the first: what is found comes first
    for rank, hit in enumerate(found["hits"], found["offset"] + 1):
        if not hit["found"] and not says_perhaps:
            out.print("Perhaps what was meant:" if rank > 1 else "Nothing is found for sure. Perhaps what was meant:")
            says_perhaps = True
        who = " · ".join(str(hit[name]) for name in ("recorded_at", "officer", "incident_id") if hit[name])
        span = f"{clock(hit['start_ms'])}–{clock(hit['end_ms'])}"
        out.print(f"[bold]{rank}. {_name(hit['source'])}  {span}[/]", soft_wrap=True)
        out.print(f"   {who}", style="dim", markup=False, soft_wrap=True)
        speaker = hit["speaker"] or "unknown"
        about = ", ".join(filter(None, (hit["speaker_kind"], hit["language"])))
        out.print(_spoken(f"   {speaker} ({about}): ", hit), soft_wrap=True)
        if hit["translation"]:
            out.print(f"   in English, by machine: {hit['translation']}", markup=False, soft_wrap=True)
        if why := _why(hit, fused, found["exact"]):
            out.print(f"   {why}", style="dim", markup=False, soft_wrap=True)
        for angle in hit["angles"][1:]:
            out.print(_angle(angle), style="dim", markup=False, soft_wrap=True)
        if explain and hit["adds"]:
            adds = ", ".join(f"{leg} {value:+.1f}" for leg, value in hit["adds"].items())
            out.print(f"   added to the log odds: {adds}", style="dim", markup=False, soft_wrap=True)
    if found["facets"]:
        _show_facets(out, found)
    out.print(_summary(found, fused), markup=False, soft_wrap=True)
    if left_out := found["left_out"]:
        one = left_out == 1
        places = f"{left_out} {'place matches' if one else 'places match'} only with doubtful words"
        passages = f"{left_out} doubtful {'passage' if one else 'passages'}"
        out.print(f"Left out: {places if found['exact'] else passages}; --doubtful shows them.", soft_wrap=True)
    if found["exact"] and found["total"] > found["offset"] + len(found["hits"]):
        out.print("The next page: --offset; all of them: --format csv -o FILE.", markup=False, soft_wrap=True)
    for missing in found["degraded"]:
        out.print(f"Degraded: {missing}", markup=False, soft_wrap=True)


def _show_facets(out: Console, found: Mapping[str, Any]) -> None:
    """A line per facet; those in which all hits are without a value are left out."""
    for name, values in found["facets"].items():
        if any(one["value"] is not None for one in values):
            counts = [f"{'none' if one['value'] is None else one['value']} {one['count']}" for one in values]
            others = found["facets_others"][name]
            counts += [f"{others['values']} others {others['count']}"] if others["values"] else []
            out.print(f"{name.replace('_', ' '):13} {' · '.join(counts)}", markup=False, soft_wrap=True)


def _spoken(before: str, hit: Mapping[str, Any]) -> Text:
    """Who said what, the words that answer in bold."""
    from rich.text import Text

    spoken = Text(before + hit["text"])
    for one in hit["highlights"]:
        if one["from"] is not None:
            spoken.stylize("bold", len(before) + one["from"], len(before) + one["to"])
    return spoken


def _angle(angle: Mapping[str, Any]) -> str:
    """Another camera that heard it, where, and how sure its words are."""
    span = f"{clock(angle['start_ms'])}–{clock(angle['end_ms'])}"
    who = f" · {angle['officer']}" if angle["officer"] else ""
    offset = f"{angle['offset_ms'] / 1000:+.2f} s ± {angle['offset_error_ms'] / 1000:.2f} by {angle['by']}"
    return f"   also {_name(angle['source'])}  {span}{who} ({offset}): {angle['text']}"


def _why(hit: Mapping[str, Any], fused: bool, exact: bool) -> str:
    """What speaks for a hit, and against it. That an exact one is exact needs no saying."""
    heard = f"words {hit['confidence']:.0%} sure"
    flags = ", ".join(FLAGS.get(flag, flag.replace("_", " ")) for flag in hit["flags"])
    if exact:
        return "; ".join(filter(None, (heard, flags)))
    legs = ", ".join(f"{leg} {score:.2f}" for leg, score in hit["legs"].items() if score is not None)
    says = f"{'found' if hit['found'] else 'perhaps'}, score {hit['score']:.2f} ({legs})" if fused else legs
    return "; ".join(filter(None, (says, heard, flags)))


def _taken_for(found: Mapping[str, Any]) -> str:
    """What the query was taken for, in one line."""
    understood = found["understood"]
    if found["pattern"]:
        return "Taken for: phrases combined, exactly these words."
    if understood is None:
        return "Taken for exactly these words, in this order."
    words = ", ".join(f"{word['text']} {word['worth']:.0%}" for word in understood["words"])
    return f"Taken for a {understood['kind']}: {understood['reason']}. What counts: {words}."


def _summary(found: Mapping[str, Any], fused: bool) -> str:
    """How many hits, which of them are shown, and what was searched."""
    searched, total, offset, n_shown = found["searched"], found["total"], found["offset"], len(found["hits"])
    word = "hit" if total == 1 else "hits"
    least = "at least " if found["exact"] and not found["total_is_exact"] else ""
    if n_shown == 0:
        shown = f"No hits beyond the first {offset}; {least}{total} in all" if offset else "No hits"
    else:
        which = f"{offset + 1}–{offset + n_shown}" if offset else n_shown
        n_found = sum(hit["found"] for hit in found["hits"])
        sure = f" ({n_found} found, {n_shown - n_found} perhaps)" if fused else ""
        every = f" from {found['places']} places" if found["exact"] and found["places"] > total else ""
        shown = f"{least}{total} {word}{every}, {which} shown{sure}".capitalize()
    speech, silence = (length(round(searched[name] * 1000)) for name in ("speech_seconds", "silent_seconds"))
    awaiting = f" ({searched['awaiting_index']} heard, awaiting the index)" if searched["awaiting_index"] else ""
    return (
        f"{shown}. Searched {searched['recordings']} recordings: {speech} of speech, {silence} of digital silence; "
        f"{searched['not_processed']} not processed{awaiting}. Machine transcripts, not verified."
    )


def _name(source: str) -> str:
    return source.rstrip("/").rsplit("/", 1)[-1]
