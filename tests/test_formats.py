"""Laws of the formats: parsers written by others read back what we wrote."""

from __future__ import annotations

import html
import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.transcripts import AWKWARD_WORDS, said, segment, transcript, transcripts
from transcribe.formats import FORMATS, FormatUnknown, render
from transcribe.formats.captions import MAX_CUE_LINES, MAX_CUE_MS, MAX_LINE_CHARS
from transcribe.formats.lines import clock, file_field, one_line, seconds
from transcribe.transcript import MACHINE_NOTICE, Covered, Kind, Segment, SpeakerKind, State, Transcript, Turn, Word

ANY = transcripts(AWKWARD_WORDS)
PLAIN = transcripts(min_words=1)


def milliseconds(time: Decimal) -> int:
    """Times are written with three decimals, so nothing is rounded here."""
    assert time * 1000 == int(time * 1000)
    return int(time * 1000)


def parse_vtt(text: str) -> list[Any]:
    import webvtt

    return list(webvtt.WebVTT.from_string(text, strict=True))


def parse_srt(text: str) -> list[Any]:
    import webvtt

    return list(webvtt.from_buffer(StringIO(text), format="srt"))


def parse_nist(text: str, format: str) -> list[Any]:
    import meeteval

    parser = {"rttm": meeteval.io.RTTM, "ctm": meeteval.io.CTM, "stm": meeteval.io.STM}[format]
    return list(parser.parse(text))


PARSERS = {
    "json": lambda text: [json.loads(text)],
    "txt": lambda text: text.splitlines(),
    "srt": parse_srt,
    "vtt": parse_vtt,
    "rttm": lambda text: parse_nist(text, "rttm"),
    "ctm": lambda text: parse_nist(text, "ctm"),
    "stm": lambda text: parse_nist(text, "stm"),
}


def tokens(words: list[Word]) -> list[str]:
    return [token for word in words for token in one_line(word.text).split()]


def shown(caption: Any) -> str:
    return html.unescape(caption.text)


# Every format


def test_every_promised_format_is_there() -> None:
    """The command line's list of formats is this one."""
    assert list(FORMATS) == ["json", "txt", "srt", "vtt", "rttm", "ctm", "stm"]
    assert all(format.definition for format in FORMATS.values())


def test_an_unknown_format_is_named_with_those_there_are() -> None:
    """The error says what to write instead."""
    with pytest.raises(FormatUnknown, match=r"'docx': no such format\. Choose one of json, txt, srt"):
        render(transcript(), "docx")


@pytest.mark.parametrize("format", FORMATS)
@given(any_transcript=ANY)
def test_no_text_breaks_a_file(format: str, any_transcript: Transcript) -> None:
    """Every file is UTF-8, ends with one newline, and is read by an independent parser."""
    text = render(any_transcript, format)

    assert text.encode().decode() == text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    PARSERS[format](text)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("duration_ms", [0, 60_000])
def test_a_transcript_without_words_is_a_valid_file(format: str, duration_ms: int) -> None:
    """Silence can be exported too."""
    rows = PARSERS[format](render(transcript(duration_ms=duration_ms), format))

    if format == "srt":
        assert [caption.text for caption in rows] == ["[machine transcript, not verified:\nno words heard]"]
    elif format not in ("json", "txt"):
        assert rows == []


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "srt"])
def test_files_say_that_a_machine_wrote_them(format: str) -> None:
    """Notice, transcript version and every model's name and hash; SubRip has no room."""
    machine = transcript([segment(said("open the door"))])
    text = render(machine, format)

    def written(line: str) -> str:
        return line.replace(" ", "_") if format == "rttm" else line

    for line in (MACHINE_NOTICE, machine.version, *(part for m in machine.models for part in (m.name, m.sha256))):
        assert written(line) in text


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_name_that_is_not_utf_8_can_be_exported(format: str) -> None:
    """Old file systems hold such names; files written from them are UTF-8 all the same."""
    written = render(transcript([segment(said("hello"))], source="/footage/caf\udce9.mp4"), format)
    assert written.encode().decode() == written


# JSON and text


@given(ANY)
def test_json_keeps_everything(any_transcript: Transcript) -> None:
    """Reading the file back is the identity."""
    assert Transcript.from_json(json.loads(render(any_transcript, "json"))) == any_transcript


