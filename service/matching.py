"""Matching the manifest's rows to files: which row speaks of which source."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from service.catalog.entries import SourceSeen
from service.manifest import Manifest, ManifestRow
from service.remote import RemoteFile, list_remote
from service.scan import Found, is_url, local_url, see_file


def match(manifest: Manifest, sources: Sequence[str], found: Found) -> int:
    """Give what was found the metadata of its rows, and take out what a rejected or doubtful row names.

    A row's path is looked for relative to the manifest's folder, then to each source, then as a file name that
    only one of the found files has. A row may name a file in a source's folder that its extension hid. Without
    sources, every row's file is found by its row. Adds a failure for each row whose file does not exist.

    Returns:
        How many rows name a file that exists outside the sources.
    """
    by_name: dict[str, list[str]] = {}
    for url in found.seen:
        by_name.setdefault(posixpath.basename(url), []).append(url)
    folders = [local_url(source) for source in sources if not is_url(source) and Path(local_url(source)).is_dir()]
    prefixes = [source.rstrip("/") for source in sources if is_url(source)]
    matched: dict[str, ManifestRow] = {}
    doubtful: set[str] = set()
    outside = 0
    for row in manifest.rows:
        where = f"{manifest.path.name} line {row.line}"
        candidates = _candidates(row.path, manifest, folders, prefixes)
        existing = _existing(candidates, found, look_for_urls=not sources)
        namesakes = by_name.get(posixpath.basename(candidates[0]), [])
        if existing is None and len(namesakes) > 1:
            doubtful.update(namesakes)
            also = f"and {len(namesakes)} files have this name: give its folder"
            found.fail(row.path, f"{where} names {row.path}, {also} (those no other row names are left out)")
            continue
        if existing is None and not namesakes:
            if is_url(row.path) and sources:
                outside += 1
            else:
                found.fail(row.path, f"{where} names {row.path}, which does not exist")
            continue
        seen = existing or found.seen[namesakes[0]]
        if seen.url not in found.seen and sources and not any(_lies_in(seen.url, folder) for folder in folders):
            outside += 1
            continue
        if seen.url in matched:
            first = matched[seen.url].line
            found.fail(row.path, f"{where} names {row.path} again, after line {first}: keep one of the two rows")
            continue
        matched[seen.url] = row
        found.ignored.discard(seen.url)
        found.seen[seen.url] = replace(seen, metadata=row.metadata)
    for row in manifest.rejected:
        candidates = _candidates(row.path, manifest, folders, prefixes)
        existing = _existing(candidates, found, look_for_urls=False)
        namesakes = by_name.get(posixpath.basename(candidates[0]), [])
        for url in [existing.url] if existing is not None else namesakes:
            found.seen.pop(url, None)
    for url in doubtful - matched.keys():
        found.seen.pop(url, None)
    return outside


def _candidates(path: str, manifest: Manifest, folders: list[str], prefixes: list[str]) -> list[str]:
    """Urls the row may mean, best first; never empty."""
    if is_url(path):
        return [path]
    if "/" not in path:
        path = path.replace("\\", "/")  # written by an evidence system on Windows
    local = [local_url(str(Path(folder) / path)) for folder in (str(manifest.path.parent), *folders)]
    return [*local, *(f"{prefix}/{path}" for prefix in prefixes)]


def _existing(candidates: list[str], found: Found, look_for_urls: bool) -> SourceSeen | None:
    """The first candidate that was found, else the first that exists."""
    for url in candidates:
        if url in found.seen:
            return found.seen[url]
    for url in candidates:
        if not is_url(url):
            if Path(url).is_file():
                return see_file(url)
        elif look_for_urls:
            listed = list_remote(url)
            if isinstance(listed, RemoteFile):
                return listed.seen()
    return None


def _lies_in(url: str, folder: str) -> bool:
    return not is_url(url) and Path(folder) in Path(url).parents
