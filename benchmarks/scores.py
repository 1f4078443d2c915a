"""From what was heard to the tables of the report: every metric, for every system it applies to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.corpus import Corpus, Reference
from benchmarks.coverage import GROUPS, outside_segments_ms, speech_by_state
from benchmarks.finding import Judged, by_kind
from benchmarks.hypothesis import Hypothesis
from benchmarks.joined import joined
from benchmarks.normalise import normalise
from benchmarks.outcome import YARDSTICKS, Heard, Outcome
from benchmarks.peers import PYANNOTE_FINE, SEQUENTIAL_TIMED
from benchmarks.speakers import DiarizationErrors, diarization_errors, speaker_count_error
from benchmarks.speed import speed_table
from benchmarks.starts import Starts, start_errors
from benchmarks.stress import KINDS, kind_of
from benchmarks.table import Column, Table, Value
from benchmarks.words import SpeakerWordErrors, WordErrors, speaker_word_errors, word_errors
from transcribe.transcript import State

NOTHING = Hypothesis()


def tables(corpus: Corpus, outcomes: Sequence[Outcome], judged: Sequence[Judged]) -> list[Table]:
    """All tables that have a row, in the order of the report."""
    with_joined = [*outcomes, *_joined(outcomes)]
    made = [
        words_table(corpus, with_joined),
        speakers_table(corpus, outcomes),
        coverage_table(corpus, outcomes),
        starts_table(corpus, outcomes),
        stress_table(outcomes),
        search_table(judged),
        speed_table(outcomes),
    ]
    return [table for table in made if table.rows]


def words_table(corpus: Corpus, outcomes: Iterable[Outcome]) -> Table:
    rows: list[dict[str, Value]] = []
    for set_name in ("patrol", "speech"):
        for outcome, heard in _that_tell("words", set_name, outcomes):
            tells_speakers = set_name == "patrol" and "turns" in outcome.tells
            total, by_speaker = WordErrors(), SpeakerWordErrors()
            for reference, hypothesis in _pairs(corpus.references(set_name), heard):
                total += word_errors(reference.utterances, hypothesis)
                if set_name == "patrol":
                    by_speaker += speaker_word_errors(reference.utterances, hypothesis, tells_speakers)
            rows.append(
                {
                    "system": outcome.system,
                    "set": set_name,
                    "words": total.length,
                    "wer": _rounded(total.percent()),
                    "substitutions": _rounded(total.percent(total.substitutions)),
                    "deletions": _rounded(total.percent(total.deletions)),
                    "insertions": _rounded(total.percent(total.insertions)),
                    "orc_wer": _rounded(by_speaker.orc.percent()) if set_name == "patrol" else None,
                    "cp_wer": _rounded(by_speaker.cp.percent()) if tells_speakers else None,
                    "tcp_wer": _rounded(by_speaker.tcp.percent()) if tells_speakers else None,
                }
            )
    return Table(
        "words",
        "Word errors",
        "Both sides normalised alike, in the language truly spoken there. ORC-WER by greedy search; tcpWER with a "
        "collar of 5 s. A “+” joins one peer's words with another's speakers, each word to the turn covering it most.",
        ("system", "set"),
        (
            Column("words", "words", digits=0),
            Column("wer", "WER", "%", "lower"),
            Column("substitutions", "substituted", "%", "lower"),
            Column("deletions", "deleted", "%", "lower"),
            Column("insertions", "inserted", "%", "lower"),
            Column("orc_wer", "ORC-WER", "%", "lower"),
            Column("cp_wer", "cpWER", "%", "lower"),
            Column("tcp_wer", "tcpWER", "%", "lower"),
        ),
        tuple(rows),
        ("wer", "orc_wer", "cp_wer", "tcp_wer"),
    )


def speakers_table(corpus: Corpus, outcomes: Iterable[Outcome]) -> Table:
    rows: list[dict[str, Value]] = []
    for set_name in ("patrol", "voices"):
        for outcome, heard in _that_tell("turns", set_name, outcomes):
            strict, lenient, counts = DiarizationErrors(), DiarizationErrors(), []
            for reference, hypothesis in _pairs(corpus.references(set_name), heard):
                strict += diarization_errors(reference.turns, hypothesis.turns, 0)
                lenient += diarization_errors(reference.turns, hypothesis.turns, 250)
                counts.append(speaker_count_error(reference.turns, hypothesis.turns))
            row: dict[str, Value] = {"system": outcome.system, "set": set_name}
            for suffix, errors in (("0", strict), ("250", lenient)):
                row[f"der_{suffix}"] = _rounded(errors.percent())
                row[f"missed_{suffix}"] = _rounded(errors.percent(errors.missed_ms))
                row[f"false_alarm_{suffix}"] = _rounded(errors.percent(errors.false_alarm_ms))
                row[f"confusion_{suffix}"] = _rounded(errors.percent(errors.confusion_ms))
            row["count_error"] = _rounded(sum(map(abs, counts)) / len(counts)) if counts else None
            row["count_bias"] = _rounded(sum(counts) / len(counts)) if counts else None
            rows.append(row)
    collars = (("0", "collar 0"), ("250", "collar 0.25 s"))
    return Table(
        "speakers",
        "Who spoke when",
        "DER over all speech, overlap included; a collar lies on each side of a reference boundary. The speaker-count "
        "error is the mean over recordings, without and with its sign. All hear with the same two model files; our "
        "options were chosen on the development corpus, those of the peers (benchmarks/peers.py) were not.",
        ("system", "set"),
        (
            *(
                Column(f"{kind}_{suffix}", f"{title}, {collar}", "%", "lower")
                for suffix, collar in collars
                for kind, title in (
                    ("der", "DER"),
                    ("missed", "missed"),
                    ("false_alarm", "false alarm"),
                    ("confusion", "confusion"),
                )
            ),
            Column("count_error", "speaker-count error", better="lower", digits=2),
            Column("count_bias", "of that, too many", digits=2),
        ),
        tuple(rows),
        ("der_0", "der_250"),
    )


def coverage_table(corpus: Corpus, outcomes: Iterable[Outcome]) -> Table:
    """Missed speech: a row per group of reference speech, our coverage of it, and what lies outside all segments."""
    total: dict[str, dict[State, int]] = {}
    outside: dict[str, dict[str, int]] = {}  # by system
    outcomes = [one for one in outcomes if one.system not in YARDSTICKS]
    for outcome, heard in _that_tell("words", "patrol", outcomes):
        missed = outside.setdefault(outcome.system, {})
        for reference, hypothesis in _pairs(corpus.patrol, heard):
            for group, ms in outside_segments_ms(reference.utterances, hypothesis.segments).items():
                missed[group] = missed.get(group, 0) + ms
            if "coverage" not in outcome.tells:
                continue
            for group, states in speech_by_state(reference.utterances, hypothesis.coverage).items():
                sums = total.setdefault(group, dict.fromkeys(State, 0))
                for state, ms in states.items():
                    sums[state] += ms
    rows: list[dict[str, Value]] = []
    for group, states in sorted(total.items(), key=lambda entry: GROUPS.index(entry[0])):
        said_ms = sum(states.values())
        row: dict[str, Value] = {"speech": group, "said_s": _rounded(said_ms / 1000)}
        row["lost_percent"] = _rounded(100 * states[State.NO_SPEECH] / said_ms)
        row |= {f"{state.value}_s": _rounded(states[state] / 1000) for state in State}
        rows.append(
            row | {f"outside {name}": _rounded(100 * missed[group] / said_ms) for name, missed in outside.items()}
        )
    return Table(
        "coverage",
        "Missed speech, patrol",
        "Seconds of reference speech, at the microphone by the SNR of the utterance, and the state our coverage gave "
        "them. Speech called no_speech is lost without a trace; unintelligible says that somebody spoke. Peers have no "
        "coverage: of them, the share that lies outside of all their segments, which also counts pauses inside of "
        "utterances.",
        ("speech",),
        (
            Column("said_s", "reference speech", "s"),
            Column("no_speech_s", "called no_speech", "s", "lower"),
            Column("lost_percent", "share of it", "%", "lower", 2),
            Column("speech_s", "called speech", "s", "higher"),
            Column("unintelligible_s", "unintelligible", "s", "lower"),
            Column("digital_silence_s", "digital_silence", "s", "lower"),
            Column("not_processed_s", "not_processed", "s", "lower"),
            *(Column(f"outside {name}", f"outside segments, {name}", "%", "lower") for name in outside),
        ),
        tuple(rows),
        ("lost_percent",),
    )


def starts_table(corpus: Corpus, outcomes: Iterable[Outcome]) -> Table:
    rows: list[dict[str, Value]] = []
    for outcome, heard in _that_tell("word times", "patrol", outcomes):
        starts = Starts()
        for reference, hypothesis in _pairs(corpus.patrol, heard):
            starts += start_errors(reference.utterances, hypothesis)
        rows.append(
            {
                "system": outcome.system,
                "utterances": starts.n_utterances,
                "matched": _rounded(starts.matched_percent),
                "median_ms": _rounded(starts.absolute_ms(0.5)),
                "p95_ms": _rounded(starts.absolute_ms(0.95)),
                "bias_ms": _rounded(starts.bias_ms),
            }
        )
    return Table(
        "starts",
        "Start of the first word",
        "Utterances nobody talks into, whose first word was heard as that word; the bias is the median with its sign, "
        "positive is late.",
        ("system",),
        (
            Column("utterances", "utterances", digits=0),
            Column("matched", "first word heard", "%", "higher"),
            Column("median_ms", "median error", "ms", "lower", 0),
            Column("p95_ms", "95th percentile", "ms", "lower", 0),
            Column("bias_ms", "bias", "ms", digits=0),
        ),
        tuple(rows),
        ("median_ms", "p95_ms"),
    )


def stress_table(outcomes: Iterable[Outcome]) -> Table:
    rows: list[dict[str, Value]] = []
    for outcome, heard in _that_tell("words", "stress", outcomes):
        n_words = {
            kind_of(name): sum(len(normalise(one.text, one.language).split()) for one in hypothesis.segments)
            for name, hypothesis in heard.hypotheses.items()
        }
        hours = heard.audio_seconds / 3600
        row: dict[str, Value] = {
            "system": outcome.system,
            "minutes": _rounded(hours * 60),
            "per_hour": _rounded(sum(n_words.values()) / hours) if hours else None,
        }
        # The kinds are equally long.
        row |= {kind: _rounded(n_words[kind] * len(n_words) / hours) if kind in n_words else None for kind in KINDS}
        rows.append(row)
    return Table(
        "stress",
        "False words per hour without speech",
        "Made by a seeded script (benchmarks/stress.py): nobody says anything in it. The total is over all kinds, each "
        "kind's number over an hour of that kind.",
        ("system",),
        (
            Column("minutes", "heard", "min"),
            Column("per_hour", "false words", "/h", "lower"),
            *(Column(kind, kind, "/h", "lower", 0) for kind in KINDS),
        ),
        tuple(rows),
        ("per_hour",),
    )


def search_table(judged: Sequence[Judged]) -> Table:
    rows: list[dict[str, Value]] = []
    for kind in by_kind(judged):
        absent = kind.name == "absent"
        rows.append(
            {
                "kind": kind.name,
                "queries": len(kind.judged),
                "hit_1": None if absent else _rounded(kind.hit_percent(1)),
                "hit_10": None if absent else _rounded(kind.hit_percent(10)),
                "mrr": None if absent else round(kind.mrr, 3),
                "no_hit": _rounded(kind.silent_percent),
                "top_score": round(kind.top_score, 3),
            }
        )
    return Table(
        "search",
        "Search by kind of query",
        "Queries as typed, mode auto, ten hits. A hit counts when it starts at most 5 s from an answer or shares half "
        "of it. Filters on officer and category are set; those on a person's name or role are not: we name nobody. "
        "Nobody says what `absent` asks for: there, no hit is right, and a low top score next best.",
        ("kind",),
        (
            Column("queries", "queries", digits=0),
            Column("hit_1", "hit@1", "%", "higher"),
            Column("hit_10", "hit@10", "%", "higher"),
            Column("mrr", "MRR", better="higher", digits=3),
            Column("no_hit", "without a hit", "%"),
            Column("top_score", "mean top score", digits=3),
        ),
        tuple(rows),
        ("hit_1", "hit_10"),
    )


def _that_tell(what: str, set_name: str, outcomes: Iterable[Outcome]) -> Iterable[tuple[Outcome, Heard]]:
    for outcome in outcomes:
        if what in outcome.tells and set_name in outcome.sets:
            yield outcome, outcome.sets[set_name]


def _pairs(references: Sequence[Reference], heard: Heard) -> Iterable[tuple[Reference, Hypothesis]]:
    """A recording nobody could hear counts as silence."""
    for reference in references:
        yield reference, heard.hypotheses.get(reference.name, NOTHING)


def _joined(outcomes: Sequence[Outcome]) -> list[Outcome]:
    by_name = {outcome.system: outcome for outcome in outcomes}
    words, turns = by_name.get(SEQUENTIAL_TIMED), by_name.get(PYANNOTE_FINE)
    return [joined(words, turns)] if words and turns else []


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
