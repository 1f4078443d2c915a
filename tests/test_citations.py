"""Citations: complete, in order, safe in a spreadsheet, and true to the transcripts they come from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.hit import Hit
from search.indexes.exact import ExactIndex
from search.passages import build_passages
from search.query import Mode, Query
from search.rows import rows
from search.searcher import Searcher
from service.archive import open_archive
from service.citations import COLUMNS, Citation, CitedWord, blocks, cite, lines, moment
from service.question import Question
from service.settings import load_settings
from service.transcripts import TranscriptStore
from tests.conftest import earwitness
from tests.media_maker import mono, write_media
from tests.quick_ingest import QuickEmbedder
from tests.served import SENTENCE, Ears, hear, running
from tests.spoken import line, spoken
from transcribe.transcript import MACHINE_NOTICE, RecordingId, Segment, Transcript, Word

PHRASE = f'"{SENTENCE}"'
API = "/api/v1"


def cited(store: TranscriptStore, query: Query, *heard: Transcript) -> list[Citation]:
    index = ExactIndex()
    for transcript in heard:
        index.replace(
            transcript.recording.id,
            transcript.version,
            rows(transcript, build_passages(transcript), QuickEmbedder()),
        )
        store.put(transcript)
    searcher = Searcher(index, None)
    return list(cite(searcher.every_hit(query) if query.is_exact else searcher.search(query).hits, store))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def sure(segment: Segment, confidences: Sequence[float]) -> Segment:
    words = [replace(word, confidence=sure) for word, sure in zip(segment.words, confidences, strict=True)]
    return replace(segment, words=tuple(words))


@pytest.fixture
def store(tmp_path: Path) -> TranscriptStore:
    return TranscriptStore(str(tmp_path / "transcripts"))


# What a citation says


def test_a_citation_says_all_that_traces_it_back(store: TranscriptStore) -> None:
    """Which file by its hash, which transcript, when on both clocks, and how sure exactly its words are."""
    heard = spoken(
        sure(line("A", 61_000, "please hold the air now", flags=["doubtful"]), [0.1, 0.5, 0.7, 0.6, 0.2]),
        recorded_at="2025-03-14T23:59:30-05:00",
        officer="Officer Okafor",
        incident_id="INC-7",
    )
    (citation,) = cited(store, Query('"hold the air"', doubtful=True), heard)
    assert citation.to_json() == {
        "recording_id": "a" * 64,
        "source": "/footage/a.mp4",
        "source_sha256": "a" * 64,
        "transcript_version": heard.version,
        "start_ms": 61_300,
        "end_ms": 62_200,
        "start": "00:01:01.300",
        "end": "00:01:02.200",
        "said_at": "2025-03-15T00:00:31.300-05:00",
        "said": "hold the air",
        "confidence": 0.6,
        "lowest_confidence": 0.5,
        "text": "please hold the air now",
        "translation": None,
        "speaker": "A",
        "speaker_kind": None,
        "language": "en",
        "flags": ["doubtful"],
        "recorded_at": "2025-03-14T23:59:30-05:00",
        "officer": "Officer Okafor",
        "incident_id": "INC-7",
        "note": MACHINE_NOTICE,
        "edition": "machine",
        "moment": 1,
        "words": [
            {"start_ms": 61_300, "end_ms": 61_600, "text": "hold", "confidence": 0.5},
            {"start_ms": 61_600, "end_ms": 61_900, "text": "the", "confidence": 0.7},
            {"start_ms": 61_900, "end_ms": 62_200, "text": "air", "confidence": 0.6},
        ],
    }
    assert tuple(citation.to_json()) == (*COLUMNS, "words")


def test_words_of_two_speakers_keep_their_confidences(store: TranscriptStore) -> None:
    """A phrase that runs into the next passage is cited with the words there."""
    heard = spoken(
        sure(line("A", 0, "hold the"), [0.3, 0.4]),
        sure(line("B", 900, "air please"), [0.5, 0.6]),
    )
    (citation,) = cited(store, Query('"the air"'), heard)
    assert [(word.text, word.confidence) for word in citation.words] == [("the", 0.4), ("air", 0.5)]
    assert citation.hit.flags == ("across_speakers",)


def test_what_has_no_word_times_is_cited_with_its_segment(store: TranscriptStore) -> None:
    """The whole segment is the one word that is known."""
    (citation,) = cited(store, Query('"on the"'), spoken(Segment(0, 900, "Get on the ground.", "en", 0.4, (), "A")))
    assert citation.words == (CitedWord(0, 900, "Get on the ground.", 0.4),)


def test_a_transcript_that_is_gone_leaves_confidences_unknown(store: TranscriptStore, tmp_path: Path) -> None:
    """What was found stays found; nothing is made up."""
    elsewhere = TranscriptStore(str(tmp_path / "empty"))
    hits = [citation.hit for citation in cited(store, Query('"hold"'), spoken(("A", 0, "hold the air")))]
    (row,) = cite(hits, elsewhere)
    assert (row.to_json()["confidence"], row.to_json()["lowest_confidence"]) == (None, None)
    assert read_csv("".join(lines([row], "csv")))[0]["confidence"] == ""


def test_hits_of_other_modes_are_cited_by_their_passage(store: TranscriptStore) -> None:
    """All its words, at its limit of hits."""
    heard = spoken(*(("A", 30_000 * n, f"hold the air number{n}") for n in range(5)))
    found = cited(store, Query("air", Mode.WORDS, limit=3), heard)
    assert len(found) == 3
    assert {citation.to_json()["said"] for citation in found} == {citation.hit.text for citation in found}
    assert {citation.to_json()["confidence"] for citation in found} == {0.9}


@pytest.mark.parametrize(
    ("recorded_at", "said_at"),
    [
        ("2025-03-14T22:31:08-07:00", "2025-03-14T22:31:09.500-07:00"),
        ("2025-03-14 22:31:08", "2025-03-14T22:31:09.500"),
        ("some day in May", None),
        (None, None),
    ],
)
def test_the_moment_is_told_on_the_recordings_own_clock(recorded_at: str | None, said_at: str | None) -> None:
    """With its offset where it has one; unknown stays unknown."""
    assert moment(recorded_at, 1_500) == said_at


# Files


def quote(text: str, source: str = "/footage/a.mp4", officer: str | None = None) -> Citation:
    word = Word(0, 300, text, 0.9)
    heard = spoken(Segment(0, 300, text, "en", 0.9, (word,), "A"))
    hit = Hit(
        heard.recording.id, source, 0, 300, text, "A", None, "en", 1.0, True, {}, {}, None, officer, None, None, "", "",
        0.9, (), heard.version, (),
    )  # fmt: skip
    return Citation(hit, (CitedWord(0, 300, text, 0.9),))


AWKWARD = st.text(alphabet=st.sampled_from("=+-@\t\r\n\"',;|ab Ñ水＝'"), max_size=12)


@given(st.lists(st.tuples(AWKWARD, AWKWARD, st.none() | AWKWARD), max_size=4))
def test_a_csv_reads_back_as_it_was_save_for_formulas(rows_: list[tuple[str, str, str | None]]) -> None:
    """Whatever was said: the same cells, and none a spreadsheet would run; a defused one has an apostrophe in front."""
    citations = [quote(*row) for row in rows_]
    read = read_csv(b"".join(blocks(lines(citations, "csv"))).decode())
    assert len(read) == len(citations)
    for (text, source, officer), row in zip(rows_, read, strict=True):
        for wanted, cell in (
            (text, row["said"]),
            (text, row["text"]),
            (source, row["source"]),
            (officer, row["officer"]),
        ):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell in (wanted or "", f"'{wanted}")
            assert cell == (wanted or "") or wanted[0] in "=+-@\t\r\n＝"  # type: ignore[index]


@given(st.lists(AWKWARD, max_size=4))
def test_json_lines_hold_everything_as_it_was(texts: list[str]) -> None:
    """One object a line, whatever line breaks were said."""
    written = "".join(lines([quote(text) for text in texts], "jsonl"))
    read = [json.loads(row) for row in written.split("\n")[:-1]]
    assert [row["text"] for row in read] == texts


def test_the_form_of_the_csv_is_that_of_the_standard() -> None:
    """RFC 4180: a header, CRLF, quotes doubled; it is there when there is nothing to say, too."""
    assert list(lines([], "csv")) == [",".join(COLUMNS) + "\r\n"]
    assert '"he said ""stop"", twice"' in list(lines([quote('he said "stop", twice')], "csv"))[1]
    assert list(lines([], "jsonl")) == []


# From the archive


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings with two places each."""
    folder = tmp_path_factory.mktemp("footage")
    for number in range(3):
        write_media(folder / f"{number}.wav", mono([500 * number + 100], 5_000, 16_000, "pcm_s16le"))
    (folder / "manifest.csv").write_text(
        "path,recorded_at,officer\n0.wav,2025-03-03T10:00:00-08:00,=1+1\n1.wav,2025-03-01T10:00:00-08:00,Officer B\n"
        "2.wav,,Officer B\n"
    )
    data = tmp_path_factory.mktemp("cited") / "data"
    assert hear(data, [folder], folder / "manifest.csv", Ears([line(None, 2_500, "open the trunk")])).done == 3
    return data


