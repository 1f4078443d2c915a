"""`earwitness watch`: queries that are kept, and asked of every recording that is newly indexed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.cli.filters import filtered
from service.cli.main import Globals, common
from service.cli.output import clock, console, print_json, write_blocks

if TYPE_CHECKING:
    from service.catalog import Catalog
    from service.citations import CitationFormat
    from service.settings import Settings


@click.group("watch")
def command() -> None:
    """Keep queries as watch-lists: every recording that is newly indexed is matched with each of them, once.

    What they find are spans of machine transcripts, to be played. None is a verdict.
    """


@command.command("add")
@click.argument("name", required=False)
@click.argument("query", required=False)
@click.option("--detector", help="Keep the queries of this detector instead; NAME is then its own unless given.")
@click.option(
    "--mode",
    type=click.Choice(["auto", "exact"]),
    default="auto",
    show_default=True,
    help="As in a search. Of what auto ranks, only what it says is found becomes a hit.",
)
@click.option("--doubtful", is_flag=True, help="Also match what may not have been said.")
@filtered
@common
@click.pass_obj
def add_command(
    options: Globals,
    /,
    name: str | None,
    query: str | None,
    detector: str | None,
    mode: str,
    doubtful: bool,
    **filters: str | None,
) -> None:
    """Keep QUERY, as in a search, under NAME. What is indexed from now on is matched with it.

    `earwitness watch run NAME` matches what is indexed already. The name may stand in logs, the query never does; it
    is kept in the catalog.
    """
    from service.watch_lists import add_detector, add_watch

    if detector is not None and query is not None:
        raise click.UsageError("a detector brings its own queries: leave QUERY out, or --detector")
    if detector is None and (name is None or query is None):
        raise click.UsageError("give NAME and QUERY, or --detector; `earwitness watch detectors` names those there are")
    settings = options.settings()
    with _new_catalog(settings) as catalog:
        if detector is not None:
            watch = add_detector(settings, catalog, detector, name, filters, doubtful)
        else:
            assert name is not None
            assert query is not None
            watch = add_watch(settings, catalog, name, query, mode, filters, doubtful)
        (state,) = (state for state in catalog.watches.states() if state.watch.name == watch.name)
    if options.json:
        from service.watch_lists import watch_json

        print_json(watch_json(state))
        return
    click.echo(f"Watching {watch.name}. `earwitness watch run {watch.name}` matches what is indexed already.")


@command.command("list")
@common
@click.pass_obj
def list_command(options: Globals) -> None:
    """Show every watch: what it looks for, how many hits it has, and whether matching it works."""
    from service.watch_lists import watch_json

    with _catalog(options.settings()) as catalog:
        watches = [watch_json(state) for state in catalog.watches.states()]
    if options.json:
        print_json({"watches": watches})
    else:
        _show_watches(watches)


@command.command("hits")
@click.argument("name", required=False)
@click.option("--new", "only_new", is_flag=True, help="Only those nobody has acknowledged.")
@click.option("--superseded", is_flag=True, help="Also those of earlier versions of a transcript.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl"]), help="Write them for spreadsheets, or programs."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File for --format. [default: stdout]"
)
@common
@click.pass_obj
def hits_command(
    options: Globals,
    name: str | None,
    only_new: bool,
    superseded: bool,
    format_: CitationFormat | None,
    output: Path | None,
) -> None:
    """Show what the watch NAME found, or what all of them did: spans to play, with the words heard there.

    Places at most five seconds apart are one hit.
    """
    from service.citations import blocks
    from service.detectors import NOTICE
    from service.transcripts import TranscriptStore
    from service.watch_citations import cite_watch_hits, watch_lines

    if output is not None and format_ is None:
        raise click.UsageError("-o writes citations: give --format csv or jsonl, too")
    settings = options.settings()
    with _catalog(settings) as catalog:
        hits = catalog.watches.hits(name, only_new, superseded)
        citations = cite_watch_hits(hits, TranscriptStore(settings.transcripts))
        if format_ is not None:
            write_blocks(blocks(watch_lines(citations, format_)), output, options.json)
            return
        shown = [citation.to_json() for citation in citations]
    if options.json:
        print_json({"hits": shown, "notice": NOTICE})
    else:
        _show_hits(shown)


@command.command("acknowledge")
@click.argument("hits", nargs=-1, metavar="[HIT]...")
@click.option("--all", "every", metavar="NAME", help="All current hits of this watch.")
@click.option("--note", help="What to keep with it; it may be exported.")
@common
@click.pass_obj
def acknowledge_command(options: Globals, hits: tuple[str, ...], every: str | None, note: str | None) -> None:
    """Note that you have looked at each HIT, an id as `watch hits` shows it. Who did so first, and when, stays.

    It says that somebody looked, and nothing about what was found. When the recording is heard anew, a hit that
    overlaps an acknowledged one is taken as acknowledged, too.
    """
    from service.watch_lists import acknowledge, acknowledge_all

    if bool(hits) == (every is not None):
        raise click.UsageError("give the ids of hits, or --all NAME")
    settings = options.settings()
    with _catalog(settings) as catalog:
        if every is not None:
            n_new = acknowledge_all(settings, catalog, every, note)
        else:
            n_new = acknowledge(settings, catalog, list(hits), note)
    if options.json:
        print_json({"acknowledged": n_new})
    else:
        click.echo(f"{n_new} acknowledged")


@command.command("remove")
@click.argument("name")
@common
@click.pass_obj
def remove_command(options: Globals, name: str) -> None:
    """Forget the watch NAME and all its hits, acknowledgements included. Backups hold what there was."""
    from service.watch_lists import remove_watch

    settings = options.settings()
    with _catalog(settings) as catalog:
        n_hits = remove_watch(settings, catalog, name)
    if options.json:
        print_json({"removed": name, "hits": n_hits})
    else:
        click.echo(f"{name} removed, and {n_hits} hits with it")


@command.command("run")
@click.argument("name", required=False)
@common
@click.pass_obj
def run_command(options: Globals, name: str | None) -> None:
    """Match what is indexed already with the watch NAME, or with all, once: what was matched is left out.

    Where a service runs, it does the matching, within seconds. What failed before is tried again.
    """
    from service.watch_lists import run_watches

    settings = options.settings()
    with _catalog(settings) as catalog:
        became = run_watches(settings, catalog, name)
    if options.json:
        print_json(became)
    elif became["due"]:
        click.echo(f"{became['due']} matches are left to the running service; see `earwitness watch list`.")
    else:
        failed = f", {became['failed']} failed (`earwitness watch list` says why)" if became["failed"] else ""
        click.echo(f"Matches made: {became['matched']}{failed}; new hits: {became['new_hits']}. {became['notice']}")


@command.command("detectors")
@common
@click.pass_obj
def detectors_command(options: Globals) -> None:
    """Show the detectors that come with earwitness: what each looks for, and how well it was measured to do so.

    Precision is the share of its hits that are what it looks for; recall the share of those that it finds.
    """
    from service.detectors import NOTICE, detectors

    shipped = [detector.to_json() for detector in detectors().values()]
    if options.json:
        print_json({"detectors": shipped, "notice": NOTICE})
        return
    out = console()
    for one in shipped:
        out.print(f"[bold]{one['name']}[/]  {one['title']} ({', '.join(one['languages'])})", soft_wrap=True)
        out.print(f"   {one['description']}", markup=False, soft_wrap=True)
        for about, counts in one["measured"].items():
            out.print(f"   {about}: {_measured(counts)}", markup=False, soft_wrap=True)
    out.print(NOTICE)


@contextmanager
def _catalog(settings: Settings) -> Iterator[Catalog]:
    """Of an existing data folder."""
    from service.finding import open_catalog

    with open_catalog(settings) as catalog:
        yield catalog


@contextmanager
def _new_catalog(settings: Settings) -> Iterator[Catalog]:
    """A watch may be there before the first recording."""
    from service.catalog import Catalog
    from service.data import prepare_data

    prepare_data(settings)
    with Catalog.open(settings.catalog) as catalog:
        yield catalog


def _show_watches(watches: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console()
    table = Table("watch", "looks for", "new", "hits", "matched", "due")
    for one in watches:
        asked = f"detector {one['detector']}" if one["detector"] else one["queries"][0]
        numbers = (str(one[name]) for name in ("new", "hits", "matched", "due"))
        table.add_row(escape(one["name"]), escape(" ".join((asked, *_filters(one)))), *numbers)
    out.print(table)
    for one in watches:
        if one["error"]:
            out.print(f"{one['name']}: failed, and is tried again: {one['error']}", markup=False, soft_wrap=True)


def _filters(watch: Mapping[str, Any]) -> list[str]:
    return [f"--{name} {value}" for name, value in watch["filters"].items()]


def _show_hits(hits: list[dict[str, Any]]) -> None:
    from rich.markup import escape

    from service.detectors import NOTICE

    out = console()
    for hit in hits:
        name = hit["source"].rstrip("/").rsplit("/", 1)[-1]
        span = f"{clock(hit['start_ms'])}–{clock(hit['end_ms'])}"
        out.print(f"[bold]{hit['id']}  {escape(hit['watch'])}  {escape(name)}  {span}[/]", soft_wrap=True)
        who = [str(hit[field]) for field in ("recorded_at", "officer", "incident_id") if hit[field]]
        if hit["acknowledged_at"]:
            note = f": {hit['acknowledgement']}" if hit["acknowledgement"] else ""
            who.append(f"acknowledged by {hit['acknowledged_by']}{note}")
        if hit["superseded_at"]:
            who.append("of an earlier version of the transcript")
        out.print(f"   {' · '.join(who)}", style="dim", markup=False, soft_wrap=True)
        said = "its transcript is gone: `earwitness index verify`" if hit["said"] is None else hit["said"]
        out.print(
            f"   {hit['speaker'] or 'several or unknown'} ({hit['language']}): {said}", markup=False, soft_wrap=True
        )
    out.print(f"{len(hits)} {'hit' if len(hits) == 1 else 'hits'}. {NOTICE}", markup=False, soft_wrap=True)


def _measured(counts: Mapping[str, Any]) -> str:
    if not counts["labelled"] and not counts["hits"]:
        return "said nowhere, and not found"
    precision = f"{counts['right']} of {counts['hits']} hits right" if counts["hits"] else "no hits"
    recall = f"{counts['found']} of {counts['labelled']} found" if counts["labelled"] else "said nowhere"
    return f"{precision}, {recall}"
