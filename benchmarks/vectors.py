"""Vectors kept on disk: embedding tens of thousands of passages takes longer than everything else here.

A folder for each embedding model, named by its hash; in it, NumPy files of up to `SHARD` vectors, each beside the
hashes of the texts they stand for. Text itself is not kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.embedding import Embedder, Vectors
from transcribe.transcript import ModelUse

SHARD = 1_024

_SENTENCE_END = re.compile(r"(?<=[.?!])\s+")


class KeptVectors:
    """An embedder that asks another one once for each text. Questions are kept in memory alone."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        """`folder`: where vectors are kept for all models."""
        self._embedder = embedder
        self._folder = folder / embedder.use.sha256[:16]
        self._known: dict[str, NDArray[np.float32]] = {}
        self._new: list[str] = []
        self._asked: dict[str, NDArray[np.float32]] = {}
        for path in sorted(self._folder.glob("*.keys.npy")):
            vectors = np.load(path.with_name(path.name.replace(".keys.", ".vectors.")))
            self._known.update(zip(np.load(path).tolist(), vectors, strict=True))

    @property
    def use(self) -> ModelUse:
        return self._embedder.use

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def passages(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order."""
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        for key, vector in zip(missing, self._embedder.passages(list(missing.values())), strict=True):
            self._known[key] = vector
            self._new.append(key)
        if len(self._new) >= SHARD:
            self.save()
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return np.stack([self._known[key] for key in keys])

    def query(self, text: str) -> NDArray[np.float32]:
        if text not in self._asked:
            self._asked[text] = self._embedder.query(text)
        return self._asked[text]

    def save(self) -> None:
        """Write what is new; a run that is killed loses at most one shard."""
        if not self._new:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("".join(self._new).encode()).hexdigest()[:16]
        # The keys come last: vectors without them are not read.
        parts = (("vectors", np.stack([self._known[key] for key in self._new])), ("keys", np.array(self._new)))
        for part, values in parts:
            path = self._folder / f"{name}.{part}.npy"
            with path.with_suffix(".new").open("wb") as file:
                np.save(file, values)
            path.with_suffix(".new").replace(path)
        self._new = []


class SentenceMeans:
    """An embedder for recombined text: the mean of its sentences' own vectors, at length 1.

    It stands in for a model where a million passages must have vectors that lie where passages' vectors lie; a real
    one would read the sentences together.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def use(self) -> ModelUse:
        return self._embedder.use

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def passages(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order."""
        parts = [sentences(text) or [text] for text in texts]
        vectors = self._embedder.passages([sentence for some in parts for sentence in some])
        ends = np.cumsum([len(some) for some in parts])
        means = [part.mean(axis=0) for part in np.split(vectors, ends[:-1])] if texts else []
        return np.stack([mean / max(float(np.linalg.norm(mean)), 1e-9) for mean in means]) if means else vectors

    def query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.query(text)


def sentences(text: str) -> list[str]:
    """Text in pieces that end where a sentence does."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