def test_pages_and_export_agree_alone_and_through_a_service(data: Path, tmp_path: Path) -> None:
    """As many lines as the total says, the same places in the same order; a file appears whole."""
    pages: list[dict[str, Any]] = []
    alone = earwitness("search", PHRASE, "--format", "jsonl", data=data)
    assert alone.code == 0, alone.err
    places = [json.loads(row) for row in alone.out.splitlines()]
    target = tmp_path / "found.csv"
    done = earwitness("search", PHRASE, "--format", "csv", "--limit", "1", "-o", target, "--json", data=data)
    assert done.json == {"files": [str(target)]}
    with running(data) as url:
        while page := httpx.get(f"{url}{API}/search", params={"q": PHRASE, "limit": 4, "offset": len(pages)}).json():
            if not page["hits"]:
                break
            pages += page["hits"]
        assert (page["total"], page["total_is_exact"], page["exact"], page["offset"]) == (6, True, True, 6)
        sent = httpx.get(f"{url}{API}/search/export", params={"q": PHRASE, "format": "csv"})
        assert earwitness("search", PHRASE, "--format", "jsonl", data=data).out == alone.out
        officer = earwitness("search", PHRASE, "--format", "csv", "--officer", "officer b", data=data).out
    keys = ("recording_id", "start_ms", "end_ms", "said", "speaker")
    assert [[page[key] for key in keys] for page in pages] == [[place[key] for key in keys] for place in places]
    assert [place["recorded_at"] for place in places[::2]] == [
        "2025-03-01T10:00:00-08:00",
        "2025-03-03T10:00:00-08:00",
        None,
    ]
    assert sent.content == target.read_bytes()
    assert sent.headers["content-disposition"] == 'attachment; filename="earwitness-citations.csv"'
    assert sent.headers["content-type"] == "text/csv; charset=utf-8"
    read = read_csv(sent.text)
    assert [(row["recording_id"], int(row["start_ms"])) for row in read] == [
        (place["recording_id"], place["start_ms"]) for place in places
    ]
    assert read[2]["officer"] == "'=1+1"
    assert {row["confidence"] for row in read} == {"0.9"}
    assert len(read_csv(officer)) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["found.csv"]