def test_json_keeps_letters_readable() -> None:
    """Letters beyond ASCII are written as themselves."""
    assert "¿dónde está?" in render(transcript([segment(said("¿dónde está?"))]), "json")


def test_text_names_the_likely_wearer_and_the_radio() -> None:
    """Above what was said; who is of no kind is not named there, and captions keep plain labels."""
    kinds = (
        SpeakerKind("SPEAKER_00", Kind.WEARER, 0.9),
        SpeakerKind("SPEAKER_01"),
        SpeakerKind("SPEAKER_02", Kind.RADIO, 1.0),
    )
    heard = replace(transcript([segment(said("stop"), "SPEAKER_00")]), kinds=kinds)

    assert (
        "duration: 00:01:00.000\nSPEAKER_00: likely wears the camera\nSPEAKER_02: likely on the radio\n\n[00:00:00.000]"
    ) in render(heard, "txt")
    assert "<v SPEAKER_00>stop" in render(heard, "vtt")


def test_text_shows_speech_translation_and_what_was_not_heard() -> None:
    """One golden file: header, silence, a flagged and translated segment, one nobody was told apart in."""
    heard = transcript(
        [
            segment(said("¿dónde está?", 62_345), "SPEAKER_00", "es", ["low_confidence"], "Where is he?"),
            segment(said("stop\nthere", 70_000), None),
        ],
        coverage=[
            Covered(0, 30_000, State.DIGITAL_SILENCE),
            Covered(30_000, 62_345, State.NO_SPEECH),
            Covered(62_345, 62_945, State.SPEECH),
            Covered(62_945, 63_945, State.NO_SPEECH),
            Covered(63_945, 64_000, State.UNINTELLIGIBLE),
            Covered(64_000, 80_000, State.NOT_PROCESSED),
        ],
        duration_ms=80_000,
    )

    assert render(heard, "txt") == (
        "machine transcript, not verified\n"
        "source: /footage/traffic stop.mp4\n"
        f"recording (SHA-256): {'ab' * 32}\n"
        f"transcript version: {heard.version}\n"
        f"model: whisper-base 1.0.0 (SHA-256 {'d0' * 32})\n"
        f"model: segmentation-3.0 0.2.2 (SHA-256 {'da' * 32})\n"
        "duration: 00:01:20.000\n"
        "\n"
        "[00:00:00.000 - 00:00:30.000] (digital silence)\n"
        "[00:00:30.000 - 00:01:02.345] (no speech)\n"
        "[00:01:02.345] SPEAKER_00 (es; low_confidence): ¿dónde está?\n"
        "    English, by machine: Where is he?\n"
        "[00:01:03.945 - 00:01:04.000] (unintelligible)\n"
        "[00:01:04.000 - 00:01:20.000] (not processed)\n"
        "[00:01:10.000] unknown (en): stop there\n"
    )


@given(ANY)
def test_text_has_a_line_for_every_segment(any_transcript: Transcript) -> None:
    """However its text is broken, a segment is one line, and its translation one more."""
    body = render(any_transcript, "txt").partition("\n\n")[2]
    named = [c for c in any_transcript.coverage if c.state is not State.SPEECH]
    named = [c for c in named if c.state is not State.NO_SPEECH or c.end_ms - c.start_ms >= 2000]
    translated = [s for s in any_transcript.segments if s.translation is not None]

    assert body.count("\n") == len(any_transcript.segments) + len(named) + len(translated)


# Captions


@given(PLAIN)
def test_captions_keep_every_word_in_order(any_transcript: Transcript) -> None:
    """Each segment's cues, read one after another, are its words; overlapping segments keep theirs."""
    for one in any_transcript.segments:
        alone = transcript([one])
        assert " ".join(shown(c) for c in parse_vtt(render(alone, "vtt"))).split() == tokens(list(one.words))
        lead = f"{one.speaker}: " if one.speaker else ""
        said_in_srt = " ".join(c.text.removeprefix(lead) for c in parse_srt(render(alone, "srt")))
        assert said_in_srt.split() == tokens(list(one.words))

    together = [token for c in parse_vtt(render(any_transcript, "vtt")) for token in shown(c).split()]
    assert Counter(together) == Counter(tokens(any_transcript.words))


@given(transcripts(AWKWARD_WORDS, min_words=1))
def test_webvtt_keeps_text_it_must_escape(any_transcript: Transcript) -> None:
    """Unescaped, the words are what was said."""
    together = [token for c in parse_vtt(render(any_transcript, "vtt")) for token in shown(c).split()]
    assert Counter(together) == Counter(tokens(any_transcript.words))


