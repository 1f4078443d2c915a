"""How well a hit's beginning can be trusted: where the first word of an utterance was heard, against where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.corpus import Utterance
from benchmarks.hypothesis import Hypothesis
from benchmarks.normalise import normalise
from benchmarks.words import language_at


@dataclass(frozen=True, slots=True)
class Starts:
    """First words of utterances nobody talks into.

    errors_ms: heard minus true, one for each first word that was heard as the same word.
    n_utterances: how many there were to find.
    """

    errors_ms: tuple[int, ...] = ()
    n_utterances: int = 0

    def __add__(self, other: Starts) -> Starts:
        return Starts(self.errors_ms + other.errors_ms, self.n_utterances + other.n_utterances)

    def absolute_ms(self, quantile: float) -> float | None:
        """A quantile of the errors without their sign, e.g. 0.5; None without any."""
        import numpy as np

        return float(np.quantile(np.abs(self.errors_ms), quantile)) if self.errors_ms else None

    @property
    def bias_ms(self) -> float | None:
        """The median with its sign: positive is late. None without any."""
        import numpy as np

        return float(np.median(self.errors_ms)) if self.errors_ms else None

    @property
    def matched_percent(self) -> float | None:
        return 100 * len(self.errors_ms) / self.n_utterances if self.n_utterances else None


def start_errors(utterances: Sequence[Utterance], hypothesis: Hypothesis) -> Starts:
    """Align a recording's words and compare the first word of every non-overlapped utterance in time.

    Words are normalised one by one on both sides, so that each keeps its time; the alignment sees words only.
    """
    import jiwer

    said: list[str] = []
    first: dict[int, Utterance] = {}  # position in `said` of the first word of an utterance
    n_utterances = 0
    for utterance in sorted(utterances, key=lambda one: one.span):
        tokens = [token for word in utterance.text.split() for token in normalise(word, utterance.language).split()]
        if tokens and utterance.timed and not utterance.overlapped:
            first[len(said)] = utterance
            n_utterances += 1
        said.extend(tokens)

    heard: list[str] = []
    starts_ms: list[int] = []
    for word in sorted((word for segment in hypothesis.segments for word in segment.words), key=lambda one: one.span):
        tokens = normalise(word.text, language_at(word.span, utterances)).split()
        heard.extend(tokens)
        starts_ms.extend([word.start_ms] * len(tokens))
    if not said or not heard:
        return Starts((), n_utterances)

    errors = []
    (alignment,) = jiwer.process_words(" ".join(said), " ".join(heard)).alignments
    for chunk in alignment:
        if chunk.type != "equal":
            continue
        for offset in range(chunk.ref_end_idx - chunk.ref_start_idx):
            utterance_here = first.get(chunk.ref_start_idx + offset)
            if utterance_here is not None:
                errors.append(starts_ms[chunk.hyp_start_idx + offset] - utterance_here.span.start_ms)
    return Starts(tuple(errors), n_utterances)
