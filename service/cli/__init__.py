"""The command `earwitness`: one module per subcommand, imported when it is asked for."""

from __future__ import annotations

from service.cli.main import main

__all__ = ["main"]
