"""A correction through the archive: searched at once, kept beside what the machine heard, never half done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from search.bm25 import passage_vector
from search.deadline import NEVER
from search.embedding import Vectors
from search.indexes.edge import EdgeIndex
from search.protocols import EVERY_EDITION, Index, Row
from search.query import Mode
from service.audit import operating_system_user
from service.catalog import Catalog, RecordingRow, Stage
from service.citations import cite
from service.cli.main import cli
from service.corrections import correct, index, revert
from service.errors import NotHeardYet, VersionUnknown
from service.export import current_transcript
from service.finding import answer, ask, hits_to_export
from service.indexing import Indexer, open_index
from service.question import Question
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from service.verify import verify
from tests.quick_ingest import QuickEars, QuickEmbedder, make_media, quick_ingest
from transcribe.correction import Correction, TextEdit
from transcribe.errors import CorrectionOutdated
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import RecordingId, Transcript

AT = "2026-11-29T01:00:00Z"
SAID, MEANT = '"open the trunk"', '"open the truck"'  # what the ears of `quick_ingest` hear, and what was really said


class CountingEmbedder(QuickEmbedder):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().passages(texts)


class Bench:
    """An archive of three recordings that say the same, open."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings, self.catalog = settings, catalog
        self.transcripts = TranscriptStore(settings.transcripts)
        self.embedder = CountingEmbedder()
        self.ids = [row.id for row in catalog.recordings()]

    def indexer(self) -> Indexer:
        return Indexer(self.settings, self.catalog, self.transcripts, embedder=self.embedder)

    def row(self, recording_id: RecordingId) -> RecordingRow:
        (row,) = self.catalog.recordings({"recording_id": recording_id})
        return row

    def correction(self, recording_id: RecordingId, text: str = "open the truck") -> Correction:
        current = self.row(recording_id).current_version
        assert current is not None
        return Correction(current, (TextEdit(0, text),), "reviewer", AT, "listened")

    def correct(self, recording_id: RecordingId, text: str = "open the truck") -> Transcript:
        made = correct(self.catalog, self.transcripts, recording_id, self.correction(recording_id, text))
        assert index(self.indexer(), self.catalog, recording_id) is None
        return made

    def found(self, text: str, machine: bool = False, mode: str = "auto") -> dict[str, str]:
        """Recordings in which it is found, and of which edition and version."""
        with open_index(self.settings) as opened:
            query = ask(self.catalog, "UTC", Question(text, Mode(mode), 100, machine=machine))
            found = answer(query, self.catalog, opened, self.embedder, NEVER).to_json()
        assert found["total"] == len(found["hits"])
        return {hit["recording_id"]: f"{hit['edition']} {hit['version']}" for hit in found["hits"]}

    def rows(self) -> dict[str, Any]:
        with open_index(self.settings) as opened:
            return {hit.id: hit.payload for word in ("open", "truck") for hit in opened.phrase([word])}

    def is_clean(self) -> bool:
        return not verify(self.settings, self.catalog, self.transcripts).differences


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    quick_ingest(tmp_path / "data", make_media(tmp_path / "media", 3))
    settings = load_settings(data=tmp_path / "data")
    with Catalog.open(settings.catalog) as catalog:
        yield Bench(settings, catalog)


def test_a_correction_is_found_at_once_and_its_old_words_only_where_the_machine_is_asked(bench: Bench) -> None:
    """Recordings nobody corrected answer to both; totals count each recording once."""
    first, *others = bench.ids
    heard = bench.row(first).transcript_version
    made = bench.correct(first)

    assert bench.found(MEANT) == {first: f"corrected {made.version}"}
    assert set(bench.found(SAID)) == set(others)
    assert bench.found(MEANT, machine=True) == {}
    assert bench.found(SAID, machine=True)[first] == f"machine {heard}"
    assert set(bench.found(SAID, machine=True)) == set(bench.ids)
    for machine, version in ((False, made.version), (True, heard)):
        for mode in ("auto", "words", "meaning"):
            assert bench.found("open", machine, mode)[first].endswith(version or "?")
        assert bench.found('"open" WITHIN 5s OF "the" NOT "knife"', machine)[first].endswith(version or "?")
        assert bench.found('"open" (speaker:SPEAKER_00 OR speaker:x)', machine)[first].endswith(version or "?")
    assert bench.is_clean()


def test_other_recordings_keep_their_rows_and_are_not_embedded(bench: Bench) -> None:
    """The corrected one is, each of its texts once."""
    first = bench.ids[0]
    before = {key: one for key, one in bench.rows().items() if one["recording_id"] != first}
    bench.correct(first)

    assert before == {key: one for key, one in bench.rows().items() if one["recording_id"] != first}
    assert bench.embedder.texts == ["open the truck", "open the trunk"]


