"""Laws of scanning: what is taken, what is left, what is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from service.manifest import read_manifest
from service.scan import MEDIA_EXTENSIONS, Scan, scan

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose own path has no links."""
    return tmp_path.resolve()


@pytest.fixture
def store() -> Iterator[Any]:
    """An empty object store in memory."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    yield memory
    memory.store.clear()


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * len(name))


def names(result: Scan, folder: Path) -> list[str]:
    return [os.path.relpath(seen.url, folder) for seen in result.seen]


def scan_with(folder: Path, rows: str, *sources: str | Path, header: str = "path,officer") -> Scan:
    (folder / "manifest.csv").write_text(f"{header}\n{rows}")
    return scan([str(source) for source in sources], read_manifest(folder / "manifest.csv", "UTC"))


# Files and folders


def test_a_folder_gives_its_media_sorted_whatever_the_case(folder: Path) -> None:
    """Recursively, by extension; hidden files and folders are left out, other files counted."""
    write(folder, "b.MP4", "a/z.wav", "a/y.txt", "c.mkv", "readme", ".hidden.mp4", ".trash/d.mp4")

    result = scan([str(folder)])

    assert names(result, folder) == ["a/z.wav", "b.MP4", "c.mkv"]
    assert (result.failures, result.ignored, result.outside) == ([], 2, 0)


def test_a_file_named_is_taken_whatever_its_extension(folder: Path) -> None:
    """Whoever names a file means it; its contents are judged when it is read."""
    write(folder, "clip", ".hidden.dat")

    assert names(scan([str(folder / "clip"), str(folder / ".hidden.dat")]), folder) == ["clip", ".hidden.dat"]


def test_a_file_is_seen_by_size_and_time_without_being_read(folder: Path) -> None:
    """Overwriting changes what is seen; nothing else does."""
    write(folder, "a.mp4")
    (first,) = scan([str(folder)]).seen
    (again,) = scan([str(folder / "a.mp4")]).seen
    os.utime(folder / "a.mp4", ns=(1, 1))
    (touched,) = scan([str(folder)]).seen

    assert first == again
    assert (first.url, first.size_bytes, first.metadata) == (str(folder / "a.mp4"), 5, None)
    assert touched.modified == "1"


def test_each_file_is_seen_once_however_it_is_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overlapping sources, relative paths, file URLs and links lead to one absolute path."""
    write(folder, "a b/x.mp4")
    (folder / "link.mp4").symlink_to(folder / "a b" / "x.mp4")
    monkeypatch.chdir(folder)

    result = scan([str(folder), "a b", "a b/x.mp4", f"file://{folder}/a%20b/x.mp4", "link.mp4"])

    assert names(result, folder) == ["a b/x.mp4"]
    assert result.failures == []


def test_links_in_a_circle_end(folder: Path) -> None:
    """A folder is entered once; a link to itself or to nothing is told, if it looks like media."""
    write(folder, "a/x.mp4")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "self.mp4").symlink_to(folder / "self.mp4")
    (folder / "gone.mp4").symlink_to(folder / "nothing")

    result = scan([str(folder)])

    assert names(result, folder) == ["a/x.mp4"]
    assert [Path(failure.source).name for failure in result.failures] == ["gone.mp4", "self.mp4"]
    assert "does not exist" in result.failures[0].error


def test_what_is_not_there_or_holds_no_media_is_a_failure(folder: Path) -> None:
    """Named and missing, empty, or neither file nor folder: each is told; the others are scanned."""
    (folder / "empty").mkdir()
    write(folder, "a.mp4", "texts/notes.txt")
    os.mkfifo(folder / "pipe")

    result = scan([str(folder / name) for name in ("none", "empty", "texts", "pipe", "a.mp4")])

    missing, empty, texts, pipe = [failure.error for failure in result.failures]
    assert missing.startswith(f"{folder}/none does not exist")
    assert empty.startswith(f"no media files in {folder}/empty (looked for .mp4, .mkv, ")
    assert texts.startswith(f"no media files in {folder}/texts")
    assert pipe == f"{folder}/pipe is neither a file nor a folder"
    assert names(result, folder) == ["a.mp4"]


