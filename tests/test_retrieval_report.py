"""The measures of benchmarks.retrieval on answers that are known, and one small run of the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.archives import recording_id
from benchmarks.corpus import Answer, LabelledQuery, Person, Reference, Utterance, read_queries
from benchmarks.measures import Ranked, difference, estimate, estimates
from benchmarks.patrol import OWN_QUERIES, joined, reference_transcript, search_filters
from benchmarks.qmsum import meeting_transcripts, qmsum_archive, read_qmsum
from benchmarks.retrieval import command
from benchmarks.scripted import exact_queries, name_queries
from benchmarks.spoken_squad import DataWrong, read_spoken_squad, squad_archive
from benchmarks.systems import starts_near
from benchmarks.term_scores import BETA, Detection, best_value, count, score, score_where
from benchmarks.terms import Term, find_terms, occurrences_of
from benchmarks.vectors import KeptVectors, SentenceMeans, sentences
from search.passages import build_passages
from search.protocols import Filters
from transcribe.spans import Span
from transcribe.transcript import Kind, ModelUse

HOUR_MS = 3_600_000


def ranked(*firsts: int | None) -> list[Ranked]:
    return [Ranked(first, 1.0 if first else 0.0, 10, 0) for first in firsts]


def test_a_perfect_ranking_is_worth_one_and_nothing_found_is_worth_nothing() -> None:
    """All measures agree at both ends; in between, MRR counts ranks and hit@10 does not."""
    assert all(one.mean == 1 for one in estimates(ranked(1, 1, 1)).values())
    assert all(one.mean == 0 for one in estimates(ranked(None, None)).values())
    between = estimates(ranked(1, 2, 20))
    assert between["mrr"].mean == pytest.approx((1 + 1 / 2 + 1 / 20) / 3)
    assert between["hit1"].mean == pytest.approx(1 / 3)
    assert between["hit10"].mean == pytest.approx(2 / 3)


def test_an_interval_of_constants_has_no_width_and_one_of_many_holds_the_mean() -> None:
    """The bootstrap has its seed: asking twice gives the same interval."""
    constant = estimate([0.3] * 20)
    assert (constant.low, constant.high) == pytest.approx((0.3, 0.3))
    mixed = estimate([0.0, 1.0] * 50)
    assert mixed.low < mixed.mean == 0.5 < mixed.high
    assert mixed == estimate([0.0, 1.0] * 50)
    assert estimate([0.0, 1.0] * 5_000).high - 0.5 < (mixed.high - 0.5) / 5


def test_a_difference_is_taken_question_by_question() -> None:
    """The same ranking differs by nothing at all; one that always loses a rank differs surely."""
    some = ranked(*([1, 2, 3, None] * 10))
    assert difference(some, some, "mrr") == estimate([0.0] * 40)
    worse = difference(ranked(*[1] * 40), ranked(*[2] * 40), "mrr")
    assert (worse.low, worse.mean, worse.high) == pytest.approx((0.5, 0.5, 0.5))
    assert worse.excludes_zero


def test_a_hit_is_right_within_the_answer_and_at_most_so_far_from_it() -> None:
    """Both limits count as near; sharing half of an answer does not make up for starting too early."""
    span = Span(10_000, 20_000)
    assert [starts_near(at, span, 5_000) for at in (4_999, 5_000, 15_000, 25_000, 25_001)] == [
        False, True, True, True, False,
    ]  # fmt: skip


TERM = Term("Deluca", "name", (Answer("a", Span(1_000, 3_000)), Answer("b", Span(9_000, 12_000))))
RIGHT = [Detection("a", 1_000, 0.9), Detection("b", 9_500, 0.8)]


def test_a_perfect_list_has_a_term_weighted_value_of_one_and_an_empty_one_of_zero() -> None:
    """A false alarm costs beta over the seconds in which the term was not said."""
    perfect = score_where([TERM], [RIGHT], None, HOUR_MS, 5_000)
    assert (perfect.value, perfect.recall, perfect.false_per_hour) == (1, 1, 0)
    assert score_where([TERM], [[]], None, HOUR_MS, 5_000).value == 0
    alarmed = score_where([TERM], [[*RIGHT, Detection("a", 500_000, 0.1)]], None, HOUR_MS, 5_000)
    assert alarmed.value == pytest.approx(1 - BETA / 3_598)
    assert alarmed.false_per_hour == pytest.approx(1)


def test_an_utterance_is_found_once_and_saying_it_again_is_no_false_alarm() -> None:
    """A second claim inside of it counts as nothing, one beside it is false, one elsewhere is counted apart."""
    again = [*RIGHT, Detection("a", 2_000, 0.7), Detection("a", 7_000, 0.6), Detection(None, 1_000, 0.5)]
    counts = count(TERM, again, 5_000)
    assert (counts.n_found, counts.n_false, counts.n_outside) == (2, 1, 1)


def test_the_best_threshold_is_no_worse_than_any_and_shows_nothing_when_all_is_wrong() -> None:
    """MTWV is a maximum; a system that is always wrong does best in silence."""
    some = [[*RIGHT, Detection("a", 500_000, 0.85)]]
    best, threshold = best_value([TERM], some, HOUR_MS, 5_000)
    assert best == max(score_where([TERM], some, at, HOUR_MS, 5_000).value for at in (0.7, 0.8, 0.85, 0.9, 0.95))
    assert threshold in (0.8, 0.9)
    assert best_value([TERM], [[Detection("a", 500_000, 0.9)]], HOUR_MS, 5_000)[0] == 0


def test_a_term_that_nobody_says_counts_for_false_alarms_alone() -> None:
    """Its share of misses is not defined."""
    nobody = Term("Smith", "name", ())
    both = score([count(TERM, RIGHT, 0), count(nobody, [Detection("a", 1, 1.0)], 0)], HOUR_MS)
    assert (both.value, both.recall, both.false_per_hour) == (1, 1, 0.5)


def said(text: str, start: int, spoken: str = "", speaker: str = "smith", channel: str = "mic") -> Utterance:
    return Utterance(Span(start, start + 4_000), text, "en", speaker, channel, spoken=spoken or text)


PEOPLE = (Person("smith", "Officer Ada Smith", "officer", True), Person("reyes", "Carla Reyes", "dispatcher"))
STOP = Reference(
    "stop",
    Path("stop.mp4"),
    (
        said("Dispatch, Twelve Adam, 4200 block of Larch Avenue.", 1_000,
             "Dispatch, Twelve Adam, forty-two hundred block of Larch Avenue."),
        said("Plate is 7KLM392, and I see Marcus Deluca.", 10_000,
             "Plate is seven, K, L, M, three, nine, two, and I see Marcus Deluca."),
        said("Okay Marcus, on Friday you said forty-two hundred. Is that okay?", 20_000),
        said("Copy, it is 22:48.", 30_000, "Copy, it is twenty-two forty-eight.", "reyes", "radio"),
    ),
    wearer="smith",
    people=PEOPLE,
    duration_ms=60_000,
    metadata={"officer": "Officer Ada Smith", "category": "Traffic stop"},
)  # fmt: skip


def test_terms_are_names_streets_plates_and_numbers_and_nothing_else() -> None:
    """No call sign, no day, no word a sentence begins with; "forty-two hundred" says 4200 as well."""
    terms = {term.text: (term.kind, len(term.occurrences)) for term in find_terms([STOP])}
    assert terms == {
        "4200": ("number", 2),
        "Larch Avenue": ("street", 1),
        "7KLM392": ("plate", 1),
        "Marcus Deluca": ("name", 1),
        "Marcus": ("name", 2),
        "22:48": ("number", 1),
    }


def test_scripted_queries_are_the_same_each_time_and_are_said_where_they_claim() -> None:
    """Four to seven words, each text once, and every answer holds it; names already asked are not asked again."""
    made = exact_queries([STOP], 60)
    assert made == exact_queries([STOP], 60)
    assert 1 <= len(made) <= len(STOP.utterances)
    assert all(4 <= len(query.text.split()) <= 7 and query.relevant for query in made)
    assert all(query.relevant == occurrences_of(query.text, [STOP]) for query in made)
    assert len(exact_queries([STOP], 1)) == 1
    terms = find_terms([STOP])
    names = name_queries(terms, 60, ["larch avenue"])
    assert names == name_queries(terms, 60, ["larch avenue"])
    assert {query.text for query in names} == {term.text for term in terms} - {"Larch Avenue"}


def test_labels_become_filters_that_a_search_has() -> None:
    """The wearer is an officer and a kind of voice, the dispatcher the radio, and anybody else nobody."""

    def filters(**labels: str) -> Filters:
        return search_filters(LabelledQuery("1", "speaker", "x", (), labels), PEOPLE)

    assert filters(speaker="Officer Ada Smith") == Filters(officer="Officer Ada Smith", speaker="wearer")
    assert filters(speaker_role="dispatcher", category="Theft") == Filters(category="Theft", speaker="radio")
    assert filters(speaker="Carla Reyes") == Filters(speaker="radio")
    assert filters(speaker="Minh Nguyen", officer="Officer Ada Smith") == Filters(officer="Officer Ada Smith")


def test_labels_become_a_transcript_with_every_word_in_its_utterance() -> None:
    """Words are spread evenly; the wearer and the radio are marked; the metadata is there to filter by."""
    made = reference_transcript(STOP)
    assert [segment.text for segment in made.segments] == [one.text for one in STOP.utterances]
    for segment, one in zip(made.segments, STOP.utterances, strict=True):
        assert (segment.words[0].start_ms, segment.words[-1].end_ms) == (one.span.start_ms, one.span.end_ms)
        assert " ".join(word.text for word in segment.words) == one.text
    assert (made.kind_of("smith"), made.kind_of("reyes")) == (Kind.WEARER, Kind.RADIO)
    assert sum(one.span.duration_ms for one in made.coverage) == 60_000
    assert made.recording.metadata["category"] == "Traffic stop"


def test_a_query_asked_twice_is_kept_once() -> None:
    """The first one stays; other filters make it another."""
    one, same = LabelledQuery("1", "name", "Deluca", ()), LabelledQuery("2", "name", "deluca", ())
    other = LabelledQuery("3", "name", "Deluca", (), {"category": "Theft"})
    assert joined([one], [same, other]) == [one, other]


SQUAD = {
    "passages_wer23.jsonl": [
        {"id": 0, "text": "the panthers finished the regular season. they won fifteen games."},
        {"id": 1, "text": "a glacier is a body of dense ice that moves under its own weight."},
        {"id": 2, "text": "the scavenger hunt of the university takes place in may."},
    ],
    "questions.jsonl": [
        {"id": "q1", "question": "what is a glacier made of?", "passage": {"wer23": 1, "wer44": None}},
        {"id": "q2", "question": "when is the scavenger hunt?", "passage": {"wer23": 2}},
    ],
}
MEETING = {
    "meeting_transcripts": [
        {"speaker": "A", "content": "Let us talk about the remote control {vocalsound} ."},
        {"speaker": "B", "content": "{disfmarker}"},
        {"speaker": "B", "content": "The battery should last for two years ."},
        {"speaker": "A", "content": "And the budget is twelve euros ."},
    ],
    "specific_query_list": [
        {"query": "What was said about the battery?", "answer": "", "relevant_text_span": [["1", "2"]]},
        {"query": "What was left unsaid?", "answer": "", "relevant_text_span": [["1", "1"]]},
    ],
}


def write_lines(path: Path, values: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    folder = tmp_path / "squad"
    folder.mkdir()
    for name, values in SQUAD.items():
        write_lines(folder / name, values)
    return folder


def test_spoken_squad_is_a_recording_for_each_passage(squad: Path) -> None:
    """One passage each, without times of words; a question's answer is its passage."""
    (level,) = read_spoken_squad(squad)
    archive = squad_archive(level)
    assert len(archive.transcripts) == 3
    assert all(len(build_passages(one)) == 1 for one in archive.transcripts)
    assert [question.query.relevant[0].recording for question in archive.questions] == [
        archive.names[archive.transcripts[1].recording.id],
        archive.names[archive.transcripts[2].recording.id],
    ]


