"""Text to dense vectors: what a passage means, as numbers that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transcribe.transcript import ModelUse

Vectors = NDArray[np.float32]  # (n, dimension), each row of length 1


class Embedder(Protocol):
    """What turns text into vectors; equal text gives equal vectors."""

    @property
    def use(self) -> ModelUse: ...

    @property
    def dimension(self) -> int: ...

    def passages(self, texts: Sequence[str]) -> Vectors: ...

    def query(self, text: str) -> NDArray[np.float32]: ...


class SentenceTransformerEmbedder:
    """A sentence-transformers model in memory."""

    def __init__(self, directory: Path, use: ModelUse, device: str = "cpu", threads: int | None = None) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would draw over ours

        if threads:
            torch.set_num_threads(threads)
        self._model = SentenceTransformer(str(directory), device=device, local_files_only=True)
        self._use = use

    @property
    def use(self) -> ModelUse:
        return self._use

    @property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension())

    def passages(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order; the library batches them by length. No texts: shape (0, dimension)."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, shape (dimension,)."""
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector
