"""Who spoke when, drawn: the truth on top, what each system heard below, one colour per person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from transcribe.transcript import Turn


def draw_timelines(title: str, truth: Sequence[Turn], heard: Mapping[str, Sequence[Turn]], path: Path) -> None:
    """Write a PNG. A system's label has the colour of the true speaker it stands for; one too many is grey."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    colours = [plt.get_cmap("tab10")(number) for number in range(10)]
    people = list(dict.fromkeys(turn.speaker for turn in truth))
    rows: dict[str, tuple[Sequence[Turn], Mapping[str, str | None]]] = {}
    rows["truth"] = (truth, {name: name for name in people})
    for system, turns in heard.items():
        rows[system] = (turns, _names(truth, turns))
    figure, axes = plt.subplots(figsize=(12, 0.6 + 0.5 * len(rows)), layout="constrained")
    for place, (turns, name_of) in enumerate(rows.values()):
        for turn in turns:
            name = name_of[turn.speaker]
            lane = people.index(name) if name else len(people)
            colour = colours[lane % len(colours)] if name else (0.5, 0.5, 0.5, 1.0)
            height = 0.8 / (len(people) + 1)
            bar = ((turn.start_ms / 1000, (turn.end_ms - turn.start_ms) / 1000),)
            axes.broken_barh(bar, (place - 0.4 + lane * height, height), color=colour)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("s")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _names(truth: Sequence[Turn], turns: Sequence[Turn]) -> dict[str, str | None]:
    """The true speaker of each label, everybody once, for the most time shared; None for a label too many."""
    from scipy.optimize import linear_sum_assignment

    people, labels = sorted({turn.speaker for turn in truth}), sorted({turn.speaker for turn in turns})
    shared = np.zeros((len(labels), len(people)))
    for turn in turns:
        for true in truth:
            place = labels.index(turn.speaker), people.index(true.speaker)
            shared[place] += turn.span.overlap_ms(true.span)
    names: dict[str, str | None] = dict.fromkeys(labels)
    for label, person in zip(*linear_sum_assignment(-shared), strict=True):
        names[labels[label]] = people[person]
    return names
