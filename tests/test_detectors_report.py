"""What is told of detectors is what was measured, on labels that fit the recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.corpus import read_corpus
from benchmarks.detectors import Label, alarms_table, counted, read_labels, table, timed
from benchmarks.report import read_tables
from service.catalog import WatchSpan
from service.detectors import detectors
from tests.spoken import spoken
from transcribe.spans import Span

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results" / "detectors.json"


def hit(start_ms: int, end_ms: int) -> WatchSpan:
    return WatchSpan(start_ms, end_ms, None, "en", 1.0, {}, ())


def test_hits_and_labels_are_counted_by_overlap_in_their_recording() -> None:
    """One hit may find several utterances, and several hits one; touching, or another recording, is no overlap."""
    labels = [Label("k", "a", Span(0, 1_000)), Label("k", "a", Span(1_500, 2_000)), Label("k", "b", Span(0, 1_000))]

    assert counted([("a", hit(500, 1_600)), ("b", hit(1_000, 2_000))], labels) == {
        "hits": 2,
        "right": 1,
        "labelled": 3,
        "found": 2,
    }
    assert counted([], []) == {"hits": 0, "right": 0, "labelled": 0, "found": 0}


def test_what_was_never_said_or_found_has_no_share() -> None:
    """A table leaves it open; it is neither 0 nor 100 percent."""
    nothing = {"hits": 0, "right": 0, "labelled": 0, "found": 0}
    half = {"hits": 2, "right": 1, "labelled": 1, "found": 1}
    rows = table({"one": {"x": nothing}, "two": {"x": half}}).rows

    assert [(row["precision"], row["recall"]) for row in rows] == [(None, None), (50.0, 100.0)]
    assert alarms_table({"one": 2}, 1, 50_000).rows[0]["rate"] == 4.0


def test_words_of_a_meeting_follow_each_other() -> None:
    """How near words are matters to a detector; what nobody timed is spread evenly."""
    (segment,) = timed(spoken(("A", 1_000, "may I look"))).segments

    assert [(word.start_ms, word.end_ms, word.text) for word in segment.words or ()] == [
        (1_000, 1_300, "may"),
        (1_300, 1_600, "I"),
        (1_600, 1_900, "look"),
    ]


def test_what_ships_is_what_the_report_says() -> None:
    """`earwitness watch detectors` shows the counts of the saved report."""
    rows = read_tables(RESULTS)["detectors"].rows
    shipped = {
        (name, about): dict(counts) for name, one in detectors().items() for about, counts in one.measured.items()
    }

    assert {name for name, _about in shipped} == set(detectors())
    assert shipped == {
        (row["detector"], row["searched"]): {key: row[key] for key in ("hits", "right", "labelled", "found")}
        for row in rows
    }
    assert json.loads(RESULTS.read_text())["tables"]["alarms"]["rows"]


def test_every_label_is_an_utterance_and_of_a_detector(corpus: Path) -> None:
    """Its times are copied from the labels of the corpus."""
    said = {(one.name, utterance.span) for one in read_corpus(corpus).patrol for utterance in one.utterances}
    labels = read_labels()

    assert {label.kind for label in labels} <= set(detectors())
    if not {label.recording for label in labels} <= {name for name, _span in said}:
        pytest.skip("no corpus: these labels are for the development recordings")
    assert {(label.recording, label.span) for label in labels} <= said
