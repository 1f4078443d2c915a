"""The data folder: made when missing, refused with a reason when it cannot be used."""

from __future__ import annotations

import os
import shutil

from service.errors import DataUnusable, TooLittleSpace
from service.settings import Settings

# Qdrant Edge maps files whose blocks the disk has not given yet (its write-ahead log, pages of payloads and vectors:
# 260 MB in an empty shard). A block that a full disk cannot give ends the process in the middle (SIGBUS), so writing
# stops before. Optimising writes the segments anew: it needs as much again as the index has.
RESERVE_BYTES = 256_000_000


def prepare_data(settings: Settings) -> None:
    """Make the data folder, and know now rather than in an hour that it can be written.

    Raises:
        DataUnusable, TooLittleSpace
    """
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataUnusable(settings.data, error.strerror or str(error)) from error
    if not os.access(settings.data, os.W_OK | os.X_OK):
        raise DataUnusable(settings.data, "this user may not write there")
    require_space(settings)


def require_space(settings: Settings) -> None:
    """Refuse to write on a disk that is nearly full.

    Raises:
        TooLittleSpace
    """
    blocks = 0
    if settings.qdrant_url is None and settings.index.exists():
        blocks = sum(path.stat().st_blocks for path in settings.index.rglob("*") if path.is_file())
    needed, free = RESERVE_BYTES + 512 * blocks, shutil.disk_usage(settings.data).free
    if free < needed:
        raise TooLittleSpace(settings.data, free, needed)
