"""pyannote's own pipeline behind our seam, with a pipeline that says what it is told to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyannote.core import Annotation, Segment

from benchmarks.pyannote_pipeline import PipelineOptions, PyannotePipeline
from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import COMMUNITY, Model, ModelPlaces, resolve
from gpu.turns_hearing import TurnsOneByOne
from tests.conftest import FOOTAGE
from tests.media_maker import mono, write_media
from transcribe.clustering import ClusterOptions
from transcribe.community import CommunityDiarizer
from transcribe.diarization import DiarizationOptions
from transcribe.errors import ModelUnusable
from transcribe.media import decode
from transcribe.spans import merge, total_ms
from transcribe.stage_seconds import StageSeconds
from transcribe.transcript import ModelUse, Turn
from transcribe.turns import Diarization

TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"
USE = ModelUse(COMMUNITY, "pyannote/speaker-diarization-community-1", "cc" * 32)


class Scripted:
    """A pipeline that finds two people, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def __call__(self, audio: dict[str, Any], **bounds: Any) -> SimpleNamespace:
        self.asked.append((audio, bounds))
        return SimpleNamespace(
            speaker_diarization=annotation((0.0, 2.5004, "B"), (2.0, 9.0, "A"), (-0.01, 0.0001, "C")),
            exclusive_speaker_diarization=annotation((0.0, 2.2, "B"), (2.2, 9.0, "A")),
        )


def annotation(*turns: tuple[float, float, str]) -> Annotation:
    made = Annotation()
    for track, (start, end, label) in enumerate(turns):
        made[Segment(start, end), track] = label
    return made


def test_turns_are_within_the_recording_and_labels_count_by_first_speech() -> None:
    """Both views are named alike; what lies outside the recording is cut off, what lasts no time left out."""
    pipeline = Scripted()
    found = CommunityDiarizer(pipeline, ClusterOptions(), USE).diarize(np.zeros(80_000, np.float32))

    assert found.turns == (Turn(0, 2_500, "SPEAKER_00"), Turn(2_000, 5_000, "SPEAKER_01"))
    assert found.exclusive == (Turn(0, 2_200, "SPEAKER_00"), Turn(2_200, 5_000, "SPEAKER_01"))
    ((audio, _bounds),) = pipeline.asked
    assert (tuple(audio["waveform"].shape), audio["sample_rate"]) == ((1, 80_000), 16_000)


def test_the_pipeline_is_told_how_many_people_there_may_be() -> None:
    """And provenance says what it was told."""
    pipeline = Scripted()
    diarizer = CommunityDiarizer(pipeline, ClusterOptions(min_speakers=2, max_speakers=3), USE)
    diarizer.diarize(np.zeros(16_000, np.float32))

    assert [bounds for _audio, bounds in pipeline.asked] == [{"min_speakers": 2, "max_speakers": 3}]
    assert [use.options for use in diarizer.uses] == [{"min_speakers": 2, "max_speakers": 3}]


@pytest.mark.parametrize("n_samples", [0, 800])
def test_too_little_sound_has_no_speakers(n_samples: int) -> None:
    """The pipeline is not asked."""
    pipeline = Scripted()

    assert CommunityDiarizer(pipeline, ClusterOptions(), USE).diarize(np.zeros(n_samples, np.float32)) == Diarization()
    assert pipeline.asked == []


def test_a_real_pipeline_fits(model_places: ModelPlaces) -> None:
    """pyannote's class, with models that are installed here: both views, the same moments, as many people as may be."""
    segmentation, speaker = (resolve(name, model_places).weights for name in ("segmentation-3.0", "campplus"))
    pipeline = PyannotePipeline(segmentation, speaker, PipelineOptions(0.5, 0.7, 2), 1)._pipeline
    waveform = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4")).waveform[16_000 * 30 : 16_000 * 55]
    found = CommunityDiarizer(pipeline, ClusterOptions(min_speakers=2, max_speakers=2), USE).diarize(waveform)

    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00", "SPEAKER_01"}
    assert {turn.speaker for turn in found.exclusive} <= {turn.speaker for turn in found.turns}
    assert all(left.end_ms <= right.start_ms for left, right in pairwise(found.exclusive))
    spoken, held = (total_ms(merge(turn.span for turn in some)) for some in (found.turns, found.exclusive))
    assert abs(spoken - held) < 0.05 * spoken


