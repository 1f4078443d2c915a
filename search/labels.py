"""Labels: what is said about a recording, the same on each of its rows, so that it changes without embedding anew."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.access import ACCESS_FIELD, LIMITED, Access
from search.folding import filter_field, fold
from search.protocols import FILTERED
from transcribe.transcript import canonical_json

HEARD = ("recording_id", "language", "speaker")  # filtered values that are of the passage
LABELLED = tuple(dict.fromkeys([*(name for name in FILTERED if name not in HEARD), *LIMITED]))


@dataclass(frozen=True, slots=True)
class Labels:
    """Metadata, whether a court or a chief has sealed it, and whether it must be kept."""

    metadata: Mapping[str, str]
    sealed: bool = False
    held: bool = False

    @property
    def restricted(self) -> bool:
        """Whether its metadata restricts it, for whatever reason."""
        return bool(self.metadata.get("restricted", "").strip())

    @property
    def digest(self) -> str:
        """Two sets of labels are the same when this is, 16 hex digits."""
        said = canonical_json([dict(self.metadata), self.sealed, self.held])
        return hashlib.sha256(said).hexdigest()[:16]

    def payload(self) -> dict[str, Any]:
        """All payload fields that come from labels; None where there is no value: written, it takes an old one out."""
        folded = {name: None if (value := self.metadata.get(name)) is None else fold(value) for name in LABELLED}
        return {
            "metadata": dict(self.metadata),
            "restricted": self.restricted,
            "sealed": self.sealed,
            "held": self.held,
            ACCESS_FIELD: Access.of(self.restricted, self.sealed).value,
            **{filter_field(name): value for name, value in folded.items()},
        }
