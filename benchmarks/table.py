"""A table of a report: named columns with units, rows of numbers, and what a reader must know about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Value = str | float | int | None


@dataclass(frozen=True, slots=True)
class Column:
    """`better` says which way is good: "lower", "higher", or "" for a plain fact. `digits` are decimals shown."""

    key: str
    title: str
    unit: str = ""
    better: str = ""
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows are told apart by the columns in `keys`, whose values are words; a number that does not apply is None.

    plotted: the columns that the picture shows as bars.
    curves: instead of bars, percent against percent: a name and the columns of x and y, for each curve.
    """

    name: str
    title: str
    note: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]
    plotted: tuple[str, ...]
    curves: tuple[tuple[str, str, str], ...] = ()

    def label(self, row: Mapping[str, Value]) -> str:
        """What tells a row apart, for people."""
        return " · ".join(str(row[key]) for key in self.keys)

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "note": self.note,
            "keys": list(self.keys),
            "columns": [
                {
                    "key": column.key,
                    "title": column.title,
                    "unit": column.unit,
                    "better": column.better,
                    "digits": column.digits,
                }
                for column in self.columns
            ],
            "rows": [dict(row) for row in self.rows],
            "plotted": list(self.plotted),
            "curves": [list(curve) for curve in self.curves],
        }

    @staticmethod
    def from_json(name: str, data: Mapping[str, Any]) -> Table:
        return Table(
            name,
            data["title"],
            data["note"],
            tuple(data["keys"]),
            tuple(Column(**column) for column in data["columns"]),
            tuple(data["rows"]),
            tuple(data["plotted"]),
            tuple((name, x, y) for name, x, y in data.get("curves", ())),
        )
