"""Laws of hearing a media file: time is what a player shows, nothing is lost silently, every error says what to do."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import pickle
import stat
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media_maker import Sound, audio_frame, centre_of_sound_ms, cut, damage, mono, tone_bursts, write_media
from transcribe.errors import MediaForbidden, MediaMissing, MediaUnreadable
from transcribe.media import LEVEL_FRAME_MS, SAMPLE_RATE, Audio, decode, dominant_channel, probe
from transcribe.source import HashingReader, media_errors
from transcribe.spans import Span
from transcribe.transcript import MediaFacts, RecordingId
from transcribe.waveform import Timeline

FORMS = [
    ("mp4", "aac", 44_100, 1),
    ("mp4", "aac", 48_000, 2),
    ("mp4", "aac", 8_000, 1),
    ("mkv", "libopus", 48_000, 1),
    ("mkv", "libopus", 48_000, 2),
    ("webm", "libopus", 8_000, 1),
    ("ogg", "libopus", 48_000, 1),
    ("mp3", "libmp3lame", 44_100, 1),
    ("mp3", "libmp3lame", 48_000, 2),
    ("mp3", "libmp3lame", 8_000, 1),
    ("wav", "pcm_s16le", 44_100, 2),
    ("wav", "pcm_s16le", 8_000, 1),
    ("wav", "pcm_f32le", 16_000, 1),
    ("flac", "flac", 44_100, 1),
    ("flac", "flac", 48_000, 2),
    ("mkv", "aac", 44_100, 1),
    ("mov", "pcm_s16le", 48_000, 6),
]


def noise(duration_ms: int, codec: str, rate: int = 48_000) -> Sound:
    """A mono stream that no codec can shrink to nothing, for files that are cut by bytes."""
    samples = np.random.default_rng(0).normal(0, 0.1, (1, rate * duration_ms // 1000))
    return Sound(samples.astype(np.float32), rate, codec)


@pytest.mark.parametrize(("suffix", "codec", "rate", "n_channels"), FORMS)
def test_a_sound_is_heard_when_a_player_plays_it(
    tmp_path: Path, suffix: str, codec: str, rate: int, n_channels: int
) -> None:
    """Whatever the container, codec and rate, encoder delay and resampling move nothing by 2 ms."""
    burst = np.tile(tone_bursts([3210], 5000, rate), (n_channels, 1))
    audio = decode(str(write_media(tmp_path / f"burst.{suffix}", Sound(burst, rate, codec))))

    assert centre_of_sound_ms(audio.waveform, 3000, 3500) == pytest.approx(3210, abs=2)
    assert centre_of_sound_ms(audio.waveform, 0, 5000) == pytest.approx(3210, abs=2)
    assert audio.media.channels == len(audio.channel_levels) == n_channels
    assert audio.media.duration_ms == pytest.approx(5000, abs=130)  # AAC at 8 kHz fills its last 128 ms frame
    assert len(audio.waveform) <= audio.media.duration_ms * 16
    assert audio.not_processed == ()
    assert audio.media.notes == ()


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "libopus"), ("ts", "aac"), ("mov", "pcm_s16le")])
def test_a_microphone_that_starts_late_is_silent_first(tmp_path: Path, suffix: str, codec: str) -> None:
    """The lead is filled, so that the sound keeps its place beside the video, and noted."""
    late = mono([3210], 5000, codec=codec, lead_ms=1500)
    audio = decode(str(write_media(tmp_path / f"late.{suffix}", late, video_ms=8000)))

    assert centre_of_sound_ms(audio.waveform, 0, 6500) == pytest.approx(4710, abs=2)
    assert audio.media.duration_ms == pytest.approx(8000, abs=30)
    assert audio.not_processed == ()
    assert "after the recording; silence before it" in audio.media.notes[0]


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "aac"), ("mkv", "libopus"), ("mkv", "pcm_s16le"), ("mkv", "flac")]
)
def test_a_gap_in_the_timestamps_becomes_silence(tmp_path: Path, suffix: str, codec: str) -> None:
    """What follows a gap is heard at its own time; the gap is noted and is not `not_processed`."""
    gapped = mono([1000, 3210], 5000, codec=codec, gaps=((2000, 1200),))
    audio = decode(str(write_media(tmp_path / f"gap.{suffix}", gapped, video_ms=7000)))

    assert centre_of_sound_ms(audio.waveform, 500, 1500) == pytest.approx(1000, abs=2)
    assert centre_of_sound_ms(audio.waveform, 4000, 5000) == pytest.approx(4410, abs=2)
    assert np.abs(audio.waveform[2100 * 16 : 3100 * 16]).max() < 1e-3
    assert audio.not_processed == ()
    (note,) = audio.media.notes
    assert "gap of 1" in note
    assert "at 2.0 s filled with silence" in note


def test_the_waveform_is_a_read_only_map_of_16_khz_float(tmp_path: Path) -> None:
    """A recording of any length is not held in memory, and values stay within [-1, 1]."""
    loud = np.full((1, 48_000), 3.0, np.float32)
    audio = decode(str(write_media(tmp_path / "loud.wav", Sound(loud, 48_000, "pcm_f32le"))))

    assert isinstance(audio.waveform, np.memmap)
    assert audio.waveform.dtype == np.float32
    assert not audio.waveform.flags.writeable
    assert len(audio.waveform) == SAMPLE_RATE
    assert audio.waveform.max() == 1.0


def test_values_that_are_no_numbers_become_silence(tmp_path: Path) -> None:
    """A broken float sample must not poison everything computed from the waveform."""
    broken = tone_bursts([500], 1000, 16_000)[None].copy()
    broken[0, 100] = np.nan
    audio = decode(str(write_media(tmp_path / "nan.wav", Sound(broken, 16_000, "pcm_f32le"))))
    assert np.isfinite(audio.waveform).all()


def test_all_streams_are_heard_each_at_its_own_time(tmp_path: Path) -> None:
    """Two microphones in two streams are both in the mix, and each has its row of levels."""
    near = mono([1000], 4000)
    far = mono([2000], 3000, codec="libopus", lead_ms=700)
    audio = decode(str(write_media(tmp_path / "two.mkv", near, far, video_ms=4000)))

    assert centre_of_sound_ms(audio.waveform, 500, 1500) == pytest.approx(1000, abs=2)
    assert centre_of_sound_ms(audio.waveform, 2200, 3200) == pytest.approx(2700, abs=2)
    assert audio.media.audio_codecs == ("aac", "opus")
    assert dominant_channel(audio, Span(950, 1050)) == 0
    assert dominant_channel(audio, Span(2650, 2750)) == 1


def test_a_dead_channel_does_not_halve_the_other(tmp_path: Path) -> None:
    """Channels silent throughout have no part in the mean; their level shows that they are silent."""
    burst = tone_bursts([500], 1000, 16_000, amplitude=0.8)
    audio = decode(str(write_media(tmp_path / "dead.wav", Sound(np.stack([0 * burst, burst]), 16_000, "pcm_f32le"))))

    np.testing.assert_allclose(audio.waveform, burst, atol=1e-6)
    assert audio.channel_levels[0].max() == -120


def test_the_mix_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    """Two live channels count equally."""
    left, right = tone_bursts([300], 1000, 16_000), tone_bursts([600], 1000, 16_000)
    audio = decode(str(write_media(tmp_path / "live.wav", Sound(np.stack([left, right]), 16_000, "pcm_f32le"))))
    np.testing.assert_allclose(audio.waveform, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("n_channels", [3, 9, 16])
def test_any_number_of_channels_is_heard(tmp_path: Path, n_channels: int) -> None:
    """Interview rooms record more channels than any speaker layout names."""
    samples = np.random.default_rng(0).normal(0, 3000, (8000, n_channels)).astype("<i2")
    with wave.open(str(tmp_path / "room.wav"), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    audio = decode(str(tmp_path / "room.wav"))

    assert audio.channel_levels.shape == (n_channels, 5)
    np.testing.assert_allclose(audio.waveform, samples.mean(axis=1) / 32768, atol=1e-4)


def test_levels_are_rms_in_dbfs_per_100_ms(tmp_path: Path) -> None:
    """A constant of 0.1 is -20 dBFS; the last frame may be shorter and is not diluted."""
    constant = np.full((1, 16_000 * 250 // 1000), 0.1, np.float32)
    audio = decode(str(write_media(tmp_path / "level.wav", Sound(constant, 16_000, "pcm_f32le"))))

    assert LEVEL_FRAME_MS == 100
    np.testing.assert_allclose(audio.channel_levels, [[-20, -20, -20]], atol=0.01)


@pytest.mark.parametrize(("louder_db", "expected"), [(2.5, None), (3.5, 1), (-3.5, 0)])
def test_a_channel_dominates_from_3_db_on(louder_db: float, expected: int | None) -> None:
    """Below that nobody can say which microphone the speaker wore."""
    levels = np.array([[-30.0] * 10, [-30.0 + louder_db] * 10], np.float32)
    assert dominant_channel(_audio(levels), Span(100, 700)) == expected


def test_no_channel_dominates_where_there_is_no_choice() -> None:
    """One channel, none, or a span after the audio: nothing to tell."""
    assert dominant_channel(_audio(np.zeros((1, 10), np.float32)), Span(0, 500)) is None
    assert dominant_channel(_audio(np.zeros((0, 0), np.float32)), Span(0, 500)) is None
    assert dominant_channel(_audio(np.zeros((2, 3), np.float32)), Span(5000, 6000)) is None


def test_a_video_without_audio_is_a_recording(tmp_path: Path) -> None:
    """Nothing to hear is a finding, not a failure."""
    metadata = {"creation_time": "2025-03-14T22:31:00.000000Z"}
    audio = decode(str(write_media(tmp_path / "mute.mp4", video_ms=4000, metadata=metadata)))

    assert len(audio.waveform) == 0
    assert audio.channel_levels.shape == (0, 0)
    assert audio.not_processed == ()
    assert audio.media == MediaFacts(
        4000, "mov,mp4,m4a,3gp,3g2,mj2", (), ("mpeg4",), 0, "2025-03-14T22:31:00+00:00", ("no audio stream",)
    )


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    """The picture in an MP3 is not listed among the video codecs."""
    audio = decode(str(write_media(tmp_path / "song.mp3", mono([500], 2000, codec="libmp3lame"), cover=True)))
    assert audio.media.audio_codecs == ("mp3",)
    assert audio.media.video_codecs == ()
    assert audio.media.duration_ms == 2000


@pytest.mark.parametrize(
    ("name", "codec", "video_ms", "options"),
    [
        ("cut.mp4", "aac", 10_000, {"movflags": "faststart"}),
        ("cut-sound.mp4", "aac", 0, {"movflags": "faststart"}),
        ("cut.mkv", "libopus", 10_000, {}),
        ("cut-sound.mkv", "libopus", 0, {}),
        ("cut.avi", "mp3", 10_000, {}),
        ("cut.wav", "pcm_s16le", 0, {}),
        ("cut.flac", "flac", 0, {}),
        ("cut.mp3", "libmp3lame", 0, {}),
    ],
)
def test_a_file_that_breaks_off_is_heard_up_to_there(
    tmp_path: Path, name: str, codec: str, video_ms: int, options: dict[str, str]
) -> None:
    """What is there is kept, and from there to the stated end the recording is `not_processed`, not silent."""
    path = write_media(tmp_path / name, noise(10_000, codec), video_ms=video_ms, options=options)
    whole = decode(str(path))
    broken = decode(str(cut(path, 0.6)))

    assert whole.not_processed == ()
    heard_ms = math.ceil(len(broken.waveform) / 16)
    assert 5000 < heard_ms < 7000
    (missing,) = broken.not_processed
    assert missing.start_ms == heard_ms
    assert missing.end_ms == pytest.approx(10_000, abs=50)
    assert broken.media.duration_ms == pytest.approx(whole.media.duration_ms, abs=50)
    assert any("the file is incomplete" in note for note in broken.media.notes)
    np.testing.assert_allclose(broken.waveform[: 4000 * 16], whole.waveform[: 4000 * 16], atol=1e-3)


@pytest.mark.parametrize("share", [0.5, 0.55, 0.6, 0.65, 0.7])
def test_a_fragmented_file_that_breaks_off_anywhere_is_heard_up_to_there(tmp_path: Path, share: float) -> None:
    """A camera that loses power leaves fragments without a stated length; the break is noted."""
    fragmented = {"movflags": "frag_keyframe+empty_moov"}
    path = write_media(tmp_path / "power.mp4", noise(10_000, "aac"), video_ms=10_000, options=fragmented)
    audio = decode(str(cut(path, share)))

    assert 4000 < len(audio.waveform) / 16 < 8000
    assert any("the file is incomplete" in note for note in audio.media.notes)
    assert audio.media.duration_ms >= len(audio.waveform) / 16


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "libopus")])
def test_audio_that_ends_before_the_video_is_not_missing(tmp_path: Path, suffix: str, codec: str) -> None:
    """There is nothing to hear after it, and nothing was lost."""
    audio = decode(str(write_media(tmp_path / f"short.{suffix}", mono([500], 2000, codec=codec), video_ms=6000)))

    assert len(audio.waveform) / 16 == pytest.approx(2000, abs=25)
    assert audio.media.duration_ms == pytest.approx(6000, abs=10)
    assert audio.not_processed == ()
    assert audio.media.notes == ()


def test_a_stretch_that_cannot_be_decoded_is_not_processed(tmp_path: Path) -> None:
    """The rest is heard at its own time, and the damage is neither silence nor a gap."""
    samples = noise(6000, "aac").channels * 0.1 + tone_bursts([5000], 6000, 48_000)
    path = write_media(tmp_path / "damaged.mp4", Sound(samples, 48_000, "aac"))
    damage(path, 2000, 3000)
    audio = decode(str(path))

    (missing,) = audio.not_processed
    assert missing.start_ms == pytest.approx(2000, abs=50)
    assert missing.end_ms == pytest.approx(3000, abs=50)
    assert centre_of_sound_ms(audio.waveform, 4800, 5200) == pytest.approx(5000, abs=2)
    assert any("damaged from 2.0 s to 3.0 s" in note for note in audio.media.notes)


def test_damage_in_one_of_two_streams_is_noted_and_the_moment_is_heard(tmp_path: Path) -> None:
    """A moment is `not_processed` only when no stream was heard in it."""
    path = write_media(tmp_path / "half.mp4", noise(6000, "aac"), mono([2500], 6000, codec="libmp3lame"))
    damage(path, 2000, 3000)
    audio = decode(str(path))

    assert audio.not_processed == ()
    assert any(note.startswith("audio stream 1 is damaged from") for note in audio.media.notes)


def heard(frames: list[Any], duration_s: float | None = 10.0) -> Timeline:
    timeline = Timeline(0.0, duration_s)
    for frame in frames:
        timeline.add(frame)
    timeline.finish()
    return timeline


def samples_of(timeline: Timeline) -> Any:
    (spool,) = timeline.spools
    spool.pad(timeline.n_samples)
    return spool.mapped()


def frames_of(samples: Any, rate: int, starts: list[int | None], length: int = 1600) -> list[Any]:
    """Frame i carries samples [i * length, …) and is stamped `starts[i]`."""
    return [audio_frame(samples[i * length : (i + 1) * length], rate, pts) for i, pts in enumerate(starts)]


def test_samples_heard_twice_are_dropped() -> None:
    """A clock that goes back a little repeats what is there: the first hearing stays, time stays right."""
    ramp = np.linspace(0, 0.9, 16_000, dtype=np.float32)
    # The second frame starts 250 ms before the first one ends, and says so.
    frames = [
        audio_frame(ramp[:4800], 16_000, 0),
        audio_frame(ramp[800:8000], 16_000, 800),
        audio_frame(ramp[8000:], 16_000, 8000),
    ]
    timeline = heard(frames)
    np.testing.assert_allclose(samples_of(timeline), ramp, atol=1e-6)
    assert timeline.notes == ["audio goes back 250 ms at 0.3 s; what repeats is dropped"]


@pytest.mark.parametrize("jump_s", [-3600, -11, 80, 1_000_000])
def test_a_clock_that_was_set_is_ignored(jump_s: int) -> None:
    """No recording of ten seconds has such a gap: the sound goes on, and the jump is noted."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 12).astype(np.float32)
    start = 16_000 * 11
    frames = [audio_frame(samples[:start], 16_000, 0), audio_frame(samples[start:], 16_000, start + jump_s * 16_000)]
    timeline = heard(frames)

    np.testing.assert_allclose(samples_of(timeline), samples, atol=1e-6)
    (note,) = timeline.notes
    assert "clock jumps" in note


