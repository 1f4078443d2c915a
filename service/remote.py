"""Listing files behind URLs through fsspec: `s3://…`, `memory://…` and whatever else it has an adapter for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.catalog.entries import SourceSeen

# What stores call the mark of a version, best first: a content tag before a time.
_MARKS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "modified", "created")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    url: str
    size_bytes: int
    modified: str  # empty where the store tells none: then only the size can show a change

    def seen(self) -> SourceSeen:
        return SourceSeen(self.url, self.size_bytes, self.modified)


def list_remote(url: str) -> RemoteFile | list[RemoteFile] | str:
    """The file at this URL, or the files below it sorted by URL, hidden ones left out, or why there are none."""
    from fsspec.core import url_to_fs

    try:
        store, path = url_to_fs(url)
        store.invalidate_cache()  # a listing kept from an earlier scan would hide what has changed
        facts = store.info(path)
        if facts["type"] != "directory":
            return _file(url, facts)
        root = path.rstrip("/")
        below = sorted(store.find(root, detail=True).items())
    except FileNotFoundError:
        return f"{url} does not exist: check the address"
    except PermissionError:
        return f"{url} may not be read with these credentials"
    except ImportError as error:
        return f"{url} needs a package that is not installed ({error}); for s3:// that is earwitness[s3]"
    except Exception as error:  # noqa: BLE001 - every store brings exceptions of its own
        return f"{url} cannot be listed: {' '.join(str(error).split()) or type(error).__name__}"
    files = []
    for name, facts in below:
        relative = name.removeprefix(root).lstrip("/")
        if facts["type"] == "file" and not any(part.startswith(".") for part in relative.split("/")):
            files.append(_file(f"{url.rstrip('/')}/{relative}", facts))
    return files


def _file(url: str, facts: Mapping[str, Any]) -> RemoteFile:
    mark = next((facts[name] for name in _MARKS if facts.get(name)), "")
    if isinstance(mark, (int, float)):  # a store may tell one time in two ways: seconds here, a datetime there
        mark = datetime.fromtimestamp(mark, UTC)
    return RemoteFile(url, int(facts["size"] or 0), str(mark))
