"""Who spoke when: diarization errors in time, split by kind, and the error in the number of speakers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from transcribe.transcript import Turn


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Speaker time in ms; overlapped speech counts once per speaker and is scored like any other."""

    missed_ms: int = 0
    false_alarm_ms: int = 0
    confusion_ms: int = 0
    total_ms: int = 0  # of the reference

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.missed_ms + other.missed_ms,
            self.false_alarm_ms + other.false_alarm_ms,
            self.confusion_ms + other.confusion_ms,
            self.total_ms + other.total_ms,
        )

    def percent(self, errors_ms: int | None = None) -> float | None:
        """Error time (all kinds, unless a time is given) per hundred of reference speech; None without any."""
        if self.total_ms == 0:
            return None
        total = self.missed_ms + self.false_alarm_ms + self.confusion_ms if errors_ms is None else errors_ms
        return 100 * total / self.total_ms


def diarization_errors(reference: Sequence[Turn], hypothesis: Sequence[Turn], collar_ms: int) -> DiarizationErrors:
    """DER of one recording, labels matched for the least error (pyannote.metrics).

    Args:
        collar_ms: left out on each side of every reference boundary, as NIST's md-eval does it; 0: nothing is.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    end_ms = max((turn.end_ms for turn in (*reference, *hypothesis)), default=0)
    if end_ms == 0:
        return DiarizationErrors()
    # pyannote.metrics takes the width of the whole collar.
    metric = DiarizationErrorRate(collar=2 * collar_ms / 1000, skip_overlap=False)
    heard = Timeline([Segment(0, end_ms / 1000)])
    found = metric(_annotation(reference), _annotation(hypothesis), uem=heard, detailed=True)
    return DiarizationErrors(
        round(found["missed detection"] * 1000),
        round(found["false alarm"] * 1000),
        round(found["confusion"] * 1000),
        round(found["total"] * 1000),
    )


def speaker_count_error(reference: Sequence[Turn], hypothesis: Sequence[Turn]) -> int:
    """Speakers heard minus speakers there are."""
    return len({turn.speaker for turn in hypothesis}) - len({turn.speaker for turn in reference})


def jaccard_error_percent(pairs: Iterable[tuple[Sequence[Turn], Sequence[Turn]]]) -> float | None:
    """JER over all true speakers of recordings (truth, heard): everybody counts alike, however little they say.

    None where nobody speaks.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import JaccardErrorRate

    metric = JaccardErrorRate(collar=0, skip_overlap=False)
    any_truth = False
    for truth, found in pairs:
        if not truth:
            continue
        any_truth = True
        end_ms = max(turn.end_ms for turn in (*truth, *found))
        metric(_annotation(truth), _annotation(found), uem=Timeline([Segment(0, end_ms / 1000)]))
    return 100 * abs(metric) if any_truth else None


def _annotation(turns: Sequence[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri="recording")
    for track, turn in enumerate(turns):
        annotation[Segment(turn.start_ms / 1000, turn.end_ms / 1000), track] = turn.speaker
    return annotation