def test_what_is_wrong_with_a_data_set_is_said_in_one_line(squad: Path, tmp_path: Path) -> None:
    """Which file, and why; nothing of what it says."""
    with pytest.raises(DataWrong, match="no passages_"):
        read_spoken_squad(tmp_path)
    (squad / "questions.jsonl").write_text('{"id": "q1", "question": "x", "passage": {"wer23": 99}}\n')
    with pytest.raises(DataWrong, match="passage 99"):
        read_spoken_squad(squad)
    (squad / "questions.jsonl").write_text("no json\n")
    with pytest.raises(DataWrong, match="line 1 is no JSON"):
        read_spoken_squad(squad)


def test_qmsum_turns_are_passages_and_only_those_that_answer_are_right(tmp_path: Path) -> None:
    """What nobody said is no turn, and neither it nor a neighbour is an answer; each question is asked twice."""
    meetings = read_qmsum(write_lines(tmp_path / "meetings.jsonl", [MEETING]))
    (made,) = meeting_transcripts(meetings)
    starts = [passage.start_ms for passage in build_passages(made)]
    archive = qmsum_archive(meetings)
    (first, second) = archive.questions
    assert len(starts) == 3
    assert "vocalsound" not in made.segments[0].text
    assert first.filters == Filters(recording_id=recording_id(meetings[0].name))
    assert second.filters == Filters()
    (answer,) = first.query.relevant
    assert [starts_near(start, answer.span, archive.near_ms) for start in starts] == [False, True, False]


