"""The forms a correction comes in: edits, or a transcript that was exported and edited.

    {"base": "5d11…", "edits": [
        {"segment": 3, "text": "I live on Alder Street."},
        {"segment": 4, "words": [2, 4], "text": "seven Lincoln"},
        {"segment": 5, "speaker": "SPEAKER_01"},
        {"speaker": "SPEAKER_00", "name": "Renee Okafor"},
        {"segment": 6, "not_speech": true},
        {"not_speech": [12000, 15500]}
    ]}

Segments and words are numbered from 0, a range of words ends before its second number, spans are ms. In an edited
transcript, the texts and speakers of segments count, and segments that were taken out are not speech; anything else
that differs is refused rather than lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transcribe.correction import Edit, NotSaid, NotSpeech, SpeakerEdit, SpeakerName, TextEdit
from transcribe.errors import CorrectionWrong
from transcribe.transcript import Segment, Transcript

EDIT_FORMS = (
    "segment and text, with words or without; segment and speaker; segment and not_speech; speaker and name; not_speech"
)
FORM = "it is neither edits with their base nor a transcript as `earwitness export --format json` writes it"


def base_of(data: Any) -> str:
    """The version that a file corrects.

    Raises:
        CorrectionWrong: it is not one of the two forms.
    """
    if isinstance(data, dict):
        provenance = data.get("provenance")
        base = provenance.get("transcript_version") if isinstance(provenance, dict) else data.get("base")
        if isinstance(base, str) and isinstance(data.get("segments" if "provenance" in data else "edits"), list):
            return base
    raise CorrectionWrong("with this file", FORM)


def edits_of(data: Mapping[str, Any], base: Transcript) -> tuple[Edit, ...]:
    """The edits in a file of either form.

    Raises:
        CorrectionWrong
    """
    if "edits" in data:
        return tuple(_edit(place, one) for place, one in enumerate(data["edits"]))
    try:
        edited = Transcript.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorrectionWrong("with this file", f"the transcript in it cannot be read ({error!r})") from error
    if edited.recording.id != base.recording.id:
        raise CorrectionWrong("with this file", f"it is of another recording, {edited.recording.id[:12]}")
    same = ("turns", "coverage", "kinds", "models", "speakers_known", "amendments")
    changed = [name for name in same if getattr(edited, name) != getattr(base, name)]
    if changed:
        raise CorrectionWrong("with this file", f"{', '.join(changed)} of the transcript differ: only segments can")
    return tuple(_differences(base.segments, edited.segments))


def _edit(place: int, data: Any) -> Edit:
    where = f"with edit {place}"
    match data:
        case {"segment": int(segment), "text": str(text), **rest} if not rest:
            return TextEdit(segment, text)
        case {"segment": int(segment), "words": [int(first), int(last)], "text": str(text), **rest} if not rest:
            return TextEdit(segment, text, (first, last))
        case {"segment": int(segment), "speaker": str(speaker), **rest} if not rest:
            return SpeakerEdit(segment, speaker)
        case {"speaker": str(speaker), "name": str(name), **rest} if not rest:
            return SpeakerName(speaker, name)
        case {"segment": int(segment), "not_speech": True, **rest} if not rest:
            return NotSaid(segment)
        case {"not_speech": [int(start_ms), int(end_ms)], **rest} if not rest:
            return NotSpeech(start_ms, end_ms)
    raise CorrectionWrong(where, f"an edit has one of these forms: {EDIT_FORMS}")


def _differences(before: Sequence[Segment], after: Sequence[Segment]) -> list[Edit]:
    """The edits that make the one of the other, which has the same segments or fewer."""
    edits: list[Edit] = []
    at = 0
    for place, segment in enumerate(before):
        if at < len(after) and _words_of(after[at]) == _words_of(segment):
            edits += _changes(place, segment, after[at])
            at += 1
        else:
            edits.append(NotSaid(place))
    if at < len(after):
        raise CorrectionWrong(
            f"segment {at} of the file", "its span or its words are not those of the base; edit text and speaker alone"
        )
    return edits


def _words_of(segment: Segment) -> tuple[Any, ...]:
    return segment.start_ms, segment.end_ms, segment.words


def _changes(place: int, before: Segment, after: Segment) -> list[Edit]:
    if replace(after, text=before.text, speaker=before.speaker) != before:
        raise CorrectionWrong(f"segment {place}", "more than its text and speaker differs: only these can")
    edits: list[Edit] = []
    if after.text.split() != before.text.split():
        edits.append(TextEdit(place, after.text))
    if after.speaker != before.speaker:
        edits.append(SpeakerEdit(place, after.speaker or ""))
    return edits
