"""Segmentation: how many people speak in ten seconds, and when, without knowing who they are.

pyannote's segmentation-3.0 tells up to three people of a window apart, of whom two may speak at once. They are
local: the first of one window may be the second of the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcribe.errors import ModelUnusable
from transcribe.speech import Waveform
from transcribe.transcript import ModelUse

SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 160_000  # 10 s, what the model was trained on
FRAME_SAMPLES = 270  # one frame to the next: a stride of 10, pooled by 3 three times (pyannote, blocks/sincnet.py)
FRAME_REACH_SAMPLES = 991  # what one frame hears
N_FRAMES = 589  # of a window
N_LOCAL = 3  # people of a window

# The classes of the powerset: nobody, one of three, two of three (pyannote.audio.utils.powerset).
_POWERSET = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)

Activity = NDArray[np.bool_]  # (windows, N_FRAMES, N_LOCAL)


class SegmentationModel:
    """segmentation-3.0, held in memory."""

    def __init__(self, weights: Path, use: ModelUse, device: str = "cpu") -> None:
        """
        Raises:
            ModelUnusable: the weights cannot be loaded, or are another model's.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyannote warns of optional decoders we do not use
            import torch
            from pyannote.audio import Model
        try:
            model = Model.from_pretrained(str(weights))
            specifications = model.specifications
            fits = (specifications.duration, specifications.powerset_max_classes) == (10.0, 2)
            fits = fits and len(specifications.classes) == N_LOCAL
        except Exception as error:
            raise ModelUnusable(use.name, str(error)) from error
        if not fits:
            raise ModelUnusable(use.name, "it does not tell three people apart, two at once, in windows of 10 s")
        self._torch = torch
        # A product with all windows of a batch below each other rounds by how many there are (some 4e-6 on a CPU; the
        # convolutions and the LSTM do not): one by one, a window's scores are the same in any company.
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.forward = partial(_one_by_one, layer.forward)
        self._model = model.eval().to(torch.device(device))
        self._device = device

    def activity(self, windows: Sequence[Waveform]) -> Activity:
        """Who of a window's people speaks in each of its frames.

        Args:
            windows: ten seconds each; nobody speaks after the end of a shorter one.
        """
        found: Activity = _POWERSET[self.scores(windows).argmax(axis=-1)]
        return found

    def scores(self, windows: Sequence[Waveform]) -> NDArray[np.float32]:
        """Log-probability of each class of the powerset: (windows, N_FRAMES, 7)."""
        torch = self._torch
        batch = np.zeros((len(windows), 1, WINDOW_SAMPLES), dtype=np.float32)
        for row, window in enumerate(windows):
            batch[row, 0, : len(window)] = window
        with torch.inference_mode():
            scores: NDArray[np.float32] = self._model(torch.from_numpy(batch).to(self._device)).cpu().numpy()
        return scores


def _one_by_one(forward: Callable[[Any], Any], batch: Any) -> Any:
    """What `forward` makes of a batch (a torch tensor), window by window."""
    import torch

    return torch.stack([forward(window) for window in batch])
