"""Which device hears, and how: compute type and threads."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpu.errors import DeviceMissing

# In the order of our liking. CTranslate2 names what a GPU computes efficiently: before Volta (2017) no float16.
CUDA_COMPUTE_TYPES = ("float16", "int8_float16", "int8_float32", "float32")
CUBLAS = "libcublas.so.12"  # as CTranslate2 opens it, when it first multiplies

DeviceName = Literal["auto", "cpu", "cuda"]
Gpus = Callable[[], Sequence[Collection[str]]]


@dataclass(frozen=True, slots=True)
class Device:
    """A device to run models on, or several GPUs.

    `compute_type` is CTranslate2's: int8 on CPU (four times smaller, faster, and measured equal in
    error rate by its authors), on GPUs the first of `CUDA_COMPUTE_TYPES` that one of them supports.
    `threads` is what each batch gets, and each of the two models that hear side by side. `runners` batches of
    words may run at once on each GPU of `indices` (on the CPU: in all).

    On the CPU words keep to their half of the cores also when no voices are told apart. A second batch at once would
    use the other half, but beside a diarizer it takes time from the slower of the two, which the ingest waits for.
    """

    name: Literal["cpu", "cuda"]
    compute_type: str
    threads: int
    runners: int = 1
    indices: tuple[int, ...] = (0,)

    @property
    def torch_name(self) -> str:
        """The one that tells voices apart, as torch calls it."""
        return self.name if self.name == "cpu" else f"{self.name}:{self.indices[0]}"

    def __str__(self) -> str:
        if self.name == "cpu":
            return f"cpu, {self.compute_type}, {self.threads} threads"
        return f"cuda {', '.join(map(str, self.indices))}, {self.compute_type}"


class NoGpu(Exception):
    """Why CUDA cannot be used."""


def visible_gpus() -> list[set[str]]:
    """The compute types each GPU supports efficiently, by CTranslate2's index: those CUDA_VISIBLE_DEVICES leaves.

    Raises:
        NoGpu: there is none, or cuBLAS does not load.
    """
    preload_cublas()
    import ctranslate2

    n_gpus = ctranslate2.get_cuda_device_count()
    if n_gpus == 0:
        raise NoGpu("no CUDA device is visible to CTranslate2")
    try:
        ctypes.CDLL(CUBLAS)
    except OSError as error:
        raise NoGpu(f"{CUBLAS} cannot be loaded ({error}); `pip install 'earwitness[gpu]'` brings it") from error
    return [ctranslate2.get_supported_compute_types("cuda", index) for index in range(n_gpus)]


def pick_device(wanted: DeviceName = "auto", threads: int | None = None, gpus: Gpus = visible_gpus) -> Device:
    """The device to use.

    CUDA means every visible GPU that supports the best compute type any of them does: an old card beside new ones is
    left alone rather than slowing them down.

    Args:
        wanted: "auto" takes CUDA where CTranslate2 sees a GPU and its libraries load, else the CPU.
        threads: CPU threads for each of the two models that hear side by side; default half of the cores
            this process may use.

    Raises:
        DeviceMissing: "cuda" was asked for and cannot be used.
    """
    threads = threads or max(1, len(os.sched_getaffinity(0)) // 2)
    cpu = Device("cpu", "int8", threads)
    if wanted == "cpu":
        return cpu
    try:
        supported = gpus()
    except NoGpu as error:
        if wanted == "cuda":
            raise DeviceMissing("cuda", str(error)) from error
        return cpu
    for compute_type in CUDA_COMPUTE_TYPES:
        indices = tuple(index for index, types in enumerate(supported) if compute_type in types)
        if indices:
            return Device("cuda", compute_type, threads, indices=indices)
    raise DeviceMissing("cuda", f"no GPU supports any of {', '.join(CUDA_COMPUTE_TYPES)}")


def free_gpu_memory(device: Device) -> int | None:
    """Bytes free on the fullest of the device's GPUs; None where torch does not see them."""
    import torch

    if not torch.cuda.is_available():
        return None
    return min(int(torch.cuda.mem_get_info(index)[0]) for index in device.indices)


def wait_without_spinning() -> None:
    """Let the OpenMP threads of CTranslate2 and torch sleep while they have nothing to do.

    By default each library's threads spin for a while after every step, on the cores the other library (or
    another process) would use: on 2 cores with another ingest beside it, one recording then took four times
    the time and the CPU. Must run before the libraries are loaded; a setting of the operator's stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # Intel's runtime, which CTranslate2 brings


def preload_cublas() -> None:
    """Make `libcublas.so.12` findable by name, as CTranslate2 opens it.

    The wheel `nvidia-cublas-cu12` puts it where the loader does not look; a library that is already
    loaded is found. Does nothing where the wheel is not installed (every CPU machine).
    """
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or [] if spec else []:
        folder = Path(place) / "cublas" / "lib"
        for library in ("libcublasLt.so.12", CUBLAS):
            if (folder / library).exists():
                ctypes.CDLL(str(folder / library), mode=ctypes.RTLD_GLOBAL)
