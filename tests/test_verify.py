"""Laws of verifying, repairing and rebuilding: catalog, index and transcripts agree, or the difference is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from search.errors import IndexBusy, IndexDamaged
from search.passages import build_passages
from search.protocols import Row
from search.rows import rows
from service.backup import copy_folder
from service.catalog import Catalog, Stage
from service.index_folder import hold_index_folder
from service.indexing import open_index
from service.rebuild import rebuild
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from service.verify import Kind, Verification, repair, verify
from tests.conftest import earwitness
from tests.quick_ingest import QuickEars, QuickEmbedder, make_media, quick_ingest
from transcribe.transcript import RecordingId, Transcript

N_RECORDINGS = 4


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `media` and, made of it, `data`."""
    folder = tmp_path_factory.mktemp("verify")
    quick_ingest(folder / "data", make_media(folder / "media", N_RECORDINGS))
    return folder


@pytest.fixture
def settings(ingested: Path, tmp_path: Path) -> Settings:
    """An archive of four recordings, each with one passage, to be damaged."""
    copy_folder(ingested / "data", tmp_path / "data")  # with its holes: an index is mostly those
    return load_settings(data=tmp_path / "data")


def verified(settings: Settings) -> Verification:
    with Catalog.open(settings.catalog) as catalog:
        return verify(settings, catalog, TranscriptStore(settings.transcripts))


def repaired(settings: Settings) -> Verification:
    """Verified again after a repair of all that differed."""
    with Catalog.open(settings.catalog) as catalog:
        store = TranscriptStore(settings.transcripts)
        repair(settings, catalog, store, verify(settings, catalog, store).differences)
    return verified(settings)


def kinds(verification: Verification) -> list[Kind]:
    return [difference.kind for difference in verification.differences]


def ids(settings: Settings) -> list[RecordingId]:
    with Catalog.open(settings.catalog) as catalog:
        return [row.id for row in catalog.recordings()]


def file_of(settings: Settings, kind: str) -> Path:
    return next((settings.data / "transcripts").rglob(f"{kind}-*.json"))


def test_an_archive_after_an_ingest_is_clean(settings: Settings) -> None:
    """Everything the catalog calls indexed is in the index, once, and every transcript is what was written."""
    verification = verified(settings)

    assert verification.differences == ()
    assert (verification.recordings, verification.rows, verification.waiting) == (N_RECORDINGS, N_RECORDINGS, 0)
    assert verification.transcripts == 3 * N_RECORDINGS  # words, turns, and both joined


def test_passages_the_index_lost_are_named_and_made_again(settings: Settings) -> None:
    """The catalog calls a recording indexed, the index has nothing of it."""
    first = ids(settings)[0]
    with open_index(settings) as index:
        index.remove(first)

    (difference,) = verified(settings).differences
    assert (difference.kind, difference.recording_id) == (Kind.MISSING_ROWS, first)
    assert repaired(settings).differences == ()


def test_a_recording_indexed_twice_is_named_and_mended(settings: Settings) -> None:
    """Rows of another version beside the right ones."""
    first = ids(settings)[0]
    with open_index(settings) as index:
        (wanted,) = index.versions()[first]
        index.replace(first, "another", rows_of(settings, first))
        assert index.versions()[first] == {"another": 1}

    assert kinds(verified(settings)) == [Kind.MISSING_ROWS]
    assert repaired(settings).differences == ()
    with open_index(settings) as index:
        assert index.versions()[first] == {wanted: 1}


def test_rows_of_a_recording_nobody_knows_are_named_and_removed(settings: Settings) -> None:
    """The index holds more than the catalog."""
    stranger = RecordingId("f" * 64)
    with open_index(settings) as index:
        index.replace(stranger, "v", rows_of(settings, stranger))

    (difference,) = verified(settings).differences
    assert (difference.kind, difference.recording_id) == (Kind.UNKNOWN_RECORDING, stranger)
    assert repaired(settings).differences == ()
    with open_index(settings) as index:
        assert stranger not in index.versions()


def rows_of(settings: Settings, recording_id: RecordingId) -> list[Row]:
    """The one passage of a recording as the index would keep it under a version no transcript has."""
    kept = Transcript.from_json(json.loads(file_of(settings, "transcript").read_text()))
    strange = replace(kept, recording=replace(kept.recording, id=recording_id), models=())
    made = rows(strange, build_passages(strange), QuickEmbedder())
    return [replace(row, payload={**row.payload, "version": "another"}) for row in made]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_version_is_joined_again_from_words_and_turns(settings: Settings, damage: str) -> None:
    """Missing and changed files are named; the version comes back under its name with its contents."""
    path = file_of(settings, "transcript")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"trunk", b"drunk"))

    (difference,) = verified(settings).differences
    assert difference.kind is Kind.TRANSCRIPT
    assert difference.key is not None
    assert difference.key.endswith(path.name)
    assert repaired(settings).differences == ()
    assert "trunk" in path.read_text()


