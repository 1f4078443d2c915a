"""The decoder on CTranslate2, with the real model: where it is stopped, and that it says so."""

from __future__ import annotations

import numpy as np
import pytest

from gpu.listener import use
from gpu.models import ModelPlaces, resolve
from transcribe.whisper import SPARE_TOKENS, TOKENS_PER_SECOND, Decode, Decoded, Encode, Encoded, Plan, Whisper


@pytest.fixture(scope="module")
def whisper(model_places: ModelPlaces) -> Whisper:
    model = resolve("whisper-base", model_places)
    return Whisper(model.path, use(model), threads=1)


@pytest.fixture(scope="module")
def noise(whisper: Whisper) -> Decode:
    """Two seconds of noise in the shortest bucket."""
    samples = np.random.default_rng(0).normal(0, 0.05, 32_000).astype(np.float32)
    (encoded,) = whisper.answer([Encode(whisper.features(samples, 250))])
    assert isinstance(encoded, Encoded)
    return Decode(encoded.output, 200, "en", Plan())


def decoded(whisper: Whisper, *requests: Decode) -> list[Decoded]:
    answers = [answer for answer in whisper.answer(requests) if isinstance(answer, Decoded)]
    assert len(answers) == len(requests)
    return answers


def test_a_decoder_that_does_not_end_is_stopped_at_its_limit_and_says_so(
    whisper: Whisper, noise: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the room a window of its length has is used first; one that ends by itself is not at its limit."""
    (ended,) = decoded(whisper, noise)
    monkeypatch.setitem(whisper.__dict__, "_suppressed", [whisper._end])  # it cannot end
    _, (result,) = whisper.generate([noise])
    (endless,) = decoded(whisper, noise)

    assert not ended.at_limit
    assert len(result.sequences_ids[0]) == SPARE_TOKENS + TOKENS_PER_SECOND * 5 // 2
    assert endless.at_limit
