"""Who speaks when: people are told apart, nobody is made up."""

from __future__ import annotations

import numpy as np
import pytest

from gpu.devices import pick_device
from gpu.listener import HearingModels, HearingOptions, Listener, use
from gpu.models import ModelPlaces
from tests.conftest import FOOTAGE, reference
from transcribe.diarization import DiarizationOptions, Diarizer
from transcribe.errors import ModelUnusable
from transcribe.hearing import StageSeconds
from transcribe.media import decode
from transcribe.spans import Span

TRAFFIC_STOP = "AXON_Body_3_2025-03-14_2231_X60A12345"  # three people, one of them briefly over the radio


@pytest.fixture(scope="module")
def models(model_places: ModelPlaces) -> HearingModels:
    return HearingModels.find("whisper-tiny.en", pick_device("cpu"), model_places)


@pytest.fixture(scope="module")
def listener(models: HearingModels) -> Listener:
    return Listener(models, HearingOptions(), pick_device("cpu"))


def test_people_are_told_apart(listener: Listener) -> None:
    """Most of the time each true speaker holds the floor, one label is theirs; labels count from 00."""
    audio = decode(str(FOOTAGE / f"{TRAFFIC_STOP}.mp4"))
    turns = listener.turns(audio, StageSeconds()).turns
    shared: dict[str, dict[str, int]] = {}
    for utterance in reference(TRAFFIC_STOP)["utterances"]:
        span = Span(round(utterance["start"] * 1000), round(utterance["end"] * 1000))
        for turn in turns:
            labels = shared.setdefault(utterance["speaker"], {})
            labels[turn.speaker] = labels.get(turn.speaker, 0) + span.overlap_ms(turn.span)
    right = sum(max(labels.values()) for labels in shared.values())
    total = sum(sum(labels.values()) for labels in shared.values())

    assert right / total > 0.85
    assert len({turn.speaker for turn in turns}) == len(shared) == 3
    assert list(dict.fromkeys(turn.speaker for turn in turns)) == [
        f"SPEAKER_{n:02d}" for n in range(len({turn.speaker for turn in turns}))
    ]
    assert all(0 <= turn.start_ms < turn.end_ms <= audio.media.duration_ms for turn in turns)
    assert [turn.start_ms for turn in turns] == sorted(turn.start_ms for turn in turns)


@pytest.mark.parametrize("seconds", [0, 0.05, 3])
def test_silence_has_no_speakers(models: HearingModels, seconds: float) -> None:
    """No sound, too little sound, and plain silence: nobody."""
    diarizer = Diarizer(
        (models.segmentation.weights, use(models.segmentation)),
        (models.speaker.weights, use(models.speaker)),
        DiarizationOptions(),
    )
    assert diarizer.turns(np.zeros(int(16_000 * seconds), np.float32)) == []


def test_wrong_weights_are_refused_by_name(models: HearingModels) -> None:
    """The error names the model whose file is not one."""
    with pytest.raises(ModelUnusable, match=r"segmentation-3\.0"):
        Diarizer(
            (FOOTAGE / "manifest.csv", use(models.segmentation)),
            (models.speaker.weights, use(models.speaker)),
            DiarizationOptions(),
        )
