"""Confidence: what a calibration may do to a word's probability, and the scores that judge it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calibration import area_under_curve, brier_score, expected_calibration_error, fit, labelled, reliability
from benchmarks.confidence import EVERYTHING, Evidence, Notes, judged
from benchmarks.corpus import Utterance
from benchmarks.hypothesis import Hypothesis
from benchmarks.pictures import draw
from benchmarks.table import Table
from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions
from gpu.models import ModelPlaces
from transcribe.confidence import CLUES, FILE, RAW, Calibration, calibration_of, clues, confidence_name
from transcribe.decoding import Decoded, Phrase, TimedWord
from transcribe.segments import HeardWindow, segments_of
from transcribe.spans import Span
from transcribe.transcript import Segment, Word
from transcribe.windows import Window

chances = st.floats(0, 1)
SHIPPED = sorted(json.loads(FILE.read_text())["models"])


def decoded(probabilities: list[float], avg_logprob: float = -0.5) -> Decoded:
    """Two phrases, a word every half second."""
    words = [TimedWord(n / 2, n / 2 + 0.5, f" word{n}", chance) for n, chance in enumerate(probabilities)]
    halves = words[: len(words) // 2], words[len(words) // 2 :]
    return Decoded(tuple(Phrase(0, 30, "", tuple(half)) for half in halves), avg_logprob, 0.1, False)


@pytest.mark.parametrize("sha256", SHIPPED)
@given(st.lists(chances, min_size=1, max_size=20), st.floats(-20, 0), st.data())
def test_a_shipped_calibration_gives_chances_that_never_fall_with_the_words_own(
    sha256: str, probabilities: list[float], avg_logprob: float, data: st.DataObject
) -> None:
    """In 0..1, and raising one word's probability lowers nobody's confidence; text, times and order stay."""
    calibration = calibration_of(sha256)
    assert calibration is not None
    place = data.draw(st.integers(0, len(probabilities) - 1))
    raised = list(probabilities)
    raised[place] = data.draw(st.floats(probabilities[place], 1))
    before, after = (calibration(decoded(some, avg_logprob)) for some in (probabilities, raised))

    assert all(0 <= word.probability <= 1 for word in (*before.words, *after.words))
    assert all(low.probability <= high.probability for low, high in zip(before.words, after.words, strict=True))
    plain = [replace(word, probability=0) for word in before.words]
    assert plain == [replace(word, probability=0) for word in decoded(probabilities).words]


def test_the_default_model_is_calibrated_and_says_where_from(model_places: ModelPlaces) -> None:
    """The packaged entry names model, corpus and scores; another fit has another name."""
    models = HearingModels.find(None, pick_device("cpu"), model_places)
    entry = json.loads(FILE.read_text())["models"][models.asr.sha256]
    calibration = calibration_of(models.asr.sha256)

    assert calibration is not None
    assert entry["model"] == models.asr.name
    assert {"corpus", "compute_type", "fitted_at"} < set(entry)
    assert entry["held_out"]["ece_calibrated"] < entry["held_out"]["ece_raw"]
    assert entry["held_out"]["brier_calibrated"] < entry["held_out"]["brier_raw"]
    assert confidence_name(models.asr.sha256) == calibration.name
    assert replace(calibration, constant=calibration.constant + 0.1).name != calibration.name


def test_words_of_a_model_nobody_calibrated_are_as_sure_as_whisper_says(model_places: ModelPlaces) -> None:
    """No calibration, the raw probability, and provenance that says so."""
    models = HearingModels.find(None, pick_device("cpu"), model_places)
    other = replace(models, asr=replace(models.asr, sha256="ab" * 32))
    window = Window(Span(0, 30_000), "en", (Span(0, 30_000),))
    words = [word for one in segments_of(HeardWindow.believed(window, decoded([0.4, 0.9])), ()) for word in one.words]

    assert calibration_of("ab" * 32) is None
    assert confidence_name("ab" * 32) == RAW
    assert [word.confidence for word in words] == [0.4, 0.9]
    assert models.fingerprints(HearingOptions())["words"] != other.fingerprints(HearingOptions())["words"]


def test_a_segment_is_as_sure_as_its_words_on_average() -> None:
    """Also after calibration."""
    window = Window(Span(0, 30_000), "en", (Span(0, 30_000),))
    calibration = Calibration(0.3, (0.5,) * len(CLUES))
    for segment in segments_of(HeardWindow.believed(window, decoded([0.2, 0.4, 0.9, 0.5])), (), calibration):
        assert segment.confidence == pytest.approx(np.mean([word.confidence for word in segment.words]), abs=1e-4)


def test_clues_of_a_word_look_at_its_own_window_only() -> None:
    """One row per word; the neighbours of a lone word are itself."""
    assert clues(decoded([])) == []
    (alone,) = clues(decoded([0.8]))
    assert alone[CLUES.index("neighbours")] == alone[CLUES.index("word")] == pytest.approx(np.log(4))


# Scores


def test_calibration_error_is_what_was_built_in() -> None:
    """Words that claim what comes out have none; ones that claim 20 points too much have 0.2."""
    right = np.tile(np.repeat([True, False], [6, 4]), 100)
    honest, boastful = np.full(1_000, 0.6), np.full(1_000, 0.8)
    # Equal claims fall into bins in their order: shuffled nowhere, tens of six right and four wrong.
    assert expected_calibration_error(honest, right) == pytest.approx(0)
    assert expected_calibration_error(boastful, right) == pytest.approx(0.2)
    assert brier_score(boastful, right) == pytest.approx(0.6 * 0.2**2 + 0.4 * 0.8**2)
    assert [(one.n_words, one.right) for one in reliability(honest, right)] == [(100, 0.6)] * 10


def test_the_area_under_the_curve_counts_ordered_pairs() -> None:
    """All, none, half for ties, nothing to say of one kind."""
    right = np.array([True, True, False])
    assert area_under_curve(np.array([0.9, 0.8, 0.1]), right) == 1
    assert area_under_curve(np.array([0.1, 0.2, 0.9]), right) == 0
    assert area_under_curve(np.array([0.9, 0.5, 0.5]), right) == 0.75
    assert area_under_curve(np.array([0.9]), np.array([True])) is None


def test_the_fit_finds_the_weights_words_were_made_with() -> None:
    """Of 20,000 drawn words; a clue that speaks against words is left out instead of turned round."""
    rng = np.random.default_rng(1)
    found = rng.normal(0, 2, (20_000, 3))
    odds = 0.5 + found @ [1.0, 0.3, -0.4]
    right = rng.random(20_000) < 1 / (1 + np.exp(-odds))
    constant, weights = fit(found, right)
    _, without = fit(found[:, :2], right)

    assert weights[2] == 0
    assert weights[:2] == pytest.approx(without, abs=1e-6)
    assert fit(found[:, :2], rng.random(20_000) < 1 / (1 + np.exp(-(0.5 + found[:, :2] @ [1.0, 0.3]))))[1] == (
        pytest.approx([1.0, 0.3], abs=0.05)
    )
    assert constant > 0


def test_a_fit_on_words_that_are_all_right_ends_and_is_sure() -> None:
    """As on the recordings left of a small corpus when the only one with errors is held out."""
    found = np.random.default_rng(4).normal(0, 2, (150, 3))
    constant, weights = fit(found, np.ones(150, np.bool_))

    assert constant > 4
    assert all(np.isfinite(weights))


def heard(start_ms: int, text: str) -> Segment:
    words = tuple(Word(start_ms + 100 * n, start_ms + 100 * n + 100, word, 1.0) for n, word in enumerate(text.split()))
    return Segment(start_ms, words[-1].end_ms, text, "en", 1.0, words)


def test_words_are_right_when_they_align_with_what_was_said() -> None:
    """Substituted and inserted words are wrong, numbers right as a whole, fillers get no label."""
    utterances = [
        Utterance(Span(0, 2_000), "Unit 42, it's a gray sedan.", "en"),
        Utterance(Span(3_000, 4_000), "Copy", "en"),
    ]
    hypothesis = Hypothesis((heard(0, "Um, unit forty two, it's a great sedan."), heard(3_000, "Copy. Thanks.")))
    labels = [(word.text, right) for word, right in labelled(utterances, hypothesis)]

    assert labels == [
        ("unit", True), ("forty", True), ("two,", True), ("it's", True), ("a", True), ("great", False),
        ("sedan.", True), ("Copy.", True), ("Thanks.", False),
    ]  # fmt: skip
    assert labelled([], Hypothesis((heard(0, "Thank you."),))) == [
        (word, False) for word in heard(0, "Thank you.").words
    ]
    assert labelled(utterances, Hypothesis()) == []


def test_notes_number_the_words_they_keep() -> None:
    """What a word says as its probability is where its clues are."""
    notes = Notes()
    for some in ([0.2, 0.4], [], [0.9]):
        numbers = [int(word.probability) for word in notes(decoded(some)).words]
        assert [notes.words[number][0] for number in numbers] == some
        assert [notes.words[number][1] for number in numbers] == clues(decoded(some))


def test_a_fit_on_boastful_words_is_better_on_recordings_it_never_saw(tmp_path: Path) -> None:
    """Words that claim more than comes out: held out, the fit claims what comes out; table and picture say so."""
    rng = np.random.default_rng(2)
    odds = rng.normal(2, 2, 6_000)
    rows = np.column_stack([odds, rng.normal(size=(6_000, len(CLUES) - 1))])
    right = rng.random(6_000) < 1 / (1 + np.exp(-0.5 * odds))
    boastful = Evidence(1 / (1 + np.exp(-odds)), rows, right, np.arange(6_000) % 5.0)
    fitted = Calibration(*fit(rows, right))
    scores, diagram, weights = judged({"patrol": boastful}, ("patrol",), fitted, fits=True)
    by_set = {row["set"]: row for row in scores.rows}
    draw(diagram, tmp_path / "diagram.png")

    assert by_set[EVERYTHING]["ece_raw"] > 8 > 3 > by_set["patrol"]["ece_calibrated"]
    assert by_set["patrol"]["brier_calibrated"] < by_set["patrol"]["brier_raw"]
    assert len(diagram.rows) == 10
    assert [row["clue"] for row in weights.rows] == ["(constant)", *CLUES]
    assert (tmp_path / "diagram.png").stat().st_size > 1_000
    assert Table.from_json("reliability", json.loads(json.dumps(diagram.to_json()))) == diagram