@given(PLAIN)
def test_cues_begin_and_end_with_their_words(any_transcript: Transcript) -> None:
    """A segment's first cue starts at its first word; every cue's times are some words' times, to the ms."""
    for one in any_transcript.segments:
        for caption in parse_vtt(render(transcript([one]), "vtt")):
            start, end = caption.start_time.in_milliseconds(), caption.end_time.in_milliseconds()
            assert start in {w.start_ms for w in one.words}
            assert end in {w.end_ms for w in one.words} or end == start + 1
            assert start < end
            assert caption.voice == one.speaker
        first = parse_vtt(render(transcript([one]), "vtt"))[0]
        assert first.start_time.in_milliseconds() == one.words[0].start_ms


@given(PLAIN)
def test_both_caption_formats_show_a_cue_at_the_same_times(any_transcript: Transcript) -> None:
    """A single-speaker file differs only in its marks; cues are sorted by start."""
    nameless = transcript([Segment(s.start_ms, s.end_ms, s.text, "en", 0.5, s.words) for s in any_transcript.segments])
    assume(nameless.segments)

    vtt = [(c.start, c.end, shown(c)) for c in parse_vtt(render(nameless, "vtt"))]
    assert vtt == [(c.start, c.end, c.text) for c in parse_srt(render(nameless, "srt"))]
    assert vtt == sorted(vtt, key=lambda cue: cue[:2])


@given(PLAIN)
def test_cues_fit_the_screen(any_transcript: Transcript) -> None:
    """At most two lines of 42 characters and 7 s, unless one word alone exceeds them."""
    for caption in parse_vtt(render(any_transcript, "vtt")):
        lines = shown(caption).split("\n")
        lasts_ms = caption.end_time.in_milliseconds() - caption.start_time.in_milliseconds()
        assert len(lines) <= MAX_CUE_LINES
        assert all(len(line) <= MAX_LINE_CHARS or " " not in line for line in lines)
        assert lasts_ms <= MAX_CUE_MS or len(shown(caption).split()) == 1


def test_words_written_together_stay_together() -> None:
    """A cue spaces words as the segment's text does: hyphens and Chinese get no spaces."""
    hyphen = (Word(0, 100, "a", 1.0), Word(100, 200, "T", 1.0), Word(200, 300, "-shirt.", 1.0))
    chinese = (Word(300, 400, "你", 1.0), Word(400, 500, "好", 1.0))
    heard = transcript(
        [Segment(0, 300, "a T-shirt.", "en", 1.0, hyphen), Segment(300, 500, "你好", "zh", 1.0, chinese)]
    )

    assert [caption.text for caption in parse_vtt(render(heard, "vtt"))] == ["a T-shirt.", "你好"]


def test_a_segment_without_words_is_one_cue() -> None:
    """Its text is wrapped; its times are the segment's."""
    long = Segment(1000, 20_000, "word " * 30, "en", 0.5, (), "SPEAKER_01")

    (caption,) = parse_srt(render(transcript([long]), "srt"))
    assert (caption.start, caption.end) == ("00:00:01.000", "00:00:20.000")
    assert caption.text.replace("\n", " ") == "SPEAKER_01: " + long.text.strip()


def test_captions_neutralise_what_players_would_obey() -> None:
    """Tags and arrows somebody 'said' are shown, not obeyed."""
    heard = transcript([segment(said("<b>a --> b</b> {\\an8} &amp;"), "R&D <1>")])

    assert "<v R&amp;D &lt;1&gt;>&lt;b&gt;a --&gt; b&lt;/b&gt; {\\an8} &amp;amp;" in render(heard, "vtt")
    assert "R&D ‹1›: ‹b›a --› b‹/b› (\\an8) &amp;" in render(heard, "srt")


# NIST


@given(ANY)
def test_rttm_keeps_every_turn(any_transcript: Transcript) -> None:
    """Times to the millisecond, and the speaker."""
    rows = parse_nist(render(any_transcript, "rttm"), "rttm")

    written = Counter((milliseconds(r.begin_time), milliseconds(r.duration), r.speaker_id) for r in rows)
    assert written == Counter((t.start_ms, t.end_ms - t.start_ms, t.speaker) for t in any_transcript.turns)
    assert {row.filename for row in rows} <= {file_field(any_transcript.recording.source)}


