"""Which device hears, and how much at once. GPUs are made up here: what they support, and how much memory they have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu.batch_size import MOST_WINDOWS, SHARE, UNKNOWN_MEMORY_WINDOWS, WhisperSize, cpu_batch_size, gpu_batch_size
from gpu.devices import CUDA_COMPUTE_TYPES, Device, NoGpu, free_gpu_memory, pick_device, visible_gpus
from gpu.errors import DeviceMissing
from gpu.listener import HearingModels, HearingOptions, Listener
from gpu.models import ModelPlaces, resolve
from tests.conftest import FOOTAGE
from transcribe.decoding import MAX_FRAMES, Decode, Encode, Plan

GIB = 1 << 30
AMPERE = {"float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16"}
PASCAL = {"float32", "int8", "int8_float32"}
TURBO = WhisperSize(width=1280, heads=20, layers=4, vocabulary=51_866)  # large-v3-turbo
LARGE = WhisperSize(width=1280, heads=20, layers=32, vocabulary=51_866)


def encode(n_frames: int = MAX_FRAMES) -> Encode:
    return Encode(np.zeros((80, n_frames), np.float32))


def decode(n_frames: int = MAX_FRAMES, beam_size: int = 5) -> Decode:
    return Decode(np.zeros((n_frames // 2, 8), np.float32), n_frames, "en", Plan(beam_size=beam_size))


def no_gpu() -> Sequence[set[str]]:
    raise NoGpu("no CUDA device is visible to CTranslate2")


@pytest.mark.parametrize(
    ("gpus", "compute_type", "indices"),
    [
        ([AMPERE], "float16", (0,)),
        ([PASCAL], "int8_float32", (0,)),
        ([{"float32"}], "float32", (0,)),
        ([AMPERE, AMPERE, AMPERE], "float16", (0, 1, 2)),
        ([PASCAL, AMPERE, {"float32"}, AMPERE], "float16", (1, 3)),
    ],
)
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_every_gpu_that_computes_in_the_best_type_hears(
    wanted: str, gpus: list[set[str]], compute_type: str, indices: tuple[int, ...]
) -> None:
    """An old card beside new ones is left alone; voices go to the first that hears."""
    device = pick_device("cuda" if wanted == "cuda" else "auto", 2, lambda: gpus)

    assert (device.name, device.compute_type, device.indices) == ("cuda", compute_type, indices)
    assert device.torch_name == f"cuda:{indices[0]}"
    assert compute_type in CUDA_COMPUTE_TYPES


def test_without_a_gpu_auto_is_the_cpu_and_cuda_says_why_not() -> None:
    """The reason is in the error, and so is what works."""
    assert pick_device("auto", 2, no_gpu) == pick_device("cpu", 2) == Device("cpu", "int8", 2)
    assert pick_device("cpu", 2).torch_name == "cpu"
    with pytest.raises(DeviceMissing, match=r"no CUDA device.*--device cpu"):
        pick_device("cuda", 2, no_gpu)


def test_gpus_that_can_do_nothing_we_know_are_refused() -> None:
    """One line, not a crash in the first batch."""
    with pytest.raises(DeviceMissing, match="float16"):
        pick_device("auto", 2, lambda: [{"float8"}])


def test_the_gpus_of_this_machine_are_described_or_their_lack_is() -> None:
    """Nothing made up: CTranslate2 is asked."""
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        assert all("float32" in types for types in visible_gpus())
        return
    with pytest.raises(NoGpu, match="no CUDA device"):
        visible_gpus()
    assert free_gpu_memory(Device("cuda", "float16", 1)) is None


def test_dimensions_are_read_from_the_model_file(model_places: ModelPlaces) -> None:
    """As published by OpenAI: base is 512 wide, tiny 384."""
    assert WhisperSize.read(resolve("whisper-base", model_places).weights) == WhisperSize(512, 8, 6, 51_865)
    assert WhisperSize.read(resolve("whisper-tiny.en", model_places).weights) == WhisperSize(384, 6, 4, 51_864)


def test_a_file_that_is_no_whisper_model_has_no_dimensions(model_places: ModelPlaces) -> None:
    """Whatever it holds, the error names it."""
    voice_activity = resolve("silero-vad", model_places).weights
    footage = next(FOOTAGE.glob("*.mp4"))
    for path in (voice_activity, footage):
        with pytest.raises(ValueError, match=f"{path.name} is no Whisper model"):
            WhisperSize.read(path)


sizes = st.builds(
    WhisperSize, st.integers(64, 2048), st.integers(1, 32), st.integers(1, 48), st.integers(1_000, 100_000)
)
requests = st.one_of(
    st.builds(encode, st.integers(1, 12).map(lambda n: 250 * n)),
    st.builds(decode, st.integers(1, 12).map(lambda n: 250 * n), st.integers(1, 8)),
)


@given(requests, sizes, st.sampled_from(CUDA_COMPUTE_TYPES), st.integers(0, 200 * GIB))
def test_a_batch_is_estimated_to_fit_its_share_of_free_memory(
    request: Encode | Decode, size: WhisperSize, compute_type: str, free_bytes: int
) -> None:
    """Never none, never more than is useful, never more than the share; and no smaller on a larger GPU."""
    found = gpu_batch_size(request, size, compute_type, free_bytes)

    assert 1 <= found <= MOST_WINDOWS
    value_bytes = 2 if compute_type.endswith("float16") else 4
    if isinstance(request, Encode):
        needed = size.encoder_bytes(request.features.shape[1], value_bytes)
    else:
        needed = size.decoder_bytes(len(request.encoded), request.plan.beam_size, value_bytes)
    assert found == 1 or found * needed <= free_bytes * SHARE
    assert found <= gpu_batch_size(request, size, compute_type, 2 * free_bytes)


def test_longer_windows_wider_beams_and_larger_models_take_more() -> None:
    """What is known to cost memory does in the estimate."""
    assert TURBO.encoder_bytes(1_500, 2) < TURBO.encoder_bytes(3_000, 2) < TURBO.encoder_bytes(3_000, 4)
    assert TURBO.decoder_bytes(750, 5, 2) < TURBO.decoder_bytes(1_500, 5, 2) < LARGE.decoder_bytes(1_500, 5, 2)
    assert LARGE.decoder_bytes(1_500, 1, 2) < LARGE.decoder_bytes(1_500, 5, 2)
    # By hand: keys and values of 1,500 positions and of 448 tokens in five beams, in float16, are 245 and 734 MB.
    assert LARGE.decoder_bytes(1_500, 5, 2) > 245e6 + 734e6


def test_gpus_of_usual_sizes_get_usual_batches() -> None:
    """8 GB hold some windows of 30 s, 80 GB as many as are useful; what is unknown gets a middling batch."""
    assert 4 <= gpu_batch_size(decode(), TURBO, "float16", 6 * GIB) < 32
    assert gpu_batch_size(decode(), TURBO, "float16", 78 * GIB) == MOST_WINDOWS
    assert gpu_batch_size(encode(), TURBO, "float16", 78 * GIB) == MOST_WINDOWS
    assert gpu_batch_size(decode(), LARGE, "float16", 100 << 20) == 1
    assert gpu_batch_size(decode(), TURBO, "float16", None) == UNKNOWN_MEMORY_WINDOWS


def test_a_listener_on_gpus_sizes_batches_by_the_model_asked(
    model_places: ModelPlaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The translator here is larger than the recogniser, so that fewer of its windows fit."""
    monkeypatch.setattr("gpu.listener.free_gpu_memory", lambda _device: 2 * GIB)
    device = pick_device("cuda", 2, lambda: [AMPERE])
    models = HearingModels.find("whisper-tiny.en", device, model_places, "whisper-base")
    most = Listener(models, HearingOptions(), device).batch_size()
    translate = Decode(np.zeros((1_500, 8), np.float32), 3_000, "es", Plan(), "translate")
    transcribe = Decode(np.zeros((1_500, 8), np.float32), 3_000, "en", Plan())

    assert 1 < most(translate) < most(transcribe) < MOST_WINDOWS
    cpu = Listener(models, HearingOptions(), pick_device("cpu")).batch_size()
    assert cpu is cpu_batch_size
    assert (cpu(encode()), cpu(decode())) == (1, 8)
