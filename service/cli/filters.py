"""The options that keep a search, or a watch, to some footage, as `service.question.FILTERS` names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

HELP = {
    "officer": "Only footage of this officer.",
    "badge": "Only footage of this badge.",
    "unit": "Only footage of this unit.",
    "incident": "Only footage of this incident.",
    "category": "Only footage of this category.",
    "recording": "Only this recording: an id, its beginning, or a source path.",
    "speaker": "Only what this speaker said: a label (SPEAKER_00), or wearer or radio.",
    "since": "Only what was said at or after this time (ISO 8601; without offset: agency time).",
    "until": "Only what was said before this time.",
    "language": "Only what was said in this language, e.g. es.",
}


def filtered(command: Command) -> Command:
    """Give a command an option for each filter; all of them come as keywords, None where not given."""
    for name, text in reversed(HELP.items()):
        command = click.option(f"--{name}", help=text)(command)
    return command