@pytest.mark.parametrize("source", ["/footage/traffic stop.mp4", ';;odd "name.mp4'])
def test_pyannote_reads_our_rttm(source: str, tmp_path: Path) -> None:
    """Its parser knows no comments: ours must not become rows or stop it, even with no turns."""
    from pyannote.database.util import load_rttm

    file, empty = tmp_path / "a.rttm", tmp_path / "b.rttm"
    file.write_text(render(transcript(turns=[Turn(1250, 2500, "SPEAKER_00")], source=source), "rttm"))
    empty.write_text(render(transcript(source=source), "rttm"))

    ((name, annotation),) = load_rttm(file).items()
    assert name == file_field(source)
    assert [(s.start, s.end, who) for s, _, who in annotation.itertracks(yield_label=True)] == [
        (1.25, 2.5, "SPEAKER_00")
    ]
    assert load_rttm(empty) == {}


@given(ANY)
def test_ctm_keeps_every_word(any_transcript: Transcript) -> None:
    """A row for each, in order of time, to the millisecond, whatever it is made of."""
    rows = parse_nist(render(any_transcript, "ctm"), "ctm")

    words = sorted(any_transcript.words, key=lambda word: word.start_ms)
    times = [(milliseconds(row.begin_time), milliseconds(row.duration)) for row in rows]
    assert times == [(word.start_ms, word.end_ms - word.start_ms) for word in words]


@given(transcripts())
def test_ctm_keeps_what_was_said(any_transcript: Transcript) -> None:
    """Ordinary words are written unchanged, with their confidence."""
    rows = parse_nist(render(any_transcript, "ctm"), "ctm")

    words = sorted(any_transcript.words, key=lambda word: word.start_ms)
    assert [row.word for row in rows] == [word.text for word in words]
    assert [float(row.confidence) for row in rows] == pytest.approx([w.confidence for w in words], abs=5e-5)


@given(transcripts())
def test_stm_keeps_every_segment(any_transcript: Transcript) -> None:
    """Times to the millisecond, speaker, language as label, text."""
    rows = parse_nist(render(any_transcript, "stm"), "stm")

    def label_and_text(s: Segment) -> str:
        return f"<{s.language}> {s.text}"

    segments = sorted(any_transcript.segments, key=lambda s: s.start_ms)
    written = [(milliseconds(r.begin_time), milliseconds(r.end_time), r.speaker_id, r.transcript) for r in rows]
    assert written == [(s.start_ms, s.end_ms, s.speaker or "unknown", label_and_text(s)) for s in segments]


def test_stm_and_ctm_agree_on_words_the_formats_reserve() -> None:
    """Braces, angle brackets, null words and comment marks become ordinary words, the same in both."""
    heard = transcript([segment(said(";; { um / @ } <ALT> 1\u00a0000"))])

    (row,) = parse_nist(render(heard, "stm"), "stm")
    assert row.transcript == "<en> ;; [ um / [@] ] [ALT] 1 000"
    ctm = [row.word for row in parse_nist(render(heard, "ctm"), "ctm")]
    assert ctm == [";;", "[", "um", "/", "[@]", "]", "[ALT]", "1", "000"]
    spaced = transcript([Segment(0, 10, "1 000", "en", 1.0, (Word(0, 10, "1\u00a0000", 1.0), Word(10, 10, "\n", 1.0)))])
    assert [row.word for row in parse_nist(render(spaced, "ctm"), "ctm")] == ["1_000", "@"]


# Fields


@given(st.integers(0, 10**9))
def test_times_are_written_exactly(ms: int) -> None:
    """Seconds and clock times say the same milliseconds."""
    hours, minutes, rest = clock(ms).split(":")
    assert Decimal(seconds(ms)) * 1000 == ms
    assert (int(hours) * 60 + int(minutes)) * 60_000 + int(Decimal(rest) * 1000) == ms


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("/footage/traffic stop.mp4", "traffic_stop"),
        ("s3://bucket/2024/a.b.mkv?versionId=1/2", "a.b"),
        (r"C:\footage\d01.mp4", "d01"),
        (";;x.mp4", "__x"),
        ("/", "recording"),
    ],
)
def test_the_file_field_is_the_stem(source: str, field: str) -> None:
    """One field, whatever the path or URL; never a comment, never empty."""
    assert file_field(source) == field
