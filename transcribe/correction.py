"""Corrections: what a person changes in a transcript, and the version that comes of it.

The version a correction is of stays as it is; the new one says whose it is, when it was made and of what
(`Transcript.amendments`), and keeps the models that heard the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from transcribe.errors import CorrectionOutdated, CorrectionWrong
from transcribe.rewriting import Rewrite, rewrite, rewrite_untimed, without
from transcribe.spans import Span, subtract
from transcribe.speakers import OVERLAP
from transcribe.transcript import (
    CORRECTED,
    Amendment,
    Covered,
    Segment,
    SpeakerKind,
    State,
    Transcript,
    Turn,
)


@dataclass(frozen=True, slots=True)
class TextEdit:
    """What was really said: in a whole segment, or in place of its words [first, last)."""

    segment: int  # its place in the base's segments, from 0
    text: str
    words: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SpeakerEdit:
    """Who really said a segment: a label of the recording's, or a new one."""

    segment: int
    speaker: str


@dataclass(frozen=True, slots=True)
class SpeakerName:
    """What a speaker is called from now on, everywhere in the recording. A name another has makes one of both."""

    speaker: str
    name: str


@dataclass(frozen=True, slots=True)
class NotSpeech:
    """Nobody spoke there: words whose middle lies in the span go, and it is covered as without speech."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class NotSaid:
    """Nobody said this segment: it goes, whoever else speaks meanwhile."""

    segment: int


Edit = TextEdit | SpeakerEdit | SpeakerName | NotSpeech | NotSaid


@dataclass(frozen=True, slots=True)
class Correction:
    """Edits of one version by one person. All places in them are those of the base, whatever the others do."""

    base: str  # the version that is corrected
    edits: tuple[Edit, ...]
    author: str
    at: str  # ISO 8601, UTC
    note: str | None = None


def correct(base: Transcript, correction: Correction) -> Transcript:
    """The version that comes of a correction.

    Raises:
        CorrectionOutdated: it is of another version.
        CorrectionWrong: a place in it does not exist, a text is empty, two edits contradict each other, or nothing
            changes.
    """
    if correction.base != base.version:
        raise CorrectionOutdated(correction.base, base.version)
    said, turns = _spoken(base, correction.edits)
    changed = replace(base, segments=said, turns=turns)
    changed = _unsaid(changed, base, [edit.segment for edit in correction.edits if isinstance(edit, NotSaid)])
    for edit in correction.edits:
        if isinstance(edit, NotSpeech):
            changed = _silenced(changed, edit)
    changed = _renamed(changed, [edit for edit in correction.edits if isinstance(edit, SpeakerName)])
    changed = replace(changed, kinds=_kinds(base, changed))
    if changed == base:
        raise CorrectionWrong("the transcript", "the correction changes nothing")
    n_edits = len(correction.edits)
    return _amended(changed, base, Amendment(base.version, correction.author, correction.at, correction.note, n_edits))


def restore(base: Transcript, earlier: Transcript, author: str, at: str, note: str | None = None) -> Transcript:
    """A new version with the content of another one, whose place it takes: how a correction is undone.

    Raises:
        CorrectionWrong: the base says the same already.
    """
    assert base.recording.id == earlier.recording.id, "a version of another recording"
    changed = replace(earlier, recording=base.recording, amendments=base.amendments)
    if changed == base:
        raise CorrectionWrong("the transcript", f"what version {earlier.version} says is what the current one says")
    return _amended(changed, base, Amendment(base.version, author, at, note, restores=earlier.version))


def _amended(changed: Transcript, base: Transcript, amendment: Amendment) -> Transcript:
    return replace(changed, amendments=(*base.amendments, amendment))


def _spoken(base: Transcript, edits: Sequence[Edit]) -> tuple[tuple[Segment, ...], tuple[Turn, ...]]:
    """Segments and turns with what was said, and by whom, edited."""
    texts: dict[int, list[TextEdit]] = {}
    speakers: dict[int, str] = {}
    for edit in edits:
        if isinstance(edit, TextEdit | SpeakerEdit | NotSaid) and not 0 <= edit.segment < len(base.segments):
            last = len(base.segments) - 1
            raise CorrectionWrong(f"segment {edit.segment}", f"version {base.version} has segments 0 to {last}")
        if isinstance(edit, TextEdit):
            texts.setdefault(edit.segment, []).append(edit)
        elif isinstance(edit, SpeakerEdit):
            if edit.segment in speakers:
                raise CorrectionWrong(f"segment {edit.segment}", "two speakers are given for it")
            speakers[edit.segment] = _name(edit.speaker, f"the speaker of segment {edit.segment}")
    said: list[Segment] = []
    turns: Sequence[Turn] = base.turns
    gone = {edit.segment for edit in edits if isinstance(edit, NotSaid)}
    for place in sorted(gone & (texts.keys() | speakers.keys())):
        raise CorrectionWrong(f"segment {place}", "it is edited, and said not to be speech")
    for place, segment in enumerate(base.segments):
        if place in gone:
            continue
        parts = _rewritten(segment, place, texts[place]) if place in texts else [segment]
        speaker = speakers.get(place, segment.speaker)
        if speaker is not None and speaker != segment.speaker:
            parts = [_said_by(part, speaker) for part in parts]
            turns = [*_cut(turns, segment.span, {segment.speaker}), _turn(segment, speaker)]
        said += parts
    return _in_order(said), tuple(sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker)))


def _rewritten(segment: Segment, place: int, edits: Sequence[TextEdit]) -> list[Segment]:
    where = f"segment {place}"
    for edit in edits:
        if not edit.text.split():
            raise CorrectionWrong(where, "the text is empty; say that a span is not speech instead")
    whole = any(edit.words is None for edit in edits)
    if whole and len(edits) > 1:
        raise CorrectionWrong(where, "its whole text is given, and another edit of it")
    if whole and not segment.words:
        return [rewrite_untimed(segment, edits[0].text)]
    n_words = len(segment.words)
    rewrites = sorted(
        (Rewrite(*(edit.words or (0, n_words)), edit.text) for edit in edits), key=lambda one: (one.first, one.last)
    )
    for one in rewrites:
        if not 0 <= one.first < one.last <= n_words:
            raise CorrectionWrong(where, f"it has words 0 to {n_words}, not {one.first} to {one.last} (end exclusive)")
    for one, other in pairwise(rewrites):
        if other.first < one.last:
            raise CorrectionWrong(where, f"word {other.first} is edited twice")
    return rewrite(segment, rewrites)


def _said_by(segment: Segment, speaker: str) -> Segment:
    """A person told whose words they are: that two spoke at once no longer makes that doubtful."""
    words = tuple(
        replace(word, flags=tuple(flag for flag in word.flags if flag != OVERLAP)) if word.flags else word
        for word in segment.words
    )
    flags = tuple(dict.fromkeys([*segment.flags, CORRECTED]))
    return replace(segment, speaker=speaker, words=words, flags=flags)


def _unsaid(changed: Transcript, base: Transcript, places: Sequence[int]) -> Transcript:
    """Turns and coverage without the segments that were not said; these are gone already."""
    turns: Sequence[Turn] = changed.turns
    coverage: Sequence[Covered] = changed.coverage
    others = [segment.span for segment in changed.segments]
    for segment in (base.segments[place] for place in places):
        turns = _cut(turns, segment.span, {segment.speaker})
        for span in subtract([segment.span], others):
            coverage = _without_speech(coverage, span)
    return replace(changed, turns=tuple(turns), coverage=tuple(coverage))


def _silenced(transcript: Transcript, edit: NotSpeech) -> Transcript:
    where = f"the span {edit.start_ms} to {edit.end_ms} ms"
    if not 0 <= edit.start_ms < edit.end_ms <= transcript.recording.duration_ms:
        raise CorrectionWrong(where, f"it does not lie in the recording, 0 to {transcript.recording.duration_ms} ms")
    span = Span(edit.start_ms, edit.end_ms)
    left = [without(segment, span) for segment in transcript.segments]
    silenced = replace(
        transcript,
        segments=_in_order([segment for segment in left if segment is not None]),
        turns=tuple(_cut(transcript.turns, span)),
        coverage=tuple(_without_speech(transcript.coverage, span)),
    )
    if silenced == transcript:
        raise CorrectionWrong(where, "no speech is noted there")
    return silenced


def _without_speech(coverage: Iterable[Covered], span: Span) -> list[Covered]:
    """The coverage, a partition still. What was silent or not processed stays so: a person hears no more there."""
    pieces: list[Covered] = []
    for covered in coverage:
        low, high = max(covered.start_ms, span.start_ms), min(covered.end_ms, span.end_ms)
        if low >= high or covered.state not in (State.SPEECH, State.UNINTELLIGIBLE):
            pieces.append(covered)
            continue
        around = (
            (covered.start_ms, low, covered.state),
            (low, high, State.NO_SPEECH),
            (high, covered.end_ms, covered.state),
        )
        pieces += [Covered(start, end, state) for start, end, state in around if start < end]
    return pieces


def _renamed(transcript: Transcript, names: Sequence[SpeakerName]) -> Transcript:
    if not names:
        return transcript
    known = _labels(transcript)
    called: dict[str, str] = {}
    for edit in names:
        if edit.speaker not in known:
            raise CorrectionWrong(f"speaker {edit.speaker}", f"its speakers are {', '.join(known) or 'not told apart'}")
        if edit.speaker in called:
            raise CorrectionWrong(f"speaker {edit.speaker}", "two names are given")
        called[edit.speaker] = _name(edit.name, f"the name of {edit.speaker}")
    kinds: dict[str, SpeakerKind] = {}
    for kind in transcript.kinds:
        name = called.get(kind.speaker, kind.speaker)
        kinds.setdefault(name, replace(kind, speaker=name))
    return replace(
        transcript,
        segments=tuple(
            replace(segment, speaker=called.get(segment.speaker, segment.speaker)) if segment.speaker else segment
            for segment in transcript.segments
        ),
        turns=tuple(replace(turn, speaker=called.get(turn.speaker, turn.speaker)) for turn in transcript.turns),
        kinds=tuple(kinds.values()),
    )


def _kinds(base: Transcript, changed: Transcript) -> tuple[SpeakerKind, ...]:
    """One per speaker, where there were any. Of one that only a person knows, no kind was heard."""
    if not base.kinds:
        return ()
    before, after = (_labels(replace(one, kinds=())) for one in (base, changed))
    known = {kind.speaker: kind for kind in changed.kinds if kind.speaker in after or kind.speaker not in before}
    new = [label for label in after if label not in known and label not in before]
    return (*known.values(), *map(SpeakerKind, new))


def _labels(transcript: Transcript) -> list[str]:
    """All speakers, in order of first appearance in turns, then in segments."""
    named = (segment.speaker for segment in transcript.segments if segment.speaker)
    heard = (turn.speaker for turn in transcript.turns)
    return list(dict.fromkeys(chain(heard, named, (kind.speaker for kind in transcript.kinds))))


def _name(text: str, where: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise CorrectionWrong(where, "it is empty")
    return name


def _cut(turns: Iterable[Turn], span: Span, whose: Collection[str | None] | None = None) -> list[Turn]:
    """The turns without what of those speakers', or of everybody's, lies in the span."""
    left: list[Turn] = []
    for turn in turns:
        if (whose is None or turn.speaker in whose) and turn.span.overlap_ms(span):
            left += [Turn(piece.start_ms, piece.end_ms, turn.speaker) for piece in subtract([turn.span], [span])]
        else:
            left.append(turn)
    return left


def _turn(segment: Segment, speaker: str) -> Turn:
    return Turn(segment.start_ms, segment.end_ms, speaker)


def _in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    return tuple(sorted(segments, key=lambda segment: (segment.start_ms, segment.end_ms)))
