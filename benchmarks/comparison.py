"""Two reports side by side: what moved, and which way is good."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.report import shown
from benchmarks.table import Column, Table, Value


def compare(old: Mapping[str, Table], new: Mapping[str, Table]) -> list[str]:
    """A line per number that differs, and per row or table that only one of them has; empty when all is equal."""
    lines = []
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            lines.append(f"{name}: only in the {'old' if name in old else 'new'} report")
            continue
        lines.extend(_table(old[name], new[name]))
    return lines


def _table(old: Table, new: Table) -> list[str]:
    before = {old.label(row): row for row in old.rows}
    after = {new.label(row): row for row in new.rows}
    lines = []
    for label in dict.fromkeys([*before, *after]):
        if label not in before or label not in after:
            lines.append(f"{new.name}: {label}: only in the {'old' if label in before else 'new'} report")
            continue
        for column in new.columns:
            was, now = before[label].get(column.key), after[label].get(column.key)
            if was != now:
                lines.append(f"{new.name}: {label}: {column.title} {_change(column, was, now)}")
    return lines


def _change(column: Column, was: Value, now: Value) -> str:
    change = f"{shown(column, was)} → {shown(column, now)}"
    if not isinstance(was, int | float) or not isinstance(now, int | float):
        return change
    verdict = ""
    if column.better:
        verdict = ", better" if (now < was) == (column.better == "lower") else ", worse"
    return f"{change} ({now - was:+.{max(column.digits, 2)}f}{verdict})"
