"""One picture per table: horizontal bars, one group per row; or curves against the diagonal."""

from __future__ import annotations

from pathlib import Path

from benchmarks.table import Table

COLOURS = ("#1b4965", "#ca6702", "#5fa8d3", "#8a817c")  # told apart in grey, too


def draw(table: Table, path: Path) -> None:
    """Write the plotted columns of a table as a PNG; a number that does not apply is left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if table.curves:
        _draw_curves(table, path)
        return
    columns = [column for column in table.columns if column.key in table.plotted]
    n_rows = len(table.rows)
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.14 * len(columns) * n_rows + 0.18 * n_rows), layout="constrained")
    height = 0.8 / len(columns)
    for position, column in enumerate(columns):
        present = [
            (row_number + (position - (len(columns) - 1) / 2) * height, value)
            for row_number, row in enumerate(table.rows)
            if isinstance(value := row.get(column.key), int | float)
        ]
        if not present:
            continue
        places, values = zip(*present, strict=True)
        label = f"{column.title} ({column.unit})" if column.unit else column.title
        bars = axes.barh(places, values, height, label=label, color=COLOURS[position % len(COLOURS)])
        axes.bar_label(bars, fmt=f"%.{column.digits}f", padding=2, fontsize=7)
    axes.set_yticks(range(n_rows), [table.label(row) for row in table.rows], fontsize=8)
    axes.set_ylim(n_rows - 0.5, -0.5)  # the first row on top, as in the table
    axes.margins(x=0.1)
    axes.set_title(table.title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(columns))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_curves(table: Table, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 100], [0, 100], color="#bbbbbb", linewidth=1)
    titles = {column.key: column.title for column in table.columns}
    for number, (name, x, y) in enumerate(table.curves):
        points = [
            (row_x, row_y)
            for row in table.rows
            if isinstance(row_x := row.get(x), int | float) and isinstance(row_y := row.get(y), int | float)
        ]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name, color=COLOURS[number])
    _, x, y = table.curves[0]
    axes.set_xlabel(f"{titles[x]} (%)", fontsize=8)
    axes.set_ylabel(f"{titles[y]} (%)", fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_aspect("equal")
    axes.set_title(table.title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
