"""Our own queries over the corpus: their form here, their answers where the corpus is present."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

OURS = Path(__file__).parent.parent / "benchmarks" / "queries" / "dev.jsonl"
KINDS = ("paraphrase", "crosslingual", "speaker", "absent")
FILTERS = {"speaker", "speaker_role", "officer", "category"}
QUERIES_OF_A_KIND = 65  # with the corpus' own; fewer leave an interval too wide to tell two versions apart

STEM_LETTERS = 5  # the rule of the corpus: words whose first five letters agree count as the same word

# Words that carry no content of their own. The list is short on purpose: what is not here may not be shared.
FUNCTION = """
    a about an and as at before by can could each for from had has have having he him himself his how if in into is it
    its me my not of on or out over she since that the them they this those to until up was where which who why will
    with without you
    al de del el en es la las lo los me no por que se si su un una y yo
"""
FUNCTION_WORDS = frozenset(FUNCTION.split())

Key = tuple[str, float, float]  # recording, start and end in seconds, as labelled
Query = dict[str, Any]
Utterances = dict[Key, dict[str, Any]]


def read_queries(path: Path) -> list[Query]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


QUERIES = read_queries(OURS)


def of_kind(kind: str) -> list[Query]:
    return [query for query in QUERIES if query["kind"] == kind]


def keys(query: Query) -> list[Key]:
    return [(one["recording"], one["start"], one["end"]) for one in query["relevant"]]


def content_stems(text: str) -> set[str]:
    """The first letters of every word that carries content; a plate or number is one word, whole.

    Single letters are what contractions and spelling leave, and carry none.
    """
    words = [word for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 1 and word not in FUNCTION_WORDS]
    return {word if any(letter.isdigit() for letter in word) else word[:STEM_LETTERS] for word in words}


def stems_said(utterance: dict[str, Any]) -> set[str]:
    """Of the written and of the spoken form: "4200" and "forty-two hundred" are the same words."""
    return content_stems(f"{utterance['text']} {utterance['spoken']}")


@pytest.fixture(scope="module")
def recordings(corpus: Path) -> dict[str, dict[str, Any]]:
    """The labels of every patrol recording by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((corpus / "patrol").glob("*.json"))}


@pytest.fixture(scope="module")
def utterances(recordings: dict[str, dict[str, Any]]) -> Utterances:
    """Every utterance by recording and span; its `speaker` is the whole entry of who talks."""
    by_span: Utterances = {}
    for name, labels in recordings.items():
        speakers = {speaker["id"]: speaker for speaker in labels["speakers"]}
        for one in labels["utterances"]:
            by_span[name, one["start"], one["end"]] = {**one, "speaker": speakers[one["speaker"]]}
    return by_span


def test_ids_and_queries_are_unique() -> None:
    """`bq001` onwards without a gap; no query is written twice."""
    counts = Counter(query["query"].lower() for query in QUERIES)

    assert [query["id"] for query in QUERIES] == [f"bq{number:03d}" for number in range(1, len(QUERIES) + 1)]
    assert [text for text, count in counts.items() if count > 1] == []


def test_queries_have_the_form_of_the_corpus() -> None:
    """Known keys, kinds and filters; answers sorted and listed once; none for `absent`, some for all others."""
    for query in QUERIES:
        answers = keys(query)
        assert query.keys() - {"filters"} == {"id", "kind", "query", "relevant"}, query["id"]
        assert query["kind"] in KINDS, query["id"]
        assert query["query"] == " ".join(query["query"].split()), query["id"]
        assert all(one.keys() == {"recording", "start", "end"} for one in query["relevant"]), query["id"]
        assert answers == sorted(set(answers)), query["id"]
        assert bool(answers) == (query["kind"] != "absent"), query["id"]
        assert ("filters" in query) == (query["kind"] == "speaker"), query["id"]
        assert set(query.get("filters", ())) <= FILTERS, query["id"]


def test_a_paraphrase_is_as_long_as_what_people_type() -> None:
    """Four to twelve words."""
    assert [query["id"] for query in of_kind("paraphrase") if not 4 <= len(query["query"].split()) <= 12] == []


def test_with_the_corpus_every_kind_has_enough(corpus: Path) -> None:
    """And none of ours repeats a query of the corpus."""
    theirs = read_queries(corpus / "queries.jsonl")
    counts = Counter(query["kind"] for query in [*theirs, *QUERIES])

    assert {kind: counts[kind] for kind in KINDS if counts[kind] < QUERIES_OF_A_KIND} == {}
    assert {query["query"].lower() for query in theirs} & {query["query"].lower() for query in QUERIES} == set()


def test_every_answer_is_an_utterance(utterances: Utterances) -> None:
    """Spans are copied from the labels, not written anew."""
    assert [(query["id"], key) for query in QUERIES for key in keys(query) if key not in utterances] == []


def test_both_cameras_of_a_pair_count(utterances: Utterances, recordings: dict[str, dict[str, Any]]) -> None:
    """What answers on one camera answers on the other, unless a filter picks the officer who wears it."""
    for query in QUERIES:
        if "officer" in query.get("filters", ()):
            continue
        listed = {(key[0], utterances[key]["text"]) for key in keys(query)}
        for name, text in listed:
            pair = recordings[name]["pair"]
            assert pair is None or (pair, text) in listed, query["id"]


def test_a_paraphrase_shares_no_content_word_with_its_answers(utterances: Utterances) -> None:
    """Not on stems of five letters: words alone cannot find it."""
    shared = {
        query["id"]: content_stems(query["query"]) & stems_said(utterances[key])
        for query in of_kind("paraphrase")
        for key in keys(query)
        if content_stems(query["query"]) & stems_said(utterances[key])
    }

    assert shared == {}


def test_a_crosslingual_query_is_answered_in_spanish(utterances: Utterances) -> None:
    """What was said in English may stand beside it, in the same recording."""
    for query in of_kind("crosslingual"):
        spanish = {key[0] for key in keys(query) if utterances[key]["language"] == "es"}
        assert {key[0] for key in keys(query)} == spanish, query["id"]


def test_answers_of_a_filtered_query_pass_its_filters(
    utterances: Utterances, recordings: dict[str, dict[str, Any]]
) -> None:
    """Who talks, as what, before whose camera, in what kind of incident."""
    for query in of_kind("speaker"):
        for key in keys(query):
            speaker, labels = utterances[key]["speaker"], recordings[key[0]]
            facts = {
                "speaker": speaker["name"],
                "speaker_role": speaker["role"],
                "officer": labels["officer"],
                "category": labels["category"],
            }
            assert query["filters"].items() <= facts.items(), query["id"]


def test_no_utterance_holds_all_words_of_an_absent_query(utterances: Utterances) -> None:
    """The part of "nobody says it" that a machine can check; for the rest every utterance was read."""
    for query in of_kind("absent"):
        wanted = content_stems(query["query"])
        assert wanted, query["id"]
        assert [key for key, utterance in utterances.items() if wanted <= stems_said(utterance)] == [], query["id"]
