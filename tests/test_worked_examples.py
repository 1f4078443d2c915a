"""Combined queries over what the labels of the development corpus say, their answers worked out by reading it.

An expected hit is the recording, the words found, and the utterances in which it begins and ends, by their labelled
starts in seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.archives import fill
from benchmarks.corpus import Reference, read_corpus
from benchmarks.patrol import reference_transcript
from search.expression import Field
from search.indexes.exact import ExactIndex
from search.pattern import bounds, read
from search.protocols import EVERYTHING, Filters, Index
from search.query import Query
from search.searcher import Searcher
from search.text import tokens
from service.finding import parse_time
from tests.test_search import NUMBERS

STOP, HOME, RUN_OKAFOR, RUN_BRANDT = "14_2231", "16_0112", "19_2304_X60A2", "19_2304_X60A3"
FALL, BURGLARY, STORE, DUI, CHILD = "21_1018", "22_0847", "24_1605", "28_0041", "30_1752"

Expected = tuple[str, str, float, float]  # part of the recording's name, words, begins in, ends in

EXAMPLES: list[tuple[str, list[Expected]]] = [
    # Phrases and fields
    (
        '"show me your hands"',
        [(RUN_OKAFOR, "show me your hands", 34.3, 34.3), (RUN_BRANDT, "show me your hands", 26.6, 26.6)],
    ),
    (
        'officer:"Officer Renee Okafor" "your name"',
        [(HOME, "your name", 57.0, 57.0), (RUN_OKAFOR, "your name", 76.8, 76.8), (STORE, "your name", 33.8, 33.8)],
    ),
    (
        'speaker:wearer "what\'s your name"',
        [
            (STOP, "whats your name", 62.3, 62.3),
            (HOME, "whats your name", 57.0, 57.0),
            (RUN_OKAFOR, "whats your name", 76.8, 76.8),
            (STORE, "whats your name", 33.8, 33.8),
            (DUI, "whats your name", 34.4, 34.4),
        ],
    ),
    ('NOT speaker:wearer "what\'s your name"', [(RUN_BRANDT, "whats your name", 69.2, 69.2)]),
    ('before:2025-03-16 "free to go"', [(STOP, "free to go", 147.3, 147.3)]),
    ('after:2025-03-25 "what\'s your name"', [(DUI, "whats your name", 34.4, 34.4)]),
    ("after:2025-03-20 before:2025-03-23 AND gato", [(FALL, "gato", 101.4, 101.4), (FALL, "gato", 115.4, 115.4)]),
    ('category:"dui stop" AND custody', [(DUI, "custody", 126.7, 126.7)]),
    ('incident:RV-2025-032077 AND "pick up my dog"', [(DUI, "pick up my dog", 114.0, 114.0)]),
    ('incident:RV-2025-031590 AND "pick up my dog"', []),
    ("lang:es AND insulina", [(FALL, "insulina", 64.4, 64.4), (FALL, "insulina", 64.4, 64.4)]),
    ("lang:en AND insulina", []),
    ("confidence:>0.5 AND raccoon", [(DUI, "raccoon", 15.9, 15.9), (DUI, "raccoon", 15.9, 15.9)]),
    ("confidence:<1 AND raccoon", []),
    (
        "badge:3820 AND Twelve Boyd",
        [
            (RUN_OKAFOR, "twelve boyd", 30.9, 30.9),
            *((CHILD, "twelve boyd", start, start) for start in (26.4, 86.2, 120.1, 127.4)),
        ],
    ),
    # OR
    (
        "handgun OR shotgun",
        [
            (HOME, "shotgun", 95.1, 95.1),
            (HOME, "shotgun", 155.3, 155.3),
            (RUN_OKAFOR, "handgun", 100.2, 100.2),
            (RUN_BRANDT, "handgun", 92.6, 92.6),
        ],
    ),
    (
        'weapons OR firearms OR "serial number\'s"',
        [
            (STOP, "weapons", 51.1, 51.1),
            (HOME, "firearms", 93.2, 93.2),
            (RUN_OKAFOR, "serial numbers", 100.2, 100.2),
            (RUN_BRANDT, "serial numbers", 92.6, 92.6),
        ],
    ),
    (
        "insulin OR insulina",
        [
            *[(FALL, "insulina", 64.4, 64.4)] * 2,
            *[(FALL, "insulin", 70.3, 70.3)] * 2,
            (FALL, "insulin", 87.5, 87.5),
        ],
    ),
    ('(officer:"Officer Tom Brandt" OR badge:4471) AND drop it down', [(STOP, "drop it down", 130.6, 130.6)]),
    ('(officer:"Officer Tom Brandt" OR badge:3820) AND drop it down', []),
    ('(officer:"Officer Tom Brandt" OR badge:4471) AND verbal warning', [(STOP, "verbal warning", 118.9, 118.9)]),
    # AND and NOT: within 30 s
    (
        '"get on the ground" AND "show me your hands"',
        [
            (RUN_OKAFOR, "show me your hands get on the ground", 34.3, 34.3),
            (RUN_BRANDT, "show me your hands get on the ground", 26.6, 26.6),
        ],
    ),
    ("shotgun AND loaded", [(HOME, "shotgun loaded", 95.1, 95.1), (HOME, "shotgun loaded", 155.3, 155.3)]),
    ("shotgun AND NOT loaded", []),
    ("shotgun AND NOT secured", [(HOME, "shotgun", 95.1, 95.1)]),
    ("loaded AND NOT shotgun", [(RUN_OKAFOR, "loaded", 100.2, 100.2), (RUN_BRANDT, "loaded", 92.6, 92.6)]),
    ("gun AND closet AND shotgun", [(HOME, "shotgun closet gun", 95.1, 100.2)]),
    (
        "lang:es AND oficial AND joyas",
        [(BURGLARY, "oficial joyas", 8.5, 24.8), (BURGLARY, "joyas oficial", 32.8, 61.0)],
    ),
    (
        '"right to remain silent" AND "right to an attorney"',
        [(STORE, "right to remain silent right to an attorney", 42.2, 48.1)],
    ),
    ("attorney AND NOT silent", []),
    (
        '("yellow raincoat" OR "yellow coat") AND boots',
        [
            (CHILD, "yellow raincoat boots", 14.7, 14.7),
            (CHILD, "boots yellow raincoat", 14.7, 26.4),
            (CHILD, "yellow raincoat boots", 26.4, 26.4),
        ],
    ),
    ('don\'t AND "tase me"', [(RUN_OKAFOR, "dont tase me", 37.4, 37.4), (RUN_BRANDT, "dont tase me", 29.7, 29.7)]),
    ("fence AND shotgun", []),
    ("(wife OR brother's) AND speaker:radio", []),
    ("custody AND speaker:radio", [(RUN_OKAFOR, "custody", 55.0, 55.0), (RUN_BRANDT, "custody", 47.3, 47.3)]),
    (
        "custody AND NOT speaker:radio",
        [(RUN_OKAFOR, "custody", 48.3, 48.3), (RUN_BRANDT, "custody", 40.7, 40.7), (DUI, "custody", 126.7, 126.7)],
    ),
    # Order in time, across speakers
    (
        '"hands behind your back" WITHIN 10s OF "stop moving"',
        [
            (RUN_OKAFOR, "hands behind your back stop moving", 38.8, 38.8),
            (RUN_BRANDT, "hands behind your back stop moving", 31.2, 31.2),
        ],
    ),
    (
        "hands WITHIN 5s OF tase",
        [(RUN_OKAFOR, "hands tase", 38.8, 37.4), (RUN_BRANDT, "hands tase", 31.2, 29.7)],
    ),
    ("stop BEFORE 30s tase", [(RUN_OKAFOR, "stop tase", 12.0, 37.4), (RUN_BRANDT, "stop tase", 4.4, 29.7)]),
    ("stop BEFORE 20s tase", []),
    ("tase BEFORE 30s custody", [(RUN_OKAFOR, "tase custody", 37.4, 48.3), (RUN_BRANDT, "tase custody", 29.7, 40.7)]),
    ('"ran out" WITHIN 10s OF insulina', [(FALL, "insulina ran out", 64.4, 70.3)]),
    ('"ran out" BEFORE 10s insulina', []),
    (
        '"right to remain silent" BEFORE 2min "i understand"',
        [(STORE, "right to remain silent i understand", 42.2, 62.6)],
    ),
    ("mute BEFORE 30s recording", [(STORE, "mute recording", 88.7, 111.2)]),
    ("camera WITHIN 25s OF camera", [(STORE, "camera camera", 88.7, 111.2)]),
    ("camera WITHIN 10s OF camera", []),
    ('aanya BEFORE 10s "seven years old"', [(CHILD, "aanya seven years old", 8.7, 8.7)]),
    ('"white dog" WITHIN 10s OF "the dog"', [(CHILD, "white dog the dog", 72.5, 80.0)]),
    ('"keep going" WITHIN 5s OF "okay stop"', [(DUI, "keep going okay stop", 103.5, 103.5)]),
    (
        '(speaker:wearer "step out of the vehicle") BEFORE 10s (ridiculous NOT speaker:wearer)',
        [(DUI, "step out of the vehicle ridiculous", 27.0, 30.9)],
    ),
    (
        'speaker:wearer AND ("step out of the vehicle" BEFORE 10s ridiculous)',
        [],
    ),
]


@pytest.fixture(scope="module")
def references(corpus: Path) -> dict[str, Reference]:
    return {one.name: one for one in read_corpus(corpus).patrol}


@pytest.fixture(scope="module")
def index(references: dict[str, Reference]) -> Index:
    if not any(STOP in name for name in references):
        pytest.skip("this is another corpus: the answers are those of the development recordings")
    index = ExactIndex()
    fill(index, [reference_transcript(one) for one in references.values()], NUMBERS)
    return index


def where(field: Field) -> Filters:
    value = field.value
    match field.name:
        case "incident":
            return Filters(incident_id=value)
        case "after":
            return Filters(since_ms=parse_time(value, "since", "UTC"))
        case "before":
            return Filters(until_ms=parse_time(value, "until", "UTC"))
        case "confidence":
            return Filters(confidence=bounds(value))
    return Filters(**{field.name: value})


@pytest.mark.parametrize(("text", "expected"), EXAMPLES, ids=[text for text, _expected in EXAMPLES])
def test_the_answer_is_the_one_worked_out_by_hand(
    index: Index, references: dict[str, Reference], text: str, expected: list[Expected]
) -> None:
    """Every hit, in the order of recorded time, with its words, and nothing else."""
    reading = read(text, EVERYTHING, where)
    query = Query(reading.text, filters=reading.filters, pattern=reading.pattern)
    answer = Searcher(index, None).search(query)

    assert query.is_exact
    assert answer.total_is_exact
    assert answer.total == len(answer.hits) == len(expected)
    for hit, (recording, words, begins_in, ends_in) in zip(answer.hits, expected, strict=True):
        assert recording in hit.source
        assert " ".join(token for word in hit.said for token in tokens(word.text)) == words
        spoken = {round(one.span.start_ms / 1000, 1): one for one in references[Path(hit.source).stem].utterances}
        assert spoken[begins_in].span.start_ms <= hit.start_ms < spoken[begins_in].span.end_ms
        assert spoken[ends_in].span.start_ms < hit.end_ms <= spoken[ends_in].span.end_ms
