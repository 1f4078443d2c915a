"""What `transcribe` raises on purpose: each error names the input, the reason and the next step."""

from __future__ import annotations


class TranscribeError(Exception):
    """Base of everything `transcribe` raises on purpose.

    `transient` says whether trying the same thing again, later or smaller, can succeed.
    """

    transient = False


class MediaUnreadable(TranscribeError):
    """The bytes could be had, or should have been, but no recording can be made of them."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)  # args equal the parameters: the error survives pickling
        self.source, self.reason = source, reason

    def __str__(self) -> str:
        return f"cannot read {self.source}: {self.reason}. `earwitness doctor {self.source}` says more."


class MediaMissing(TranscribeError):
    """There is nothing at this path or URL."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return f"{self.source} does not exist: check the path, or whether the share is mounted."


class MediaForbidden(TranscribeError):
    """The operating system or the store does not let us read this file."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return f"{self.source} may not be read by this user: grant read permission and run again."


class ModelUnusable(TranscribeError):
    """A model could be found but not loaded, or failed on well-formed input."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(model, reason)
        self.model, self.reason = model, reason

    def __str__(self) -> str:
        return f"model {self.model} cannot be used: {self.reason}. `earwitness models` lists what is installed."


class VocabularyUnreadable(TranscribeError):
    """A vocabulary file makes no sense."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"cannot use the vocabulary {self.path}: {self.reason}. It is a text file in UTF-8 with one word or "
            "phrase a line."
        )


class CorrectionWrong(TranscribeError):
    """A correction cannot be made as it is written."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return f"cannot correct {self.where}: {self.reason}. Nothing was changed; mend it and try again."


class CorrectionOutdated(TranscribeError):
    """A correction is of a version that is not, or no longer, the current one."""

    def __init__(self, base: str, current: str) -> None:
        super().__init__(base, current)
        self.base, self.current = base, current

    def __str__(self) -> str:
        return (
            f"the correction is of transcript version {self.base}, but the current one is {self.current}: nothing was "
            "changed. `earwitness export RECORDING --format json` gives the current one; correct that."
        )