@pytest.mark.parametrize(("kind", "stage"), [("words", Stage.WORDS), ("turns", Stage.TURNS)])
def test_lost_words_or_turns_are_heard_again_by_the_next_ingest(
    settings: Settings, ingested: Path, kind: str, stage: Stage
) -> None:
    """What cannot be made again from what is left is asked of the footage; the rest is left alone."""
    path = file_of(settings, kind)
    path.write_bytes(path.read_bytes()[:-10])
    assert repaired(settings).differences == ()
    with Catalog.open(settings.catalog) as catalog:
        assert sorted(row.stages[stage].state for row in catalog.recordings()) == ["done"] * 3 + ["pending"]
    quick_ingest(settings.data, ingested / "media")

    assert verified(settings).differences == ()
    assert verified(settings).rows == N_RECORDINGS
    assert path.exists()


def test_an_older_version_that_is_lost_stays_named(settings: Settings) -> None:
    """What may have been cited can only come from a backup: no repair hides that."""
    path = file_of(settings, "transcript")
    with Catalog.open(settings.catalog) as catalog:
        (state,) = [row for row in catalog.recordings() if row.id == path.parent.name]
        catalog.unindexed([state.id])
        (due,) = catalog.heard_not_indexed("newer", 10)[:1]
        catalog.indexed(due.recording_id, due.inputs, "0123456789abcdef", 0)

    assert kinds(verified(settings)).count(Kind.TRANSCRIPT) == 1
    assert Kind.TRANSCRIPT in kinds(repaired(settings))


def test_a_damaged_index_is_one_difference_and_is_rebuilt(settings: Settings) -> None:
    """Nothing can be compared in it; the transcripts make a new one."""
    spoil(settings)

    assert kinds(verified(settings)) == [Kind.INDEX_DAMAGED]
    assert repaired(settings).differences == ()
    assert verified(settings).rows == N_RECORDINGS


def test_rebuilding_loses_no_transcript_and_indexes_everything_once(settings: Settings) -> None:
    """Also over an index that cannot be opened; what was there is gone in the end."""
    transcripts = sorted((settings.data / "transcripts").rglob("*.json"))
    spoil(settings)
    with pytest.raises(IndexDamaged), open_index(settings):
        pass
    with Catalog.open(settings.catalog) as catalog:
        indexed = rebuild(settings, catalog, TranscriptStore(settings.transcripts))

    assert (indexed.recordings, indexed.failures) == (N_RECORDINGS, ())
    assert verified(settings).differences == ()
    assert sorted((settings.data / "transcripts").rglob("*.json")) == transcripts
    assert list(settings.data.glob("index.old-*")) == []


def test_an_index_that_is_in_use_is_not_thrown_away(settings: Settings) -> None:
    """Holding the folder and having the index open shut each other out."""
    with open_index(settings), pytest.raises(IndexBusy), hold_index_folder(settings, 0.0):
        pass
    with hold_index_folder(settings, 0.0), pytest.raises(IndexBusy), open_index(settings):
        pass


def test_an_index_behind_the_catalog_waits_and_one_ahead_too(settings: Settings) -> None:
    """What the catalog knows to be due is no difference: a kill between index and catalog only means again."""
    with Catalog.open(settings.catalog) as catalog:
        catalog.unindexed(ids(settings)[:2])

    verification = verified(settings)
    assert (verification.differences, verification.waiting) == ((), 2)


def test_the_command_exits_3_with_the_differences_and_0_once_mended(settings: Settings, ingested: Path) -> None:
    """`index verify`, `--repair` and `index rebuild`, for people and for programs."""
    with open_index(settings) as index:
        index.remove(ids(settings)[0])
    told = earwitness("index", "verify", data=settings.data)
    listed = earwitness("index", "verify", "--json", data=settings.data)
    mended = earwitness("index", "verify", "--repair", "--json", data=settings.data)
    rebuilt = earwitness("index", "rebuild", "--json", data=settings.data)

    assert told.code == listed.code == 3, told.err
    assert "missing_rows" in told.out
    assert [difference["kind"] for difference in listed.json["differences"]] == ["missing_rows"]
    assert mended.code == 0, mended.err
    assert mended.json["clean"]
    assert mended.json["repaired"]["indexed"] == 1
    assert rebuilt.json == {"indexed": N_RECORDINGS, "failures": []}


def test_hearing_again_with_the_same_result_leaves_a_clean_archive(settings: Settings, ingested: Path) -> None:
    """A second ingest of the same footage hears nothing and changes nothing."""
    ears = QuickEars()
    quick_ingest(settings.data, ingested / "media", ears)

    assert ears.heard == []
    assert verified(settings).differences == ()


def spoil(settings: Settings) -> None:
    """An index in a format this version does not read."""
    config = settings.index / "edge_config.json"
    config.write_text(config.read_text().replace("Cosine", "Unheard"))
