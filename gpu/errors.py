"""What `gpu` raises on purpose."""

from __future__ import annotations

from pathlib import Path


class GpuError(Exception):
    """Base of everything `gpu` raises on purpose."""

    transient = False


class ModelMissing(GpuError):
    """No place we look in has this model."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(name, remedy)
        self.name, self.remedy = name, remedy

    def __str__(self) -> str:
        return f"model {self.name!r} is not installed: {self.remedy}"


class ModelDamaged(GpuError):
    """A model file is not the file that was published."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path, self.expected, self.found = path, expected, found

    def __str__(self) -> str:
        return (
            f"{self.path} has SHA-256 {self.found[:12]}…, but {self.expected[:12]}… was published: "
            "delete it and install the model again."
        )


class CacheUnusable(GpuError):
    """The folder where joined and downloaded models are kept cannot be read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot keep models in {self.path}: {self.reason}. Set EARWITNESS_CACHE to a folder of this user."


class DeviceMissing(GpuError):
    """The device asked for is not there."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(device, reason)
        self.device, self.reason = device, reason

    def __str__(self) -> str:
        return f"device {self.device!r} cannot be used: {self.reason}. `--device cpu` works everywhere."
