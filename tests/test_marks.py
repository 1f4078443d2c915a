"""Seals and holds from the command line to the answer, and metadata that changes without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from search.access import SEALED_TOO, Grants, Scope
from search.embedding import Vectors
from search.query import Mode
from service.catalog import Catalog, Mark, SourceSeen
from service.finding import answer, ask, deadline_of, hits_to_export
from service.indexing import Indexer, open_index
from service.labelling import relabel_pending
from service.question import Question
from service.settings import Settings, load_settings
from service.transcripts import TranscriptStore
from tests.conftest import earwitness
from tests.media_maker import mono, write_media
from tests.quick_ingest import QuickEmbedder
from tests.served import hear
from transcribe.stage_seconds import StageSeconds

QUERIES = [('"open the trunk"', "auto"), ("open the trunk", "auto"), ("trunk", "words"), ('"open" AND "trunk"', "auto")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two recordings, heard and indexed."""
    media = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for number, path in enumerate(media, 1):
        write_media(path, mono([500.0 * number], 2_000, codec="pcm_s16le"))
    hear(tmp_path / "data", media)
    return load_settings(data=tmp_path / "data")


def found(settings: Settings, catalog: Catalog, index: Any, text: str, mode: str, **grants: Grants) -> Any:
    question = Question(text, Mode(mode))
    query = ask(catalog, settings.zone, question, **grants)
    return answer(query, catalog, index, QuickEmbedder(), deadline_of(settings, question))


def test_what_is_sealed_is_gone_at_once_while_the_index_is_open_elsewhere(settings: Settings) -> None:
    """Hits, totals, exports and what was searched: before the index knows, and after; unsealed, it is there again."""
    with Catalog.open(settings.catalog) as catalog, open_index(settings) as index:
        first, second = (row.id for row in catalog.recordings())
        before = [found(settings, catalog, index, *asked).answer.total for asked in QUERIES]
        assert before == [2] * len(QUERIES)

        sealed = earwitness("seal", first, "--reason", "court order", "--json", data=settings.data)
        assert (sealed.code, sealed.json["recordings"]) == (0, [{"id": first, "changed": True}])
        assert sealed.json["waiting"] == 1
        assert "in use by another process" in sealed.json["waiting_for"]
        for known in (False, True):
            for asked in QUERIES:
                told = found(settings, catalog, index, *asked)
                assert {hit.recording_id for hit in told.answer.hits} == {second}
                assert (told.answer.total, told.searched.recordings) == (1, 1)
                query = ask(catalog, settings.zone, Question(asked[0], Mode(asked[1])))
                exported = hits_to_export(query, catalog, index, QuickEmbedder())
                assert {hit.recording_id for hit in exported} == {second}
            told = found(settings, catalog, index, "trunk", "words", grants=SEALED_TOO)
            assert told.answer.total == 1 + known, "while the index says something else, nobody sees it"
            if not known:
                assert relabel_pending(catalog, _lend(index)) == 1
        assert {hit.recording_id: hit.flags for hit in told.answer.hits}[first][-1:] == ("sealed",)

        assert earwitness("unseal", first, data=settings.data).code == 0
        assert found(settings, catalog, index, *QUERIES[0]).answer.total == 1
        relabel_pending(catalog, _lend(index))
        assert [found(settings, catalog, index, *asked).answer.total for asked in QUERIES] == before


def test_a_hit_is_looked_up_in_the_catalog_before_it_leaves(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed after the index was asked, it is dropped all the same, and the total says so."""
    with Catalog.open(settings.catalog) as catalog, open_index(settings) as index:
        first, second = (row.id for row in catalog.recordings())
        ordinary = catalog.settled_labels

        def sealed_meanwhile(ids: Any) -> Any:
            catalog.mark(first, Mark.SEALED, "ann", "court order")
            return ordinary(ids)

        monkeypatch.setattr(catalog, "settled_labels", sealed_meanwhile)
        told = found(settings, catalog, index, '"open the trunk"', "auto")
        assert ([hit.recording_id for hit in told.answer.hits], told.answer.total) == ([second], 1)


def test_other_metadata_reaches_the_index_without_the_embedder(settings: Settings) -> None:
    """Only labels are written; filters and grants know them, and the old ones no longer."""

    class NoEmbedder(QuickEmbedder):
        def passages(self, texts: Sequence[str]) -> Vectors:
            raise AssertionError("embedded again")

    with Catalog.open(settings.catalog) as catalog:
        first = catalog.recordings()[0]
        (source,) = catalog.sources_of(first.id)
        said = {"unit": "K9", "officer": "Ann", "restricted": "juvenile"}
        catalog.register([SourceSeen(source.url, source.size_bytes, source.modified, said)])
        assert catalog.unlabelled() == {first.id}
        indexer = Indexer(settings, catalog, TranscriptStore(settings.transcripts), embedder=NoEmbedder())
        assert indexer.index_pending(StageSeconds()) == 0
        with open_index(settings) as index:
            for scope, total in ((Scope(unit="k9", restricted=True), 1), (Scope(unit="K9"), 0), (Scope(), 1)):
                told = found(settings, catalog, index, '"open the trunk"', "auto", grants=Grants((scope,)))
                assert told.answer.total == total
            (hit,) = found(settings, catalog, index, "trunk officer:ann", "words").answer.hits
            assert (hit.recording_id, hit.officer) == (first.id, "Ann")


def test_the_command_line_seals_holds_and_finds_what_is_sealed_on_request(settings: Settings) -> None:
    """Each is recorded with who and why; a held recording is found and flagged; a query never reaches the trail."""
    with Catalog.open(settings.catalog) as catalog:
        first, second = (row.id for row in catalog.recordings())
    for args in (
        ("seal", first[:12], "--reason", "court order"),
        ("hold", first, second, "--reason", "case 7"),
        ("release", first),
        ("release", first),
    ):
        assert earwitness(*args, data=settings.data).code == 0

    def hits(*args: str) -> dict[str, list[str]]:
        told = earwitness("search", '"open the trunk"', "--json", *args, data=settings.data).json
        return {hit["recording_id"]: hit["flags"] for hit in told["hits"]}

    assert hits() == {second: ["held"]}
    assert hits("--sealed") == {first: ["sealed"], second: ["held"]}
    exported = earwitness("search", '"open the trunk"', "--sealed", "--format", "jsonl", data=settings.data)
    assert {json.loads(line)["recording_id"] for line in exported.out.splitlines()} == {first, second}
    events = [json.loads(line) for line in (settings.data / "audit.jsonl").read_text().splitlines()]
    assert [(event["what"], event["on"].get("recording"), event.get("changed")) for event in events[:5]] == [
        ("seal", first, True),
        ("hold", first, True),
        ("hold", second, True),
        ("release", first, True),
        ("release", first, False),
    ]
    assert events[0]["on"]["reason"] == "court order"
    assert [(event["what"], event["recordings"]) for event in events[5:]] == [("search.sealed", [first])] * 2
    assert "trunk" not in json.dumps(events)
    assert earwitness("seal", first, data=settings.data).code == 2, "sealing without a reason is wrong usage"


def _lend(index: Any) -> Any:
    from contextlib import nullcontext

    return lambda _patience: nullcontext(index)
