"""Priming takes names from a decode that knows them, flags them, and leaves everything else as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.decoding import Decoded, Phrase, TimedWord
from transcribe.priming import adopt, make_primer
from transcribe.vocabulary import NOTHING, Vocabulary

NAMES = Vocabulary.of(["Kowalczyk", "Schuylkill Avenue", "7KLM392", "Minh Nguyen"])


def decoded(*phrases: str, at: float = 0.0) -> Decoded:
    """A word every half second; `_` is a half second without one, and a word followed by `~` lasts two of them."""
    made = []
    for phrase in phrases:
        words = []
        for text in phrase.split():
            lasts = 0.5 * (1 + text.count("~"))
            if text != "_":
                words.append(TimedWord(at, at + lasts - 0.1, f" {text.rstrip('~')}", 0.8))
            at += lasts
        made.append(Phrase(words[0].start_s, words[-1].end_s, "".join(one.text for one in words).strip(), tuple(words)))
    return Decoded(tuple(made), -0.3, 0.0, False)


def shown(answer: Decoded) -> str:
    """Phrases between bars, primed words in brackets."""
    return " | ".join(
        " ".join(f"[{one.text.strip()}]" if one.primed else one.text.strip() for one in phrase.words)
        for phrase in answer.phrases
    )


@pytest.mark.parametrize(
    ("plain", "primed", "result"),
    [
        ("Officer Colville said so", "Officer Kowalczyk said so", "Officer [Kowalczyk] said so"),
        ("Officer call check said so", "Officer Kowalczyk~ said so", "Officer [Kowalczyk] said so"),
        ("on school Avenue, south", "on Schuylkill Avenue, south", "on [Schuylkill] Avenue, south"),
        ("Officer Kowalczyk said so", "Officer KOWALCZYK said so", "Officer Kowalczyk said so"),
        ("plate 7k LM392 please", "plate 7KLM392~ please", "plate 7KLM392 please"),
        ("he was coalish there", "she was Kowalczyk there", "he was [Kowalczyk] there"),
        ("he was over there", "she were under there", "he was over there"),
        ("hands _ up", "hands Kowalczyk up", "hands _ up"),
        ("one coal three four", "one Kowalczyk _ _", "one coal three four"),
        ("one coals three four", "one Kowalczyk _ _", "one [Kowalczyk] three four"),
        ("no, that was certainly a raccoon", "Kowalczyk~~~ a raccoon", "no, that was certainly a raccoon"),
        ("min win _ here", "Minh Nguyen _ here", "[Minh] [Nguyen] here"),
    ],
)
def test_only_words_of_the_vocabulary_are_taken(plain: str, primed: str, result: str) -> None:
    """In place of what was heard there; flagged unless the same letters were heard anyway."""
    answer = adopt(decoded(plain), decoded(primed), NAMES)

    assert shown(answer) == result.replace("_ ", "")
    assert " ".join(phrase.text for phrase in answer.phrases) == shown(answer).translate(str.maketrans("", "", "[]"))


def test_a_name_across_two_phrases_goes_where_it_begins() -> None:
    """And a phrase of which nothing is left goes."""
    across = adopt(decoded("ask for call", "check now"), decoded("ask for Kowalczyk~ now"), NAMES)
    alone = adopt(decoded("ask for call", "check"), decoded("ask for Kowalczyk~"), NAMES)

    assert shown(across) == "ask for [Kowalczyk] | now"
    assert shown(alone) == "ask for [Kowalczyk] | "


SPOKEN = st.lists(st.sampled_from(["a", "b", "c", "Kowalczyk", "Minh", "Nguyen", "7k", "LM392", "x~"]), min_size=1)


@given(SPOKEN, SPOKEN)
def test_what_is_not_flagged_was_heard_without_the_vocabulary(before: list[str], after: list[str]) -> None:
    """The letters of unflagged words are letters of the plain decode in their order; flagged words are covered."""
    plain, primed = decoded(" ".join(before)), decoded(" ".join(after))
    words = adopt(plain, primed, NAMES).words
    unflagged = iter("".join(word.text.strip().lower() for word in plain.words))

    assert all(letter in unflagged for word in words if not word.primed for letter in word.text.strip().lower())
    flagged = [word for word in words if word.primed]
    assert all(word.text in {one.text for one in primed.words} for word in flagged)
    assert adopt(plain, plain, NAMES) == plain
    assert adopt(plain, primed, NOTHING) == plain


def test_names_of_the_recording_go_first_and_are_said() -> None:
    """Provenance has the hash and size of the vocabulary, the names, and what was left out."""
    many = Vocabulary.of([f"Street {n}" for n in range(300)])
    primer = make_primer(many, ["Renee Okafor"], lambda text: [ord(one) for one in text])

    assert primer is not None
    assert primer.vocabulary.entries[:2] == ("Renee Okafor", "Street 0")
    assert primer.provenance["names"] == ["Renee Okafor"]
    assert (primer.provenance["n_entries"], primer.provenance["sha256"]) == (300, many.sha256)
    assert primer.provenance["n_left_out"] == 301 - len(primer.vocabulary.entries)
    assert make_primer(NOTHING, (), lambda _text: []) is None
