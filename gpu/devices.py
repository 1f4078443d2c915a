"""Which device hears, and how: compute type and threads."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gpu.errors import DeviceMissing

# Not measured: no GPU was at hand. A batch that does not fit is halved, and no larger one is tried (gpu/batching.py).
CUDA_BATCH_SIZE = 16

DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device to run models on.

    `compute_type` is CTranslate2's: int8 on CPU (four times smaller, faster, and measured equal in
    error rate by its authors), float16 on GPUs that compute in it, int8_float16 on smaller ones.
    `threads` is what each batch gets, and each of the two models that hear side by side. `runners` batches of
    words may run at once, each at most `batch_size` windows; the encoder takes `encoder_batch_size` of them: one
    on the CPU, where two no longer fit the cache (30 s windows one by one: 60 times real time; eight: 53; 20 s:
    119 and 59).
    """

    name: Literal["cpu", "cuda"]
    compute_type: str
    threads: int
    runners: int = 1
    batch_size: int = 8
    encoder_batch_size: int = 1


def pick_device(wanted: DeviceName = "auto", threads: int | None = None) -> Device:
    """The device to use.

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
    preload_cublas()
    import ctranslate2

    if ctranslate2.get_cuda_device_count() == 0:
        if wanted == "cuda":
            raise DeviceMissing("cuda", "no CUDA device is visible to CTranslate2")
        return cpu
    types = ctranslate2.get_supported_compute_types("cuda")
    compute_type = "float16" if "float16" in types else "int8_float16"
    return Device("cuda", compute_type, threads, batch_size=CUDA_BATCH_SIZE, encoder_batch_size=CUDA_BATCH_SIZE)


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
        for library in ("libcublasLt.so.12", "libcublas.so.12"):
            if (folder / library).exists():
                ctypes.CDLL(str(folder / library), mode=ctypes.RTLD_GLOBAL)
