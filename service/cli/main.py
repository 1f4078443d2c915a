"""The command line's frame: global options, subcommands by name, errors to exit codes.

Exit codes: 0 done; 1 cannot run as configured (one line on stderr); 2 wrong usage; 3 finished, but some
recordings failed; 130 interrupted after finishing what was in flight.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from service.settings import Settings

EXIT_CANNOT_RUN = 1
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130

COMMANDS = (
    "ingest",
    "search",
    "watch",
    "align",
    "serve",
    "export",
    "correct",
    "versions",
    "status",
    "doctor",
    "models",
    "index",
    "backup",
    "restore",
    "voices",
    "seal",
    "unseal",
    "hold",
    "release",
)
MODULES = dict.fromkeys(("seal", "unseal", "hold", "release"), "marks")  # all others are named as their command


@dataclass(slots=True)
class Globals:
    """What the global options say, wherever on the line they stood."""

    data: Path | None = None
    json: bool = False

    def settings(self, **flags: Any) -> Settings:
        from service.settings import load_settings

        return load_settings(data=self.data, **flags)


class Commands(click.Group):
    """Loads a subcommand's module only when it is run: `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"service.cli.{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name if cmd_name in MODULES else "command")
        return command


Command = TypeVar("Command", bound=Callable[..., Any])


def common(command: Command) -> Command:
    """`--data` and `--json`, which stand before or after the subcommand's name."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
        def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> Any:
            kept = ctx.ensure_object(Globals)  # with none of these options given, too
            if value is not None and value is not False:
                setattr(kept, name, value)
            return value

        return callback

    for option in (
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            callback=keep("data"),
            expose_value=False,
            help="Folder of catalog, transcripts and index. [default: $EARWITNESS_DATA, else ./earwitness-data]",
        ),
        click.option(
            "--json",
            is_flag=True,
            callback=keep("json"),
            expose_value=False,
            help="One JSON object on stdout; progress and messages on stderr.",
        ),
    ):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@common
@click.version_option(package_name="earwitness", prog_name="earwitness")
def cli() -> None:
    """Hear recorded footage, and find the moment something was said.

    \b
    earwitness ingest FOLDER      hear everything in it
    earwitness search "QUERY"     find who said it, and when
    earwitness serve              search and play on a page
    """


def main() -> None:
    """Entry point: errors of ours become one line and an exit code, never a traceback."""
    from gpu.devices import wait_without_spinning
    from transcribe.errors import TranscribeError

    wait_without_spinning()
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:  # wrong usage: click names the flag and the values that fit
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("earwitness: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # `earwitness … | head`
        sys.stderr.close()
        sys.exit(0)
    except TranscribeError as error:
        _complain(error)
    except Exception as error:
        if not _ours(error):
            raise
        _complain(error)


def _complain(error: Exception) -> None:
    click.echo(f"earwitness: {error}", err=True)
    sys.exit(EXIT_CANNOT_RUN)


def _ours(error: Exception) -> bool:
    from gpu.errors import GpuError
    from search.errors import SearchError
    from service.errors import ServiceError

    return isinstance(error, (GpuError, SearchError, ServiceError))
