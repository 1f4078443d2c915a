"""Laws of the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ManifestUnreadable, ZoneUnknown
from service.manifest import Manifest, read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(folder: Path, text: str | bytes, zone: str = "UTC") -> Manifest:
    path = folder / "manifest.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_manifest(path, zone)


def test_known_columns_in_any_case_and_unknown_ones_become_metadata(folder: Path) -> None:
    """Empty cells are left out, unknown columns keep their own name."""
    manifest = read(
        folder,
        "Officer, PATH ,badge,Shift Type,incident_id\nAnn Ōtsu,a.mp4,,night,INC-7\n\n,b.mp4,12,,\n",
    )

    assert [(row.line, row.path, row.metadata) for row in manifest.rows] == [
        (2, "a.mp4", {"officer": "Ann Ōtsu", "Shift Type": "night", "incident_id": "INC-7"}),
        (4, "b.mp4", {"badge": "12"}),
    ]
    assert manifest.failures == []


@pytest.mark.parametrize(
    "text",
    [
        "path,officer\na.mp4,Ann\n",
        "path;officer\na.mp4;Ann\n",
        "path;officer\r\na.mp4;Ann\r\n",
        b"\xef\xbb\xbfpath,officer\na.mp4,Ann",
        '"path","officer"\n"a.mp4","Ann"\n',
    ],
)
def test_commas_semicolons_line_ends_and_byte_order_marks_mean_the_same(folder: Path, text: str | bytes) -> None:
    """What spreadsheets write is read."""
    (row,) = read(folder, text).rows

    assert (row.path, row.metadata) == ("a.mp4", {"officer": "Ann"})


def test_a_single_column_is_a_manifest(folder: Path) -> None:
    """Only `path` is required."""
    assert [row.path for row in read(folder, "path\na, b.mp4\n".replace(", ", "-")).rows] == ["a-b.mp4"]


def test_quoted_cells_keep_delimiters_and_lines_are_counted_through_them(folder: Path) -> None:
    """A row is named by the line it begins on."""
    manifest = read(folder, 'path,notes\n"a,b.mp4","two\nlines"\nc.mp4,x\n')

    assert [(row.line, row.path) for row in manifest.rows] == [(2, "a,b.mp4"), (4, "c.mp4")]


@pytest.mark.parametrize(
    ("written", "zone", "kept"),
    [
        ("2026-03-14T21:05:00", "America/Chicago", "2026-03-14T21:05:00-05:00"),
        ("2026-01-14 21:05", "America/Chicago", "2026-01-14T21:05:00-06:00"),
        ("2026-03-14T21:05:00+01:00", "America/Chicago", "2026-03-14T21:05:00+01:00"),
        ("2026-03-14T21:05:00Z", "America/Chicago", "2026-03-14T21:05:00+00:00"),
        ("2026-03-14", "utc", "2026-03-14T00:00:00+00:00"),
        ("2026-11-01T01:30:00", "America/Chicago", "2026-11-01T01:30:00-05:00"),
    ],
)
def test_a_time_without_offset_is_in_the_agencys_zone(folder: Path, written: str, zone: str, kept: str) -> None:
    """Every kept time has its offset; of a doubled hour the first is meant."""
    (row,) = read(folder, f"path,recorded_at\na.mp4,{written}\n", zone).rows

    assert row.metadata == {"recorded_at": kept}


@pytest.mark.parametrize(
    "written",
    [
        "2026-02-30T10:00:00",
        "2026-13-01",
        "14/03/2026",
        "yesterday",
        "2026-03-08T02:30:00",
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_an_impossible_time_rejects_its_row_and_says_where(folder: Path, written: str) -> None:
    """File, line, column, value and an example; other rows are read. An hour skipped by clocks is no time."""
    manifest = read(folder, f"path,recorded_at\ngood.mp4,2026-01-01\nbad.mp4,{written}\n", "America/Chicago")

    (failure,) = manifest.failures
    assert failure.source == "bad.mp4"
    for part in ("manifest.csv line 3", "recorded_at", repr(written), "2026-03-14T21:05:00"):
        assert part in failure.error
    assert [row.path for row in manifest.rows] == ["good.mp4"]
    assert [row.path for row in manifest.rejected] == ["bad.mp4"]


def test_bad_rows_are_failures_of_their_own(folder: Path) -> None:
    """No path, too many cells, a path named twice: each is told with its line."""
    manifest = read(folder, "path,officer\n,Ann\na.mp4,Otsu, Ann\nb.mp4,Bea\n./b.mp4,Cay\n")

    assert [row.path for row in manifest.rows] == ["b.mp4"]
    assert [row.path for row in manifest.rejected] == ["a.mp4"]
    no_path, too_many, again = [failure.error for failure in manifest.failures]
    assert "manifest.csv line 2 has no path" in no_path
    assert "manifest.csv line 3 has 3 cells, but the header has 2" in too_many
    assert "manifest.csv line 5 names ./b.mp4 again, after line 4" in again


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"file,officer\na.mp4,Ann\n", "it has no `path` column (its first line reads: file, officer)"),
        (b"path,\xff\n", "byte 5 is not UTF-8"),
        (b"path\0\n", "NUL"),
        (b'path,officer\n"a.mp4,Ann\n', "line 2 is not CSV"),
        (b'"path\n', "line 1 is not CSV"),
        (b"path,officer,Officer\n", "column 'officer' appears twice"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_reason(folder: Path, contents: bytes, reason: str) -> None:
    """One error for the file, naming it, why, and what a manifest is."""
    with pytest.raises(ManifestUnreadable) as caught:
        read(folder, contents)

    assert reason in str(caught.value)
    assert "manifest.csv" in str(caught.value)
    assert "whose first line names its columns" in str(caught.value)


def test_a_column_called_as_a_field_of_ours_hides_nothing(folder: Path) -> None:
    """It is kept under a name that says whose it is."""
    (row,) = read(folder, "path,notes,id\na.mp4,asked for a lawyer,7\n").rows

    assert row.metadata == {"manifest_notes": "asked for a lawyer", "manifest_id": "7"}


def test_a_missing_manifest_and_a_folder_are_refused(folder: Path) -> None:
    """Neither is a manifest."""
    with pytest.raises(ManifestUnreadable, match="does not exist"):
        read_manifest(folder / "none.csv", "UTC")
    with pytest.raises(ManifestUnreadable, match="it is a folder"):
        read_manifest(folder, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", "America"])
def test_an_unknown_zone_is_an_error_before_any_row(folder: Path, zone: str) -> None:
    """A wrong zone would shift every time by hours."""
    with pytest.raises(ZoneUnknown, match="IANA"):
        read(folder, "path\na.mp4\n", zone)


@given(contents=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"path,x\n{text}".encode()))
def test_any_bytes_are_a_manifest_or_refused(tmp_path_factory: pytest.TempPathFactory, contents: bytes) -> None:
    """Nothing but `ManifestUnreadable` comes out, and each row is in one list only."""
    try:
        manifest = read(tmp_path_factory.mktemp("any"), contents)
    except ManifestUnreadable:
        return
    lines = [row.line for row in (*manifest.rows, *manifest.rejected)]
    assert len(lines) == len(set(lines))
