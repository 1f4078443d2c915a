"""Wearer and radio: marked by how a voice arrives, and not at all when that is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.corpus import Reference, Utterance, read_corpus
from benchmarks.speaker_kinds import TRUE, kinds_table, mark
from tests.conftest import FOOTAGE
from transcribe.media import Audio, decode
from transcribe.spans import Span
from transcribe.speaker_kinds import speaker_kinds
from transcribe.speech import Waveform
from transcribe.transcript import Kind, MediaFacts, RecordingId, Turn
from transcribe.waveform import LEVEL_FRAME_MS, SAMPLE_RATE

SEED = 11
TURN_MS, STEP_MS = 2_000, 2_500
WIDE = (100, 7_000)
RADIO = (400, 3_200)


def rustle(duration_ms: int, band_hz: tuple[int, int], level_db: float, seed: int) -> Waveform:
    """Pink noise within a band: as strong in each octave, about as voices are."""
    n_samples = duration_ms * SAMPLE_RATE // 1000
    spectrum = np.fft.rfft(np.random.default_rng((SEED, seed)).normal(size=n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
    spectrum *= np.where((hz >= band_hz[0]) & (hz < band_hz[1]), 1 / np.sqrt(np.maximum(hz, 1)), 0)
    sound = np.fft.irfft(spectrum, n_samples)
    return (sound / np.sqrt(np.mean(sound**2)) * 10 ** (level_db / 20)).astype(np.float32)


def footage(
    voices: Mapping[str, tuple[tuple[int, int], float]], rounds: int = 5, noise_db: float = -60
) -> tuple[Waveform, list[Turn]]:
    """Voices (band, dBFS) speaking in turn, half a second apart, over noise."""
    turns = [
        Turn(start := (number * len(voices) + place) * STEP_MS, start + TURN_MS, name)
        for number in range(rounds)
        for place, name in enumerate(voices)
    ]
    waveform = rustle(len(turns) * STEP_MS, (20, 8_000), noise_db, 0)
    for number, turn in enumerate(turns, 1):
        first = turn.start_ms * SAMPLE_RATE // 1000
        sound = rustle(TURN_MS, *voices[turn.speaker], number)
        waveform[first : first + len(sound)] += sound
    return waveform, turns


def levels(*channels: Waveform) -> np.ndarray:
    size = LEVEL_FRAME_MS * SAMPLE_RATE // 1000
    frames = [channel[: len(channel) // size * size].reshape(-1, size) for channel in channels]
    return np.stack([10 * np.log10(np.mean(each**2, axis=1) + 1e-12) for each in frames]).astype(np.float32)


def kinds(waveform: Waveform, turns: Sequence[Turn], *channels: Waveform) -> dict[str, Kind | None]:
    found = speaker_kinds(waveform, levels(*(channels or (waveform,))), turns)
    assert all((one.confidence >= 0.7) == (one.kind is not None) and one.confidence <= 1 for one in found)
    return {one.speaker: one.kind for one in found}


def test_the_loudest_in_the_room_wears_the_camera_and_the_narrow_voice_is_on_the_radio() -> None:
    """A radio is as loud as its volume, so it is nobody's rival."""
    waveform, turns = footage({"near": (WIDE, -20), "far": (WIDE, -26), "dispatch": (RADIO, -18)})

    assert kinds(waveform, turns) == {"near": Kind.WEARER, "far": None, "dispatch": Kind.RADIO}


def test_noise_below_and_above_a_radios_band_hides_no_radio() -> None:
    """At 10 dB the noise fills what the radio cuts; it does so while nobody speaks, too."""
    waveform, turns = footage({"near": (WIDE, -20), "far": (WIDE, -26), "dispatch": (RADIO, -20)}, noise_db=-32)

    assert kinds(waveform, turns) == {"near": Kind.WEARER, "far": None, "dispatch": Kind.RADIO}


def test_two_equally_loud_people_leave_the_wearer_open() -> None:
    """Off when unsure."""
    waveform, turns = footage({"one": (WIDE, -20), "other": (WIDE, -20.5)})

    assert kinds(waveform, turns) == {"one": None, "other": None}


def test_who_is_alone_in_the_room_is_compared_with_nobody() -> None:
    """One voice may be anywhere; beside a radio, too."""
    waveform, turns = footage({"one": (WIDE, -20), "dispatch": (RADIO, -20)})

    assert kinds(waveform, turns) == {"one": None, "dispatch": Kind.RADIO}


def test_where_all_sound_like_a_radio_the_recording_does() -> None:
    """A telephone call or an old recorder has no voice outside the band."""
    waveform, turns = footage({"near": (RADIO, -20), "far": (RADIO, -26)})

    assert kinds(waveform, turns) == {"near": Kind.WEARER, "far": None}


def test_a_second_channel_tells_whom_the_mix_does_not() -> None:
    """In the mix both are as loud; on the left the wearer is much louder."""
    left, turns = footage({"near": (WIDE, -18), "far": (WIDE, -24)})
    right, _ = footage({"near": (WIDE, -60), "far": (WIDE, -24)})
    mix = (left + right) / 2
    own = (mix, turns)

    assert kinds(*own, left, right) == {"near": Kind.WEARER, "far": None}
    assert kinds(*own) == {"near": None, "far": None}