class Letters:
    """An embedder that counts letters, and how many texts it was asked for."""

    use = ModelUse("letters", "1", "ab" * 32)
    dimension = 26

    def __init__(self) -> None:
        self.n_texts = 0

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        self.n_texts += len(texts)
        counts = [[text.lower().count(chr(97 + place)) + 1e-3 for place in range(26)] for text in texts]
        vectors = np.array(counts, np.float32).reshape(-1, 26)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def query(self, text: str) -> np.ndarray:
        return self.passages([text])[0]


def test_vectors_are_made_once_and_kept_for_the_next_run(tmp_path: Path) -> None:
    """The same numbers come back from the disk; the text itself is nowhere in the folder."""
    model, again = Letters(), Letters()
    first = KeptVectors(model, tmp_path)
    vectors = first.passages(["alpha", "beta", "alpha"])
    first.save()
    second = KeptVectors(again, tmp_path)
    assert np.array_equal(second.passages(["beta", "alpha"]), vectors[[1, 0]])
    assert (model.n_texts, again.n_texts) == (2, 0)
    assert not any(b"alpha" in path.read_bytes() for path in tmp_path.rglob("*.npy"))


def test_recombined_text_lies_between_its_sentences() -> None:
    """At length one; a lone sentence keeps its own vector."""
    model = Letters()
    means = SentenceMeans(model)
    one, two = model.passages(["Ab cd.", "Ef gh!"])
    assert sentences("Ab cd. Ef gh!") == ["Ab cd.", "Ef gh!"]
    (both,) = means.passages(["Ab cd. Ef gh!"])
    assert np.linalg.norm(both) == pytest.approx(1)
    assert both @ one == pytest.approx(both @ two, abs=1e-5)
    assert means.passages(["Ab cd."])[0] == pytest.approx(one)