@given(st.lists(st.integers(-20, 20), min_size=8, max_size=8))
def test_jitter_moves_no_sample(jitter_ms: list[int]) -> None:
    """Timestamps that wobble by less than 40 ms, or are missing, leave the count of samples in charge."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 1600 * 10).astype(np.float32)
    stamps = [0, *(1600 * (i + 1) + 16 * jitter for i, jitter in enumerate(jitter_ms)), None]
    timeline = heard(frames_of(samples, 16_000, stamps))
    np.testing.assert_allclose(samples_of(timeline), samples, atol=1e-6)
    assert timeline.notes == []


@given(st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000]), st.integers(200, 3_000))
def test_resampling_neither_adds_nor_loses_time(rate: int, n_samples: int) -> None:
    """The number of samples out is the length in, to half a sample."""
    samples = np.zeros(n_samples, np.float32)
    timeline = heard(frames_of(samples, rate, list(range(0, n_samples, 1600))))
    assert abs(timeline.n_samples - n_samples / rate * SAMPLE_RATE) <= 0.5


def test_a_recording_that_changes_its_rate_goes_on() -> None:
    """Frames may change form in mid-stream; time goes on."""
    slow, fast = tone_bursts([100], 200, 8_000), tone_bursts([100], 200, 48_000)
    timeline = heard([audio_frame(slow, 8_000, 0), audio_frame(fast, 48_000, 9_600)])
    assert timeline.n_samples == 400 * 16
    assert centre_of_sound_ms(samples_of(timeline), 200, 400) == pytest.approx(300, abs=2)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["index last", "index first"])
def test_the_id_is_the_sha256_of_the_file(tmp_path: Path, options: dict[str, str]) -> None:
    """Wherever the decoder jumps, the hash is that of all bytes in order."""
    path = write_media(tmp_path / "clip.mp4", noise(3000, "aac"), video_ms=3000, options=options)
    audio = decode(str(path))
    assert audio.recording_id == hashlib.sha256(path.read_bytes()).hexdigest()
    assert audio.size_bytes == path.stat().st_size


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=8))
def test_reading_in_any_order_gives_the_same_hash(contents: bytes, reads: list[tuple[int, int]]) -> None:
    """Seeking back and ahead changes neither the hash nor the size."""
    reader = HashingReader(io.BytesIO(contents))
    for position, size in reads:
        reader.seek(position)
        assert reader.read(size) == contents[position : position + size]
        assert reader.tell() == position + len(contents[position : position + size])
    assert reader.digest() == (hashlib.sha256(contents).hexdigest(), len(contents))


def test_a_url_is_heard_like_a_path(tmp_path: Path) -> None:
    """Any fsspec address will do, and gives the same recording."""
    import fsspec

    path = write_media(tmp_path / "clip.flac", mono([500], 1000, codec="flac"))
    with fsspec.open("memory://footage/clip.flac", "wb") as file:
        file.write(path.read_bytes())
    local, remote = decode(str(path)), decode("memory://footage/clip.flac")
    assert local.recording_id == remote.recording_id
    np.testing.assert_array_equal(local.waveform, remote.waveform)
    with pytest.raises(MediaMissing):
        decode("memory://footage/other.flac")


def test_a_store_that_fails_is_not_taken_for_the_end_of_the_file(tmp_path: Path) -> None:
    """A network that drops must not look like a short recording."""

    class Dropping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    reader = HashingReader(Dropping(bytes(200_000)))
    while True:
        try:
            if not reader.read(32_768):
                break
        except OSError:
            break
    with pytest.raises(OSError, match="Input/output error"):
        reader.check()


def test_probe_says_what_the_container_says(tmp_path: Path) -> None:
    """Streams, codecs, lengths and start times, without decoding."""
    late = mono([500], 3000, codec="pcm_s16le", lead_ms=1500)
    facts = probe(str(write_media(tmp_path / "late.mov", late, video_ms=5000)))

    assert facts.duration_ms == 5000
    audio, video = facts.streams
    assert (audio.kind, audio.codec, audio.start_ms, audio.duration_ms) == ("audio", "pcm_s16le", 1500, 3000)
    assert (audio.sample_rate, audio.channels, audio.width) == (48_000, 1, None)
    assert (video.kind, video.codec, video.width, video.height) == ("video", "mpeg4", 64, 48)
    assert facts.to_json()["streams"][1]["codec"] == "mpeg4"


TEXTS = {
    "words": b"this is no film\n",
    "table": b"path,recorded_at,officer\na.mp4,2025-03-14,Okafor\n" * 40,
    "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nthere\n",
    "web subtitles": b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n",
    "colours": b"\x1b[31mred\x1b[0m\n" * 200,
    "page": b"<html><body>404 Not Found</body></html>" * 50,
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    "list": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
}


@pytest.mark.parametrize("contents", TEXTS.values(), ids=TEXTS.keys())
def test_text_is_no_recording_and_opens_nothing_else(tmp_path: Path, contents: bytes) -> None:
    """Whatever FFmpeg makes of text, we hear nothing in it, and no file or address named in it is opened."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(contents)
    with pytest.raises(MediaUnreadable, match=r"does not recognise|neither audio nor video|list of other files"):
        decode(str(path))