def test_a_loud_voice_that_passes_by_is_not_the_wearers() -> None:
    """Who wears the camera is there throughout."""
    waveform, turns = footage({"near": (WIDE, -26), "far": (WIDE, -32)}, rounds=10)
    first, shout = turns[9].start_ms * SAMPLE_RATE // 1000, rustle(TURN_MS, WIDE, -15, 99)
    waveform[first : first + len(shout)] += shout
    turns[9] = Turn(turns[9].start_ms, turns[9].end_ms, "passer-by")

    assert Kind.WEARER not in kinds(waveform, turns).values()


def test_a_few_turns_given_to_the_wrong_speaker_change_nothing() -> None:
    """Diarization errs; most of a speaker's time decides."""
    waveform, turns = footage({"near": (WIDE, -20), "far": (WIDE, -26), "dispatch": (RADIO, -20)})
    turns[2] = Turn(turns[2].start_ms, turns[2].end_ms, "near")
    turns[3] = Turn(turns[3].start_ms, turns[3].end_ms, "dispatch")

    assert kinds(waveform, turns) == {"near": Kind.WEARER, "far": None, "dispatch": Kind.RADIO}


def test_who_is_hardly_heard_alone_stays_without_a_kind() -> None:
    """Half a second, or speech under others', is no evidence; nor is there any without sound."""
    waveform, turns = footage({"near": (WIDE, -20), "far": (WIDE, -26)})
    also = [Turn(0, 500, "brief"), *(Turn(turn.start_ms, turn.end_ms, "covered") for turn in turns[2:])]

    found = kinds(waveform, [*turns, *also])

    assert (found["brief"], found["covered"]) == (None, None)
    assert kinds(np.zeros(0, np.float32), turns) == {"near": None, "far": None}
    assert kinds(np.zeros(SAMPLE_RATE * 30, np.float32), turns) == {"near": None, "far": None}
    assert speaker_kinds(waveform, levels(waveform), []) == []


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 5_000), st.sampled_from("ABC")), max_size=12))
def test_every_speaker_is_named_once_whatever_the_turns(held: list[tuple[int, int, str]]) -> None:
    """In order of first speech, at most one wearer; turns may overlap, be empty, or last longer than the sound."""
    turns = [Turn(start, start + length, speaker) for start, length, speaker in held]
    found = speaker_kinds(SOUND, levels(SOUND), turns)

    assert [one.speaker for one in found] == list(dict.fromkeys(turn.speaker for turn in sorted(turns, key=_order)))
    assert sum(one.kind is Kind.WEARER for one in found) <= 1


def _order(turn: Turn) -> tuple[int, int, str]:
    return turn.start_ms, turn.end_ms, turn.speaker


SOUND, _ = footage({"A": (WIDE, -20), "B": (RADIO, -26)}, rounds=4)


@pytest.mark.parametrize(
    ("stem", "truly"),
    [
        ("AXON_Body_3_2025-03-14_2231_X60A12345", {Kind.WEARER, Kind.RADIO, None}),
        ("AXON_Body_3_2025-03-16_0112_X60A22871", {Kind.WEARER, None}),  # half a minute is digitally silent
    ],
)
def test_footage_is_marked_as_labelled(stem: str, truly: set[Kind | None], tmp_path: Path) -> None:
    """Officer and dispatcher are found, nobody else is."""
    (tmp_path / "patrol").symlink_to(FOOTAGE)
    (reference,) = [one for one in read_corpus(tmp_path).patrol if one.name == stem]
    marked = mark(reference, decode(str(reference.media)), reference.turns)

    assert {one.truth for one in marked} == truly
    assert [one.found.kind for one in marked] == [one.truth for one in marked]


def test_the_benchmark_counts_marks_and_misses() -> None:
    """The wearer is found; of two on the radio, one who is never alone is missed."""
    waveform, turns = footage({"near": (WIDE, -20), "far": (WIDE, -26), "dispatch": (RADIO, -20)})
    turns += [Turn(turn.start_ms, turn.end_ms, "unit") for turn in turns[:2]]
    channel_of = {"dispatch": "radio", "unit": "radio"}
    utterances = [
        Utterance(Span(turn.start_ms, turn.end_ms), "x", "en", turn.speaker, channel_of.get(turn.speaker, "mic"))
        for turn in turns
    ]
    reference = Reference("one", Path("one.wav"), tuple(utterances), tuple(turns), wearer="near")
    audio = Audio(RecordingId("0" * 64), MediaFacts(len(waveform) // 16, "wav"), waveform, levels(waveform), (), 0)

    wearer, radio = kinds_table({TRUE: mark(reference, audio, turns)}).rows

    assert (wearer["speakers"], wearer["marked"], wearer["right"], wearer["found"]) == (1, 1, 100.0, 100.0)
    assert (radio["speakers"], radio["marked"], radio["right"], radio["found"]) == (2, 1, 100.0, 50.0)
