"""The saved report: JSON for machines, Markdown for people, a picture per table beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.outcome import OURS, YARDSTICKS
from benchmarks.pictures import draw
from benchmarks.table import Column, Table, Value

FORMAT = 1


class ReportUnreadable(Exception):
    """A file that is to be compared is no report of ours."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot read {self.path} as a report: {self.reason}. `make bench` writes one."


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run measured.

    facts: machine, commit, versions and models (`benchmarks.machine.describe`).
    run: corpus and options; failures: one line per recording a system could not hear.
    title: of the page.
    """

    made_at: str  # ISO 8601
    facts: Mapping[str, Any]
    run: Mapping[str, Any]
    tables: tuple[Table, ...]
    failures: Mapping[str, Sequence[str]]
    remarks: str = ""
    title: str = "Where we stand"

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "made_at": self.made_at,
            **self.facts,
            "run": dict(self.run),
            "remarks": self.remarks,
            "tables": {table.name: table.to_json() for table in self.tables},
            "failures": {system: list(lines) for system, lines in self.failures.items()},
        }

    def markdown(self, picture_of: Mapping[str, str]) -> str:
        """For people. `picture_of`: file of the picture by table name, relative to the Markdown."""
        parts = [f"# {self.title}", self._facts_text()]
        if self.remarks:
            parts.append(self.remarks.strip())
        if any("system" in table.keys for table in self.tables):
            lines = behind(self.tables) or ["Nowhere in these tables."]
            parts.append("## Where a peer is ahead\n\n" + "\n".join(lines))
        for table in self.tables:
            parts.append(f"## {table.title}\n\n{table.note}\n\n{_markdown_table(table)}")
            if table.name in picture_of:
                parts.append(f"![{table.title}]({picture_of[table.name]})")
        if any(self.failures.values()):
            lines = [f"- {system}: {line}" for system, lines in self.failures.items() for line in lines]
            parts.append("## Recordings that failed\n\n" + "\n".join(lines))
        parts.append(self._provenance_text())
        return "\n\n".join(parts) + "\n"

    def _facts_text(self) -> str:
        machine, run = self.facts["machine"], self.run
        changed = ", with changes on top" if self.facts["changed_since_commit"] else ""
        sets = ", ".join(f"{count} {name}" for name, count in run["recordings"].items())
        reused = f" Kept from an earlier run: {', '.join(run['reused'])}." if run.get("reused") else ""
        queries = f", {run['queries']} queries" if "queries" in run else ""
        stress = (
            f"; {run['stress_minutes']} minutes without speech, seed {run['seed']}" if "stress_minutes" in run else ""
        )
        turns = " Every system ran in a process of its own, one after another." if queries else ""
        return (
            f"Measured {self.made_at} at commit `{self.facts['commit']}`{changed}, on {machine['processor']} "
            f"({machine['cores']} cores, {machine['threads']} CPU threads for each model, {machine['memory_mb']} MB, "
            f"{machine['system']}, load {machine['load_at_start']} at the start), Python {machine['python']}. "
            f"Corpus `{run['corpus']}`: {sets}{queries}{stress}.{reused}{turns}"
        )

    def _provenance_text(self) -> str:
        versions = "\n".join(f"| {name} | {found or '–'} |" for name, found in self.facts["versions"].items())
        models = "\n".join(
            f"| {one['name']} | {one['revision'] or '–'} | `{one['sha256'] or 'missing'}` |"
            for one in self.facts["models"]
        )
        return (
            f"## Versions\n\n| library | version |\n|---|---|\n{versions}\n\n"
            f"## Models\n\n| name | revision | SHA-256 |\n|---|---|---|\n{models}"
        )


def write_report(report: Report, path: Path) -> list[Path]:
    """Write `path` (JSON), the Markdown beside it, and a picture per table; returns all files written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pictures = {table.name: path.with_name(f"{path.stem}.{table.name}.png") for table in report.tables}
    for table in report.tables:
        draw(table, pictures[table.name])
    page = path.with_suffix(".md")
    page.write_text(report.markdown({name: picture.name for name, picture in pictures.items()}), encoding="utf-8")
    return [path, page, *pictures.values()]


def read_tables(path: Path) -> dict[str, Table]:
    """The tables of a saved report, by name.

    Raises:
        ReportUnreadable
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ReportUnreadable(path, f"it has format {data['format']}, this version reads {FORMAT}")
        return {name: Table.from_json(name, table) for name, table in data["tables"].items()}
    except OSError as error:
        raise ReportUnreadable(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportUnreadable(path, f"it is not as expected ({error!r})") from error


def behind(tables: Sequence[Table]) -> list[str]:
    """A line per column in which a peer's number is better than ours on the same set."""
    lines = []
    for table in tables:
        if "system" not in table.keys:
            continue
        for ours in (row for row in table.rows if row["system"] == OURS):
            same = [
                row
                for row in table.rows
                if row["system"] not in (OURS, *YARDSTICKS) and row.get("set") == ours.get("set")
            ]
            for column in table.columns:
                best = _best(column, same)
                mine = ours.get(column.key)
                if best is None or not isinstance(mine, int | float):
                    continue
                theirs = best[column.key]
                assert isinstance(theirs, int | float)
                if (theirs < mine) if column.better == "lower" else (theirs > mine):
                    where = f" ({ours['set']})" if "set" in ours else ""
                    lines.append(
                        f"- {table.title}{where}, {column.title}: ours {shown(column, mine)}, "
                        f"{best['system']} {shown(column, theirs)}"
                    )
    return lines


def shown(column: Column, value: Value) -> str:
    """A value as the tables print it."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    unit = f" {column.unit}" if column.unit else ""
    return f"{value:.{column.digits}f}{unit}"


def _best(column: Column, rows: Sequence[Mapping[str, Value]]) -> Mapping[str, Value] | None:
    numbers = [(value, row) for row in rows if isinstance(value := row.get(column.key), int | float)]
    if not numbers or not column.better:
        return None
    pick = min if column.better == "lower" else max
    return pick(numbers, key=lambda entry: entry[0])[1]


def _markdown_table(table: Table) -> str:
    heads = [f"{column.title} [{column.unit}]" if column.unit else column.title for column in table.columns]
    lines = [
        "| " + " | ".join([*table.keys, *heads]) + " |",
        "|" + "---|" * len(table.keys) + "---:|" * len(heads),
    ]
    for row in table.rows:
        cells = [str(row[key]) for key in table.keys]
        cells += ["–" if (value := row.get(c.key)) is None else f"{value:.{c.digits}f}" for c in table.columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
