"""Priming: the decoder hears a window a second time, knowing the vocabulary, and only names are taken from it.

Everything written without a vocabulary stays as it is. Where the second decode has words of the vocabulary in place
of other words, those are taken over and flagged `primed`: the vocabulary may have suggested them, and the decode
without it did not agree.

Nothing else is taken, because a prompt harms whisper-base: it drops text and writes into pauses. On four dev recordings
(2025-03-22, -28, -29, -30: 1,106 words; names of the vocabulary are said in 15 places; base int8, beam 5), told the 37
true names of the whole corpus, or 46 names and streets nobody says:

| what is kept | WER, true names | names found | WER, other names |
|---|---|---|---|
| the decode without a vocabulary | 14.0 % | 7 | 14.0 % |
| the primed decode | 17.9 % | 10 | 22.1 % |
| the primed decode of a window where it is likelier | 15.6 % | 9 | 20.1 % |
| the primed decode of a window where it has a name | 14.2 % | 9 | 14.6 % |
| only its names, this module | 13.4 % | 9 | 14.0 % |

No name was written where it was not said. Decoding greedily costs half and finds as many names, but wrote one that was
not said; so the primed decode has the beams of the plain one, and hearing with a vocabulary takes about twice as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from transcribe.decoding import Decoded, Phrase, TimedWord
from transcribe.vocabulary import Vocabulary, key, prompt

TIMES_AS_LONG = 2  # in letters; a name and what it replaces differ by less


@dataclass(frozen=True, slots=True)
class Primer:
    """What the decoder is told about one recording; `provenance` says so in its transcript."""

    vocabulary: Vocabulary
    prompt: tuple[int, ...]
    provenance: Mapping[str, Any]


def make_primer(vocabulary: Vocabulary, names: Sequence[str], encode: Callable[[str], Sequence[int]]) -> Primer | None:
    """None where there is nothing to tell.

    Args:
        vocabulary: of the agency and the run.
        names: from the recording's metadata; they go first, so that they are never left out.
        encode: text to tokens of the model.
    """
    everything = Vocabulary.of(names) + vocabulary
    if not everything.entries:
        return None
    made = prompt(everything, encode)
    provenance = {
        "sha256": vocabulary.sha256,
        "n_entries": len(vocabulary.entries),
        "names": list(names),
        "n_left_out": len(made.left_out),  # the last ones
    }
    told = everything.entries[: len(everything.entries) - len(made.left_out)]
    return Primer(Vocabulary(told), made.tokens, provenance)


def adopt(plain: Decoded, primed: Decoded, vocabulary: Vocabulary) -> Decoded:
    """`plain` with those words of the vocabulary that only the primed decode has, each in place of what it had there.

    Letters both have, cut into words differently ("7K LM392", "7KLM392"), are written as in the vocabulary and not
    flagged: they were heard anyway.

    Returns:
        As many phrases as `plain` has; one whose words all went to its neighbour is left without any.
    """
    before, after = plain.words, primed.words
    edits = dict(_edits(before, after, vocabulary.covers([word.text for word in after])))
    if not edits:
        return plain
    replaced = {at for first, (last, _) in edits.items() for at in range(first, last)}
    phrases: list[Phrase] = []
    at = 0
    for phrase in plain.phrases:
        words: list[TimedWord] = []
        for place, word in enumerate(phrase.words, at):
            if place in edits:
                words += edits[place][1]
            elif place not in replaced:
                words.append(word)
        at += len(phrase.words)
        if tuple(words) != phrase.words:
            phrase = replace(phrase, text="".join(word.text for word in words).strip(), words=tuple(words))
        phrases.append(phrase)
    return replace(plain, phrases=tuple(phrases))


_Edit = tuple[int, tuple[int, list[TimedWord]]]  # the first of the words it replaces, the one behind them, the new


def _edits(before: Sequence[TimedWord], after: Sequence[TimedWord], covered: Sequence[bool]) -> Iterator[_Edit]:
    """Runs of covered words where the two decodes differ, with the words whose middle lies in the run's time.

    A run in place of nothing, or of much more or less than itself, is left out: a prompt makes the decoder write
    names into noise and over sentences. A misheard name is about as long as the name.
    """
    keys = [key(word.text) for word in before], [key(word.text) for word in after]
    free = 0  # words before this one are spoken for
    for what, i, i_end, j, j_end in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if what != "replace":
            continue
        for first, last in _runs(covered, j, j_end):
            run = after[first:last]
            there = [
                place
                for place in range(max(i, free), i_end)
                if run[0].start_s <= (before[place].start_s + before[place].end_s) / 2 <= run[-1].end_s
            ]
            heard, name = "".join(keys[0][at] for at in there), "".join(keys[1][first:last])
            if max(len(heard), len(name)) >= TIMES_AS_LONG * min(len(heard), len(name)):
                continue
            free, agreed = there[-1] + 1, heard == name
            yield there[0], (free, [replace(word, primed=not agreed) for word in run])


def _runs(covered: Sequence[bool], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Stretches of covered places within [first, last)."""
    start = None
    for at in range(first, last + 1):
        if at < last and covered[at]:
            start = at if start is None else start
        elif start is not None:
            yield start, at
            start = None