def test_an_unreadable_folder_is_a_failure_and_the_rest_is_scanned(folder: Path) -> None:
    """One locked door does not end the tour."""
    write(folder, "locked/x.mp4", "open/y.mp4")
    (folder / "locked").chmod(0)
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    try:
        seen, failures = _as_nobody(lambda: _plain(scan([str(folder)])))
    finally:
        (folder / "locked").chmod(0o755)

    assert seen == [f"{folder}/open/y.mp4"]
    assert failures == [
        [f"{folder}/locked", f"{folder}/locked may not be read by this user: grant read permission and run again"]
    ]


def test_a_name_that_is_not_text_is_a_failure(folder: Path) -> None:
    """A name that no catalog and no report could hold is told, not dropped."""
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.mp4")).write_bytes(b"x")

    (failure,) = scan([str(folder)]).failures

    assert failure.error == f"the name of {folder}/bad?.mp4 is not UTF-8: rename the file"


def test_extensions_are_lower_case_without_a_dot() -> None:
    """So that comparing is one lookup; what cameras and dispatch recorders write is among them."""
    assert all(extension == extension.lower().strip(".") for extension in MEDIA_EXTENSIONS)
    assert {"mp4", "mkv", "mov", "avi", "ts", "wav", "mp3", "m4a", "flac"} <= MEDIA_EXTENSIONS


# URLs


def test_a_url_is_a_file_or_a_prefix(store: Any) -> None:
    """The same rules as for folders."""
    for name in ("/bucket/b.MP4", "/bucket/a/x.wav", "/bucket/notes.txt", "/bucket/.h/y.mp4"):
        store.pipe(name, b"12345")

    prefix, one = scan(["memory://bucket/"]), scan(["memory://bucket/notes.txt"])

    assert [(seen.url, seen.size_bytes) for seen in prefix.seen] == [
        ("memory://bucket/a/x.wav", 5),
        ("memory://bucket/b.MP4", 5),
    ]
    assert prefix.ignored == 1
    assert [seen.url for seen in one.seen] == ["memory://bucket/notes.txt"]


def test_a_url_written_anew_is_seen_as_changed(store: Any) -> None:
    """The store's own mark of a version is compared, not the contents."""
    store.pipe("/bucket/a.mp4", b"12345")
    (first,) = scan(["memory://bucket"]).seen
    (again,) = scan(["memory://bucket/a.mp4"]).seen
    store.pipe("/bucket/a.mp4", b"54321")
    (changed,) = scan(["memory://bucket"]).seen

    assert first == again
    assert first != changed


def test_urls_that_lead_nowhere_are_failures(store: Any) -> None:
    """Missing, empty, or of a kind nobody knows."""
    store.pipe("/texts/notes.txt", b"1")

    result = scan(["memory://none/a.mp4", "memory://texts", "gopher://x/a.mp4"])

    missing, texts, unknown = [failure.error for failure in result.failures]
    assert missing == "memory://none/a.mp4 does not exist: check the address"
    assert texts.startswith("no media files in memory://texts")
    assert unknown.startswith("gopher://x/a.mp4 cannot be listed: ")


# With a manifest


def test_rows_reach_files_by_manifest_folder_source_folder_or_unique_name(folder: Path) -> None:
    """In this order; a file no row names keeps what is known of it."""
    write(
        folder, "lists/near.mp4", "lists/sub/near.mp4", "footage/a/in.mp4", "footage/deep/er/named.mp4", "footage/x.mp4"
    )
    result = scan_with(folder / "lists", "near.mp4,1\na/in.mp4,2\nnamed.mp4,3\n", folder / "footage", folder / "lists")

    assert {Path(seen.url).relative_to(folder).as_posix(): seen.metadata for seen in result.seen} == {
        "footage/a/in.mp4": {"officer": "2"},
        "footage/deep/er/named.mp4": {"officer": "3"},
        "footage/x.mp4": None,
        "lists/near.mp4": {"officer": "1"},
        "lists/sub/near.mp4": None,
    }
    assert result.failures == []


def test_a_row_for_a_missing_file_is_a_failure(folder: Path) -> None:
    """With its line; the others are scanned."""
    write(folder, "a.mp4")

    for result in (scan_with(folder, "a.mp4,1\nx.mp4,2\n", folder), scan_with(folder, "a.mp4,1\nx.mp4,2\n")):
        assert names(result, folder) == ["a.mp4"]
        assert [(failure.source, failure.error) for failure in result.failures] == [
            ("x.mp4", "manifest.csv line 3 names x.mp4, which does not exist")
        ]


