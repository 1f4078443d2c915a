"""Who holds a lease: one process, named so that others on its machine can tell whether it still lives.

An owner is text, `host:pid:process_start_time:nonce`. The host part includes the process-id namespace, so
that two containers which share a host name do not take each other's processes for dead.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def new_owner() -> str:
    """A name no other process, and no earlier run of this one, has."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started(pid) or 0}:{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """Whether the process is known to have ended. False for other machines: their leases have to run out."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != _host() or os.name != "posix":
        return False
    pid, started = int(parts[1]), parts[2]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it lives, under another user
    now_started = _started(pid)
    return now_started is not None and now_started != started  # the number was given to another process


def is_here(owner: str) -> bool:
    """Whether it is a process of this machine that still runs; False where that cannot be told."""
    return owner.rsplit(":", 3)[0] == _host() and os.name == "posix" and not is_gone(owner)


def _host() -> str:
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - Path.stat would do the same
    except OSError:
        namespace = 0  # no Linux, no namespaces
    return f"{socket.gethostname()}-{namespace}"


def _started(pid: int) -> str | None:
    """Start time in clock ticks since boot; `ended` for a zombie; None where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the command name before it may hold spaces and parentheses
    return "ended" if fields[0] in "ZX" else fields[19]  # proc_pid_stat(5): state is field 3, starttime field 22
