"""Segmentation: how many people speak in ten seconds, and when, without knowing who they are.

pyannote's segmentation-3.0 tells up to three people of a window apart, of whom two may speak at once. They are
local: the first of one window may be the second of the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

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

    def __init__(self, weights: Path, use: ModelUse, device: str = "cpu", batch_size: int = 16) -> None:
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
        self._model = model.eval().to(torch.device(device))
        self._device, self._batch_size = device, batch_size

    def activity(self, waveform: Waveform, first_frames: Sequence[int]) -> Activity:
        """Who of a window's people speaks in each of its frames.

        Args:
            first_frames: where windows start, in frames from the start of the recording. A window may reach over
                the end, where nobody speaks.
        """
        torch = self._torch
        found = np.zeros((len(first_frames), N_FRAMES, N_LOCAL), dtype=bool)
        for first in range(0, len(first_frames), self._batch_size):
            some = first_frames[first : first + self._batch_size]
            batch = np.zeros((len(some), 1, WINDOW_SAMPLES), dtype=np.float32)
            for row, frame in enumerate(some):
                heard = waveform[frame * FRAME_SAMPLES : frame * FRAME_SAMPLES + WINDOW_SAMPLES]
                batch[row, 0, : len(heard)] = heard
            with torch.inference_mode():
                scores = self._model(torch.from_numpy(batch).to(self._device))
            found[first : first + len(some)] = _POWERSET[scores.argmax(dim=-1).cpu().numpy()]
        return found