def test_without_sources_the_rows_are_the_sources(folder: Path, store: Any) -> None:
    """Local files, whatever their extension, and URLs; nothing beside."""
    store.pipe("/bucket/r.mp4", b"12345")
    write(folder, "a.mp4", "sub/b.bin", "unlisted.mp4", "elsewhere/c.mp4")

    result = scan_with(folder, f"sub\\b.bin,1\na.mp4,2\nmemory://bucket/r.mp4,3\n{folder}/elsewhere/c.mp4,4\n")

    assert [(seen.url, seen.metadata) for seen in result.seen] == [
        (f"{folder}/sub/b.bin", {"officer": "1"}),
        (f"{folder}/a.mp4", {"officer": "2"}),
        ("memory://bucket/r.mp4", {"officer": "3"}),
        (f"{folder}/elsewhere/c.mp4", {"officer": "4"}),
    ]
    assert (result.failures, result.outside) == ([], 0)


def test_rows_outside_the_sources_are_counted_not_ingested(folder: Path) -> None:
    """Asking for one folder of a large manifest is no failure of the others."""
    write(folder, "one/a.mp4", "two/a.mp4")

    result = scan_with(folder, "one/a.mp4,1\ntwo/a.mp4,2\nmemory://bucket/r.mp4,3\n", folder / "one")

    assert [(seen.url, seen.metadata) for seen in result.seen] == [(f"{folder}/one/a.mp4", {"officer": "1"})]
    assert (result.failures, result.outside) == ([], 2)


def test_a_row_may_name_a_file_its_extension_hid(folder: Path) -> None:
    """Named is named."""
    write(folder, "footage/a.mp4", "footage/b.bin")

    result = scan_with(folder, "footage/b.bin,1\n", folder / "footage")

    assert names(result, folder) == ["footage/a.mp4", "footage/b.bin"]
    assert result.ignored == 0


def test_rows_match_urls_by_prefix_and_name(store: Any, folder: Path) -> None:
    """A manifest on disk speaks of files in a store."""
    for name in ("/bucket/a/x.mp4", "/bucket/b/y.mp4", "/bucket/z.mp4"):
        store.pipe(name, b"12345")

    result = scan_with(folder, "a/x.mp4,1\ny.mp4,2\nmemory://bucket/z.mp4,3\n", "memory://bucket")

    assert [(seen.metadata or {})["officer"] for seen in result.seen] == ["1", "2", "3"]


def test_a_file_whose_row_was_rejected_is_not_ingested(folder: Path) -> None:
    """Without its metadata nobody knows who may see it: the row has to be mended first."""
    write(folder, "a.mp4", "bad.mp4")

    for sources in ([folder], []):
        result = scan_with(folder, "bad.mp4,2026-02-30\na.mp4,\n", *sources, header="path,recorded_at")
        assert names(result, folder) == ["a.mp4"]
        assert ["line 2" in failure.error for failure in result.failures] == [True]


def test_a_name_several_files_have_is_a_failure_and_none_of_them_is_taken(folder: Path) -> None:
    """Nobody knows which is meant, unless another row names it."""
    write(folder, "footage/1/a.mp4", "footage/2/a.mp4", "footage/3/a.mp4")

    result = scan_with(folder, "a.mp4,1\nfootage/3/a.mp4,2\n", folder / "footage")

    assert names(result, folder) == ["footage/3/a.mp4"]
    (failure,) = result.failures
    assert failure.error.startswith("manifest.csv line 2 names a.mp4, and 3 files have this name: give its folder")


def test_two_rows_for_one_file_are_a_failure(folder: Path) -> None:
    """The first is used, the second is told."""
    write(folder, "a/x.mp4")

    result = scan_with(folder, "a/x.mp4,1\nx.mp4,2\n", folder)

    assert [seen.metadata for seen in result.seen] == [{"officer": "1"}]
    (failure,) = result.failures
    assert failure.error == "manifest.csv line 3 names x.mp4 again, after line 2: keep one of the two rows"


def _plain(result: Scan) -> Any:
    return [seen.url for seen in result.seen], [(failure.source, failure.error) for failure in result.failures]


def _as_nobody(function: Callable[[], Any]) -> Any:
    """The function's result (as JSON gives it back), run without root's right to read everything."""
    if os.geteuid() != 0:
        return json.loads(json.dumps(function()))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            os.write(writing, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        answer = result.read()
    os.waitpid(child, 0)
    return json.loads(answer)