def test_going_back_restores_what_is_found_and_exported(bench: Bench) -> None:
    """As a new version; every earlier one stays in the store."""
    first = bench.ids[0]
    heard = bench.row(first).transcript_version
    assert heard is not None
    before = current_transcript(bench.row(first), bench.transcripts)
    wrong = bench.correct(first)
    back = revert(bench.catalog, bench.transcripts, first, heard[:8], "supervisor", "it was right")
    assert index(bench.indexer(), bench.catalog, first) is None

    assert set(bench.found(SAID)) == set(bench.ids)
    assert bench.found(MEANT) == {}
    now = current_transcript(bench.row(first), bench.transcripts)
    assert replace(now, amendments=()) == before
    listed = [(one.version, one.base, one.author, one.current) for one in bench.catalog.versions(first)]
    assert listed == [
        (heard, None, None, False),
        (wrong.version, heard, "reviewer", False),
        (back.version, wrong.version, "supervisor", True),
    ]
    assert all(bench.transcripts.get(first, version) for version, *_ in listed)
    with pytest.raises(VersionUnknown, match="has no transcript version 'ffff'"):
        revert(bench.catalog, bench.transcripts, first, "ffff", "supervisor")


def test_of_two_who_correct_the_same_version_the_second_is_told(bench: Bench) -> None:
    """Nothing of theirs is kept half; the first one's stays."""
    first = bench.ids[0]
    one, other = bench.correction(first, "open the truck"), bench.correction(first, "open the hatch")
    correct(bench.catalog, bench.transcripts, first, one)
    with pytest.raises(CorrectionOutdated, match="export"):
        correct(bench.catalog, bench.transcripts, first, other)
    made = bench.transcripts.get(first, one.base)
    late = replace(made, amendments=bench.transcripts.get(first, bench.row(first).correction or "").amendments)
    with pytest.raises(CorrectionOutdated):  # both read it before either wrote
        bench.catalog.corrected(first, "late", late.amendments[-1])
    assert index(bench.indexer(), bench.catalog, first) is None
    assert set(bench.found(MEANT)) == {first}


def test_hearing_again_does_not_undo_a_correction(bench: Bench, tmp_path: Path) -> None:
    """The machine's new version is kept beside and can be searched; status says so; a person can take it."""
    first = bench.ids[0]
    made = bench.correct(first)
    assert bench.catalog.summary().corrected == 1

    class BetterEars(QuickEars):
        def words(self, audio, spent, names=()):  # type: ignore[no-untyped-def]
            heard = super().words(audio, spent, names)
            (segment,) = heard.segments
            words = tuple(replace(word, text=word.text.upper()) for word in segment.words[:2])
            return replace(heard, segments=(replace(segment, text="OPEN THE", words=words),))

    bench.catalog.lost(first, Stage.WORDS)
    quick_ingest(tmp_path / "data", tmp_path / "media", BetterEars())

    row = bench.row(first)
    assert (row.current_version, row.heard_again, bench.catalog.summary().heard_again) == (made.version, True, 1)
    assert set(bench.found(MEANT)) == {first}
    assert bench.found('"open the"', machine=True)[first] == f"machine {row.machine_version}"
    assert first not in bench.found(SAID, machine=True)
    assert row.machine_version is not None
    revert(bench.catalog, bench.transcripts, first, row.machine_version, "supervisor")
    assert index(bench.indexer(), bench.catalog, first) is None
    assert not bench.row(first).heard_again
    assert first not in bench.found(MEANT)
    assert bench.is_clean()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["store", "catalog", "index", "half an index", "indexed"])
