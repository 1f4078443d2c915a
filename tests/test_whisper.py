"""The decoder on CTranslate2, with the real model: where it is stopped, and what a prompt does to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpu.listener import use
from gpu.models import ModelPlaces, resolve
from tests.conftest import FOOTAGE
from transcribe.decoding import MAX_FRAMES, PROMPT_TOKENS, Decode, Decoded, Encode, Encoded, Plan
from transcribe.errors import ModelUnusable
from transcribe.media import decode
from transcribe.speech import SAMPLES_PER_MS
from transcribe.whisper import SPARE_TOKENS, TOKENS_PER_SECOND, Whisper, encoder

TRAFFIC_STOP = FOOTAGE / "AXON_Body_3_2025-03-14_2231_X60A12345.mp4"
NAMES = " Schuylkill Avenue, Kowalczyk, Nguyen, Harborview Grill"


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


@pytest.fixture(scope="module")
def spoken(whisper: Whisper) -> list[Decode]:
    """Three windows of one padded length: the street is named in the first, nobody is in the others."""
    waveform = decode(str(TRAFFIC_STOP)).waveform
    spans = [(3_400, 9_900), (15_200, 22_000), (40_900, 46_500)]
    answers = whisper.answer(
        [Encode(whisper.features(waveform[a * SAMPLES_PER_MS : b * SAMPLES_PER_MS], 750)) for a, b in spans]
    )
    return [
        Decode(answer.output, (b - a) // 10, "en", Plan(beam_size=2))
        for answer, (a, b) in zip(answers, spans, strict=True)
        if isinstance(answer, Encoded)
    ]


def test_a_prompt_makes_a_name_heard_and_the_answer_is_the_same_in_any_company(
    whisper: Whisper, spoken: list[Decode]
) -> None:
    """Beside windows with another prompt of that length, and beside none; its times and scores, too."""
    names = whisper.tokens(NAMES)
    primed = [replace(spoken[0], prompt=names), *(replace(one, prompt=names[::-1]) for one in spoken[1:])]
    (alone,) = decoded(whisper, primed[0])
    together = decoded(whisper, *reversed(primed))
    (plain,) = decoded(whisper, spoken[0])

    assert "Schuylkill" in alone.text
    assert "Schuylkill" not in plain.text
    assert replace(together[-1], seconds=0.0, align_seconds=0.0) == replace(alone, seconds=0.0, align_seconds=0.0)
    assert abs(alone.avg_logprob - plain.avg_logprob) < 0.5  # per token written: the prompt's own do not count
    assert len({one.bucket for one in (*primed, spoken[0])}) == 2


def test_the_longest_prompt_leaves_room_in_the_longest_window(
    whisper: Whisper, noise: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All positions of the decoder are used, and none that it does not have; being stopped there is noticed."""
    samples = np.random.default_rng(0).normal(0, 0.05, 32_000).astype(np.float32)
    (encoded,) = whisper.answer([Encode(whisper.features(samples, MAX_FRAMES))])
    assert isinstance(encoded, Encoded)
    monkeypatch.setitem(whisper.__dict__, "_suppressed", [whisper._end])
    prompt = (whisper.tokens(NAMES) * PROMPT_TOKENS)[:PROMPT_TOKENS]
    (answer,) = decoded(whisper, replace(noise, encoded=encoded.output, prompt=prompt))

    assert answer.at_limit


def test_text_becomes_the_same_tokens_without_the_model(whisper: Whisper, model_places: ModelPlaces) -> None:
    """A tokenizer alone tells what fits; a folder without one is refused with the model's name."""
    model = resolve("whisper-base", model_places)

    assert encoder(model.path, model.name)(NAMES) == whisper.tokens(NAMES)
    with pytest.raises(ModelUnusable, match="my-model"):
        encoder(FOOTAGE, "my-model")