def test_the_pipeline_hears_one_recording_at_a_time(tmp_path: Path) -> None:
    """However many ask: nobody says that it may be run by two threads at once."""
    write_media(tmp_path / "one.wav", mono([200], 500, 16_000, "pcm_s16le"))
    audio = decode(str(tmp_path / "one.wav"))
    company = threading.Barrier(2)
    met: list[int] = []

    class Shy(Scripted):
        def __call__(self, audio: dict[str, Any], **bounds: Any) -> SimpleNamespace:
            with suppress(threading.BrokenBarrierError):
                met.append(company.wait(0.1))  # breaks, unless another is here as well
            return super().__call__(audio, **bounds)

    pipeline = Shy()
    hearing = TurnsOneByOne(CommunityDiarizer(pipeline, ClusterOptions(), USE))
    spent = [StageSeconds() for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        artifacts = list(threads.map(lambda own: hearing.turns(audio, own), spent))
    hearing.close()

    assert met == []
    assert len(pipeline.asked) == 3
    assert artifacts[0].turns
    assert artifacts == [artifacts[0]] * 3
    assert all(one.seconds["diarize"] > 0 for one in spent)


def test_a_folder_in_the_models_folder_is_taken_instead_of_our_models(
    tmp_path: Path, model_places: ModelPlaces
) -> None:
    """Turns are heard again when any of its files or the bounds change, not for options of ours; words stay."""
    cpu, places = pick_device("cpu"), ModelPlaces(tmp_path, model_places.cache)
    ours = HearingModels.find("whisper-tiny.en", cpu, places)
    folder = tmp_path / COMMUNITY
    (folder / "plda").mkdir(parents=True)
    (folder / "config.yaml").write_text("pipeline: {}")
    (folder / "plda" / "plda.npz").write_bytes(b"one")
    first = HearingModels.find("whisper-tiny.en", cpu, places)
    (folder / "plda" / "plda.npz").write_bytes(b"two")
    second = HearingModels.find("whisper-tiny.en", cpu, places)
    two = HearingOptions(diarization=DiarizationOptions(clusters=ClusterOptions(max_speakers=2)))
    other = HearingOptions(diarization=DiarizationOptions(change_cost=0.2))
    plain = HearingOptions()

    assert isinstance(first.speakers, Model)
    assert first.speakers.path == folder
    prints = [one.fingerprints(plain) for one in (ours, first, second)] + [second.fingerprints(two)]
    assert len({each["turns"] for each in prints}) == 4
    assert len({each["words"] for each in prints}) == 1
    assert second.fingerprints(other) == second.fingerprints(plain)


def test_a_folder_that_is_no_pipeline_is_refused_by_name(tmp_path: Path, model_places: ModelPlaces) -> None:
    """Asked for turns, the listener says which model cannot be used."""
    (tmp_path / COMMUNITY).mkdir()
    (tmp_path / COMMUNITY / "config.yaml").write_text("pipeline: {}")
    write_media(tmp_path / "one.wav", mono([200], 500, 16_000, "pcm_s16le"))
    cpu, places = pick_device("cpu"), ModelPlaces(tmp_path, model_places.cache)
    listener = Listener(HearingModels.find("whisper-tiny.en", cpu, places), HearingOptions(), cpu)

    with pytest.raises(ModelUnusable, match=COMMUNITY):
        listener.turns(decode(str(tmp_path / "one.wav")), StageSeconds())