def test_killed_at_any_step_one_version_is_indexed_and_the_next_run_goes_on(
    bench: Bench, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the earlier or the new one, never none; what was begun in the catalog is finished by the next ingest."""
    first = bench.ids[0]
    correction = bench.correction(first)

    def killed(*_args: object, **_more: object) -> None:
        raise Killed

    def correct_and_index() -> None:
        correct(bench.catalog, bench.transcripts, first, correction)
        index(bench.indexer(), bench.catalog, first)

    steps: dict[str, tuple[type, str]] = {
        "store": (TranscriptStore, "put"),
        "catalog": (Catalog, "corrected"),
        "index": (EdgeIndex, "replace"),
        "half an index": (EdgeIndex, "_delete_all_but"),
        "indexed": (Catalog, "indexed"),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*steps[step], killed)
        with pytest.raises(Killed):
            correct_and_index()

    after = set(bench.found(MEANT)) | set(bench.found(SAID))
    assert first in after
    done = step not in ("store", "catalog")
    assert index(bench.indexer(), bench.catalog, first) is None or not done
    assert set(bench.found(MEANT)) == ({first} if done else set())
    assert (first in bench.found(SAID)) is not done
    assert bench.is_clean()


def test_rebuilding_the_index_keeps_both_editions(bench: Bench) -> None:
    """They are made again from the stored versions."""
    first = bench.ids[0]
    bench.correct(first)
    before = bench.found(SAID, machine=True), bench.found(MEANT)
    bench.catalog.unindexed()
    assert bench.row(first).current_version == bench.row(first).correction
    assert bench.indexer().index_pending(StageSeconds()) == 3
    assert (bench.found(SAID, machine=True), bench.found(MEANT)) == before


def test_a_lost_row_of_either_edition_is_a_difference(bench: Bench) -> None:
    """`earwitness index verify` counts both."""
    first = bench.ids[0]
    made = bench.correct(first)
    with open_index(bench.settings) as opened:
        versions = opened.versions()[first]
        kept = [one for one in bench_rows(opened, first) if one.payload["version"] == made.version]
        assert set(versions) == {made.version, bench.row(first).machine_version}
        opened.replace(first, made.version, kept)
    (difference,) = verify(bench.settings, bench.catalog, bench.transcripts).differences
    assert difference.kind == "missing_rows"
    assert str(bench.row(first).machine_version) in difference.says


def bench_rows(opened: Index, recording_id: RecordingId) -> list[Row]:
    """The rows of a recording, with vectors that do not matter here."""
    hits = [hit for hit in opened.phrase(["open"], EVERY_EDITION) if hit.payload["recording_id"] == recording_id]
    vector = QuickEmbedder().passages(["x"])[0]
    terms = passage_vector("open", "en")
    return [Row(hit.id, vector, terms, terms, hit.payload) for hit in hits]


def test_a_citation_says_that_people_corrected_it(bench: Bench) -> None:
    """The version, the edition, and no machine's confidence for words a person wrote."""
    first = bench.ids[0]
    made = bench.correct(first)
    query = ask(bench.catalog, "UTC", Question(MEANT, Mode.EXACT))
    with open_index(bench.settings) as opened:
        (citation,) = cite(hits_to_export(query, bench.catalog, opened, bench.embedder), bench.transcripts)
    data = citation.to_json()
    assert (data["transcript_version"], data["edition"]) == (made.version, "corrected")
    assert "corrected by a person" in data["note"]
    assert data["flags"] == ["corrected"]
    assert [word["confidence"] for word in data["words"]] == [0.9, 0.9, None]


# The command line


@pytest.fixture
def run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`earwitness …` on the archive, with a quick embedder; returns what it printed as JSON."""
    monkeypatch.setattr("service.indexing.SentenceTransformerEmbedder", lambda *_args, **_more: QuickEmbedder())

    def command(*args: str) -> Any:
        result = CliRunner().invoke(cli, ["--data", str(bench.settings.data), "--json", *args], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return command


def test_an_edited_export_corrects_and_a_revert_takes_it_back(bench: Bench, run: Any, tmp_path: Path) -> None:
    """`export`, edit, `correct --from`, `versions`, `correct --revert`: the whole way."""
    first, file = bench.ids[0], tmp_path / "edited.json"
    run("export", first, "--format", "json", "-o", str(file))
    data = json.loads(file.read_text())
    data["segments"][0]["text"] = "open the truck"
    file.write_text(json.dumps(data))

    made = run("correct", first, "--from", str(file), "--note", "listened")
    assert made["indexed"]
    assert set(bench.found(MEANT)) == {first}
    heard, corrected = run("versions", first)["versions"]
    assert (heard["author"], heard["current"], corrected["current"]) == (None, False, True)
    assert (corrected["author"], corrected["note"]) == (operating_system_user(), "listened")
    assert corrected["base"] == heard["version"] == made["base"]
    assert [one["corrected"] for one in run("status")["recordings"]] == [True, False, False]

    run("correct", first, "--revert", heard["version"])
    assert set(bench.found(SAID)) == set(bench.ids)
    trail = (bench.settings.data / "audit.jsonl").read_text()
    assert trail.count("transcript.correct") == 2
    assert "truck" not in trail


def test_names_are_corrected_by_edits_alone(bench: Bench, run: Any, tmp_path: Path) -> None:
    """A speaker that has a name is searched by it."""
    first, file = bench.ids[0], tmp_path / "edits.json"
    base = bench.row(first).transcript_version
    file.write_text(json.dumps({"base": base, "edits": [{"speaker": "SPEAKER_00", "name": "Renee Okafor"}]}))
    run("correct", first, "--from", str(file))
    assert set(bench.found('open speaker:"renee okafor"')) == {first}
    assert current_transcript(bench.row(first), bench.transcripts).speakers == ["Renee Okafor"]


def test_what_was_never_heard_cannot_be_corrected(bench: Bench) -> None:
    """There is no version to start from."""
    first = bench.ids[0]
    correction = bench.correction(first)
    bench.catalog.unindexed([first])
    with pytest.raises(NotHeardYet):
        correct(bench.catalog, bench.transcripts, first, correction)
