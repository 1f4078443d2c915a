"""The benchmark of long recordings strews the same speech over hours, and reads memory as Linux states it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.corpus import Corpus, CorpusWrong, Reference
from benchmarks.long import LEAST_VOICES, some_speech, write_recordings, write_voices
from benchmarks.long_alone import status_bytes
from transcribe.media import decode
from transcribe.speech import detect_digital_silence
from transcribe.transcript import Turn

RATE = 16_000


def test_every_recording_holds_the_same_speech_in_order(tmp_path: Path) -> None:
    """End to end, and with equal silences before, between and after the clips; only one kind of silence is digital."""
    clips = [np.full(seconds * RATE, level, np.int16) for seconds, level in ((2, 9_000), (3, -12_000))]
    written = write_recordings(clips, hours=0.05, folder=tmp_path)
    sounds = {name: np.array(decode(str(path)).waveform) for name, path in written.items()}

    speech = np.concatenate(clips) / 32768
    assert {name: round(len(one) / RATE) for name, one in sounds.items()} == {
        "end to end": 5,
        "digital silence": 180,
        "room noise": 180,
    }
    for one in sounds.values():
        np.testing.assert_allclose(one[np.abs(one) > 0.2], speech, atol=1e-4)
    silences = {name: [span.duration_ms for span in detect_digital_silence(one)] for name, one in sounds.items()}
    assert silences["end to end"] == silences["room noise"] == []
    assert silences["digital silence"] == pytest.approx([175_000 / 3] * 3, abs=20)


def test_a_corpus_with_too_little_speech_is_refused() -> None:
    """The error says how much is missing."""
    with pytest.raises(CorpusWrong, match=r"10\.0 minutes short"):
        some_speech(Corpus("empty"), 10.0)


def test_people_speak_over_and_over_for_as_long_as_asked(tmp_path: Path) -> None:
    """As many recordings as hold six people, and no more; too few people are refused."""
    written = write_recordings([np.full(2 * RATE, 9_000, np.int16)], hours=0.001, folder=tmp_path)["end to end"]
    four = tuple(Turn(0, 2_000, f"person {n}") for n in range(4))
    voices = tuple(Reference(name, written, turns=four) for name in "abc")
    path = tmp_path / "voices.wav"

    assert write_voices(Corpus("some", voices=voices), 5 / 3600, path) == 8
    spoken = np.array(decode(str(path)).waveform)
    np.testing.assert_allclose(spoken, np.full(5 * RATE, 9_000 / 32768), atol=1e-4)
    with pytest.raises(CorpusWrong, match=f"4 speakers, {LEAST_VOICES} are needed"):
        write_voices(Corpus("few", voices=voices[:1]), 5 / 3600, path)


def test_sizes_are_read_from_what_linux_says_of_a_process() -> None:
    """In bytes; lines that are no sizes are left out."""
    status = "Name:\tpython\nVmHWM:\t  612348 kB\nRssAnon:\t  1024 kB\nThreads:\t4\nvoluntary_ctxt_switches:\t150\n"

    assert status_bytes(status) == {"VmHWM": 612348 * 1024, "RssAnon": 1 << 20}
