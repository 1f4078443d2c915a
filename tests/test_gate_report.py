"""What the report of the gate counts: words by the rule that doubted them, right ones where they were said."""

from __future__ import annotations

from pathlib import Path

from benchmarks.corpus import Reference, Utterance
from benchmarks.gate import BELIEVED, RECOVERED, Watched, caught_rows
from transcribe.decoding import Decoded, Phrase, TimedWord
from transcribe.gate import Finding
from transcribe.hearing import Step
from transcribe.segments import HeardWindow
from transcribe.spans import Span
from transcribe.windows import Window

SAID = Reference("d00", Path("d00.wav"), (Utterance(Span(0, 6_000), "drop the gun now", "en"),))
NOTHING: frozenset[Finding] = frozenset()


def heard(start_ms: int, *phrases: str, doubts: tuple[frozenset[Finding], ...]) -> HeardWindow:
    span = Span(start_ms, start_ms + 3_000)
    made = []
    for number, text in enumerate(phrases):
        words = tuple(
            TimedWord(number + at / 5, number + at / 5 + 0.2, f" {word}", 0.9) for at, word in enumerate(text.split())
        )
        made.append(Phrase(words[0].start_s, words[-1].end_s, text, words))
    return HeardWindow(Window(span, "en", (span,)), Decoded(tuple(made), -0.3, 0.0, False), NOTHING, doubts)


def test_words_are_counted_by_the_rule_that_doubted_them() -> None:
    """Believed, doubted and kept out of the text apart from each other; retries are the cost."""
    guessed = frozenset({Finding.UNLIKELY, Finding.GUESSED})
    first = heard(0, "drop the gun", "thank you", doubts=(NOTHING, guessed))
    found = heard(3_000, "now", doubts=(NOTHING,))
    watched = Watched([(Step.FIRST, first), (Step.RECOVERED, found), (Step.SETTLED, first), (Step.SETTLED, found)])

    rows = {row["rule"]: row for row in caught_rows("patrol", [SAID], [watched])}

    assert set(rows) == {BELIEVED, RECOVERED, Finding.UNLIKELY, Finding.GUESSED}
    assert (rows[BELIEVED]["windows"], rows[BELIEVED]["again"]) == (1, 100.0)
    assert (rows[BELIEVED]["words"], rows[BELIEVED]["right"]) == (3, 100.0)
    assert (rows[RECOVERED]["windows"], rows[RECOVERED]["words"], rows[RECOVERED]["right"]) == (1, 1, 100.0)
    assert (rows[Finding.GUESSED]["words"], rows[Finding.GUESSED]["unwritten"]) == (0, 2)
    assert rows[Finding.GUESSED]["unwritten_right"] == 0.0


def test_where_nobody_speaks_every_word_is_wrong() -> None:
    """The stress set has no reference words."""
    doubted = heard(0, "thank you", doubts=(frozenset({Finding.PHRASE}),))
    watched = Watched([(Step.FIRST, doubted), (Step.SETTLED, doubted)])

    rows = {row["rule"]: row for row in caught_rows("nobody", [Reference("wind", Path("wind.wav"))], [watched])}

    assert (rows[Finding.PHRASE]["words"], rows[Finding.PHRASE]["right"]) == (2, 0.0)