def test_what_cannot_be_exported_says_so_before_a_byte_is_written(data: Path, tmp_path: Path) -> None:
    """A wrong question, a folder that is not there, options that mean nothing together."""
    wrong = earwitness("search", "?!", "--format", "csv", data=data)
    assert (wrong.code, wrong.out) == (1, "")
    nowhere = earwitness("search", PHRASE, "--format", "csv", "-o", tmp_path / "no" / "found.csv", data=data)
    assert nowhere.code == 1
    assert "cannot write" in nowhere.err
    for options in (("-o", "x.csv"), ("--format", "csv", "--offset", "3"), ("--format", "pdf")):
        assert earwitness("search", PHRASE, *options, data=data).code == 2
    with running(data) as url:
        refused = httpx.get(f"{url}{API}/search/export", params={"q": "?!", "format": "csv"})
        deep = httpx.get(f"{url}{API}/search", params={"q": PHRASE, "offset": 9_995})
        through = earwitness("search", "?!", "--format", "csv", data=data)
    assert (refused.status_code, refused.json()["field"]) == (422, "q")
    assert (deep.status_code, deep.json()["field"]) == (422, "offset")
    assert "--format csv" in deep.json()["detail"]
    assert (through.code, through.out, through.err) == (1, "", wrong.err)


def test_the_terminal_shows_which_page_it_is(data: Path) -> None:
    """And how to see the rest."""
    shown = earwitness("search", PHRASE, "--limit", "2", "--offset", "2", data=data).out
    assert "6 hits, 3–4 shown" in shown
    assert "The next page: --offset; all of them: --format csv" in shown
    assert shown.startswith("3. ")
    assert "No hits beyond the first 6; 6 in all" in earwitness("search", PHRASE, "--offset", "6", data=data).out


def test_a_search_out_of_time_says_so_in_every_form(data: Path) -> None:
    """The total is a lower bound, and is called one; the setting and the option mean the same."""
    with open_archive(load_settings(data=data, search_deadline_seconds=1e-9)) as opened:
        found = opened.find(Question(PHRASE)).to_json()
        assert (found["total_is_exact"], found["total"]) == (False, 0)
        assert found["degraded"][0].startswith("deadline: 1e-09 s were over before every passage was compared")
        assert opened.find(Question(PHRASE, deadline_seconds=60)).answer.total_is_exact
    late = earwitness("search", PHRASE, "--deadline", "0.000001", data=data)
    assert late.code == 0
    assert "Degraded: deadline: 1e-06 s were over" in late.out


def test_what_was_heard_and_is_not_indexed_was_not_searched(data: Path, tmp_path: Path) -> None:
    """Neither its recording nor its speech counts; JSON and terminal say that it waits."""
    with open_archive(load_settings(data=data)) as opened:
        row = next(row for row in opened.catalog.recordings() if row.sources[0].endswith("2.wav"))
        opened.end()  # no indexing behind our back
        before = opened.find(Question(PHRASE)).to_json()["searched"]
        opened.index.remove(RecordingId(row.id))
        opened.catalog.unindexed([row.id])
        after = opened.find(Question(PHRASE)).to_json()
    assert (before["recordings"], before["awaiting_index"], before["not_processed"]) == (3, 0, 0)
    searched = after["searched"]
    assert (searched["recordings"], searched["awaiting_index"], searched["not_processed"]) == (2, 1, 1)
    assert searched["speech_seconds"] == pytest.approx(before["speech_seconds"] * 2 / 3)
    assert after["total"] == 4
    assert "1 not processed (1 heard, awaiting the index)" in earwitness("search", PHRASE, data=data).out
    with open_archive(load_settings(data=data)) as opened:
        opened.index_pending()
        assert opened.find(Question(PHRASE)).searched.awaiting_index == 0
