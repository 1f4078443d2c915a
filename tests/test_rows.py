"""Laws of what surrounds a passage: its vector leans on its neighbours, the fewer words it has the more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.passages import build_passages
from search.rows import CONTEXT_AS_WORDS, MAX_CONTEXT_WORDS, rows
from tests.spoken import line, spoken
from tests.transcripts import transcripts
from transcribe.spans import Span
from transcribe.transcript import ModelUse, Segment, State, Transcript

DIMENSION = 32
APART_MS = 10_000  # a pause that makes passages of lines, and neighbours of passages


class Apart:
    """An embedder by which every text means something of its own: vectors at random, the same for the same text."""

    use = ModelUse("apart", "1", "ac" * 32)
    dimension = DIMENSION

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        made = [np.random.default_rng(list(text.encode())).normal(size=DIMENSION) for text in texts]
        vectors = np.array(made, np.float32).reshape(-1, DIMENSION)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def query(self, text: str) -> NDArray[np.float32]:
        return self.passages([text])[0]


EMBEDDER = Apart()


def vectors(transcript: Transcript) -> list[NDArray[np.float32]]:
    return [row.meaning for row in rows(transcript, build_passages(transcript), EMBEDDER)]


def near(vector: NDArray[np.float32], text: str) -> float:
    """The cosine of a row's vector and what a text alone means."""
    return float(vector @ EMBEDDER.query(text))


def saying(n_words: int, word: str = "word") -> str:
    return " ".join(f"{word}{n}" for n in range(n_words))


def in_a_row(*texts: str) -> Transcript:
    return spoken(*(("A", n * APART_MS, text) for n, text in enumerate(texts)))


@given(transcripts())
def test_vectors_keep_length_one_and_their_number(transcript: Transcript) -> None:
    """Whatever stands around a passage."""
    made = vectors(transcript)
    assert len(made) == len(build_passages(transcript))
    assert [float(np.linalg.norm(one)) for one in made] == pytest.approx([1.0] * len(made), abs=1e-5)


@pytest.mark.parametrize("state", [State.DIGITAL_SILENCE, State.NOT_PROCESSED])
def test_a_passage_without_neighbours_keeps_its_own_vector(state: State) -> None:
    """Alone in its recording, or cut off by what nobody heard."""
    assert near(vectors(in_a_row("no I did not"))[0], "no I did not") == pytest.approx(1, abs=1e-5)
    silent = [Span(5_000, 9_000)]
    cut_off = spoken(("A", 0, "no I did not"), ("A", APART_MS, "step out"), silent=silent, state=state)
    for vector, text in zip(vectors(cut_off), ("no I did not", "step out"), strict=True):
        assert near(vector, text) == pytest.approx(1, abs=1e-5)


class Plain:
    """An embedder that knows two things: what holds "beside", and all else."""

    use = ModelUse("plain", "1", "ad" * 32)
    dimension = 2

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[0, 1] if "beside" in text else [1, 0] for text in texts], np.float32).reshape(-1, 2)

    def query(self, text: str) -> NDArray[np.float32]:
        return self.passages([text])[0]


@given(st.integers(1, 16), st.integers(1, 16), st.integers(1, 16))
def test_the_fewer_words_a_passage_has_the_more_it_leans_on_its_neighbours(one: int, other: int, n_beside: int) -> None:
    """A neighbour alone weighs the same, however long; as much as the passage itself at most."""
    leaning = []
    for n_words in sorted((one, other)):
        transcript = in_a_row(saying(n_words), saying(n_beside, "beside"))
        own, around = rows(transcript, build_passages(transcript), Plain())[0].meaning
        leaning.append(around / own)
        assert around / own == pytest.approx(min(1.0, CONTEXT_AS_WORDS / n_words), abs=1e-5)
    assert leaning == sorted(leaning, reverse=True)
    assert leaning[0] <= 1


def test_of_two_neighbours_the_longer_says_more_up_to_a_limit() -> None:
    """Three words beside ten; beyond `MAX_CONTEXT_WORDS` a longer one says no more."""
    text, short, long = "yes", saying(3, "short"), saying(MAX_CONTEXT_WORDS, "long")
    longer = saying(2 * MAX_CONTEXT_WORDS, "longer")
    own, of_short, of_long, of_longer = EMBEDDER.passages([text, short, long, longer])
    for beside, vector, share in ((long, of_long, 10 / 13), (longer, of_longer, 10 / 13)):
        middle = vectors(in_a_row(short, text, beside))[1]
        expected = own + of_short * (1 - share) + vector * share
        assert middle == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_doubtful_neighbours_do_not_move_what_is_sure() -> None:
    """What may not have been said means nothing beside what was; the other way round it does."""
    sure, doubted = "no I did not", "thank you for watching"
    transcript = spoken(("A", 0, sure), line("A", APART_MS, doubted, flags=["doubtful"]))
    first, second = vectors(transcript)
    assert near(first, sure) == pytest.approx(1, abs=1e-5)
    assert near(second, doubted) < 0.99
    assert near(second, sure) > near(EMBEDDER.query(doubted), sure) + 0.2


def test_a_translation_stands_for_what_was_said_and_its_neighbours_lean_on_it() -> None:
    """The embedder reads English: a passage in another language means its translation, to itself and beside it."""
    spanish = line("B", APART_MS, "no tengo", "es", "I have none")
    first, second = vectors(spoken(("A", 0, "license please"), spanish))
    assert near(second, "I have none") > 0.5
    assert near(first, "I have none") > near(EMBEDDER.query("license please"), "I have none") + 0.3
    assert near(first, "no tengo") < near(first, "I have none")


def test_a_segment_without_word_times_is_a_neighbour_like_any() -> None:
    """It is counted by the words of its text."""
    untimed = Segment(APART_MS, APART_MS + 2_000, saying(8), "en", 0.4, (), "A")
    _, second = vectors(spoken(("A", 0, "put it down"), untimed))
    own, around = EMBEDDER.passages([saying(8), "put it down"])
    expected = own + around * CONTEXT_AS_WORDS / 8
    assert second == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