def test_the_command_measures_what_it_is_given_and_writes_a_report(
    squad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handmade data through the real index and the bundled model: every table is there, and the answers are found."""
    monkeypatch.setattr("benchmarks.retrieval.SIZES", (1_500,))
    qmsum = write_lines(tmp_path / "meetings.jsonl", [MEETING])
    report = tmp_path / "out" / "retrieval.json"
    done = CliRunner().invoke(
        command, ["--spoken-squad", str(squad), "--qmsum", str(qmsum), "--json", str(report)],
        env={"EARWITNESS_CORPUS": None}, catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    tables = json.loads(report.read_text())["tables"]
    assert set(tables) == {"spoken_squad", "qmsum", "legs", "growth"}
    by_system = {row["system"]: row for row in tables["spoken_squad"]["rows"]}
    assert by_system["earwitness"]["mrr"] == by_system["meaning alone"]["mrr"] == 1
    assert by_system["earwitness"]["questions"] == 2
    assert {row["passages"] for row in tables["growth"]["rows"]} == {"3", "2,003"}
    assert "What each leg adds" in report.with_suffix(".md").read_text()


def test_a_sample_compares_systems_and_leaves_no_question_unasked(squad: Path, tmp_path: Path) -> None:
    """Our search is asked every question; the rows that compare it with others count the sample."""
    report = tmp_path / "retrieval.json"
    done = CliRunner().invoke(
        command, ["--spoken-squad", str(squad), "--json", str(report), "--only", "rankings", "--sample", "1"],
        env={"EARWITNESS_CORPUS": None}, catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    tables = json.loads(report.read_text())["tables"]
    assert {row["questions"] for row in tables["spoken_squad"]["rows"]} == {1}
    (every,) = tables["every"]["rows"]
    assert (every["system"], every["questions"]) == ("earwitness", 2)


@pytest.mark.parametrize(
    ("args", "reason"),
    [([], "name data"), (["--qmsum", "nowhere.jsonl"], "No such file"), (["--only", "all", "--qmsum", "x"], "--only")],
)
def test_the_command_says_what_it_cannot_use(args: list[str], reason: str, tmp_path: Path) -> None:
    """In words, without a traceback."""
    done = CliRunner().invoke(command, [*args, "--json", str(tmp_path / "r.json")], env={"EARWITNESS_CORPUS": None})
    assert done.exit_code in (1, 2)
    assert reason in done.output


def test_the_queries_of_this_repository_can_be_read() -> None:
    """Every file of them, whatever else lies beside."""
    for path in sorted(OWN_QUERIES.glob("*.jsonl")):
        named = {one["recording"] for line in path.read_text().splitlines() for one in json.loads(line)["relevant"]}
        assert read_queries(path, named)