def test_a_still_picture_is_no_recording(tmp_path: Path) -> None:
    """A photograph among the footage is refused, and says what it is."""
    path = write_media(tmp_path / "photo.png", container="image2pipe", cover=True)
    with pytest.raises(MediaUnreadable, match="png_pipe"):
        decode(str(path))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    """Zero bytes are named as such, not as a format nobody knows."""
    (tmp_path / "none.mp4").touch()
    with pytest.raises(MediaUnreadable, match="the file is empty"):
        decode(str(tmp_path / "none.mp4"))


def test_an_mp4_without_its_index_says_to_copy_it_again(tmp_path: Path) -> None:
    """The index comes last in what cameras write, so a broken copy lacks it."""
    path = cut(write_media(tmp_path / "copy.mp4", noise(3000, "aac"), video_ms=3000), 0.6)
    with pytest.raises(MediaUnreadable, match=r"index \(moov\) is missing.*copy it again") as raised:
        decode(str(path))
    assert raised.value.__cause__ is not None


def test_a_folder_a_missing_file_and_a_pipe_are_told_apart(tmp_path: Path) -> None:
    """Each has its own reason; none waits."""
    with pytest.raises(MediaUnreadable, match="it is a folder"):
        decode(str(tmp_path))
    with pytest.raises(MediaMissing):
        decode(str(tmp_path / "gone.mp4"))
    os.mkfifo(tmp_path / "pipe.mp4")
    assert stat.S_ISFIFO((tmp_path / "pipe.mp4").stat().st_mode)
    with pytest.raises(MediaUnreadable, match="not a regular file"):
        decode(str(tmp_path / "pipe.mp4"))


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A file this process may not read, as an ordinary user even when the tests run as root."""
    path = tmp_path / "sealed.mp4"
    path.write_bytes(b"sealed")
    path.chmod(0)
    uid = os.geteuid()
    if uid == 0:
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        os.seteuid(65_534)
    yield path
    os.seteuid(uid)


def test_a_file_we_may_not_read_says_so(forbidden: Path) -> None:
    """Permission is a different matter from damage."""
    with pytest.raises(MediaForbidden, match="grant read permission"):
        decode(str(forbidden))


def test_an_unknown_address_says_so() -> None:
    """A protocol nobody implements is the source's fault, with the cause kept."""
    with pytest.raises(MediaUnreadable, match="address cannot be opened") as raised:
        decode("carrier-pigeon://loft/7.mp4")
    assert raised.value.__cause__ is not None


def test_a_full_temporary_folder_is_not_blamed_on_the_recording() -> None:
    """The next step is to make room, not to copy the file again."""
    with pytest.raises(MediaUnreadable, match="TMPDIR"), media_errors("clip.mp4"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_errors_survive_pickling(tmp_path: Path) -> None:
    """Workers in other processes report them."""
    with pytest.raises(MediaUnreadable) as raised:
        decode(str(tmp_path))
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """FFmpeg is quiet even about damage."""
    path = cut(write_media(tmp_path / "cut.mkv", noise(3000, "libopus"), video_ms=3000), 0.5)
    damage(path, 500, 800)
    decode(str(path))
    assert capfd.readouterr() == ("", "")


def _audio(levels: Any) -> Audio:
    return Audio(
        RecordingId("0" * 64), MediaFacts(1000, "wav"), np.zeros(16_000, np.float32), np.asarray(levels), (), 1
    )
