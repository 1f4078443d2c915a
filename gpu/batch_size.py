"""How many windows are heard at once: by Whisper on a GPU, as many as its free memory holds by the model's dimensions.

For GPUs all this is an estimate on the safe side, never compared with one: none was at hand. What does not fit after
all is halved (gpu/batching.py).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from transcribe.decoding import MAX_TOKENS, Decode, Encode
from transcribe.diarization import SegmentWindow, SpeakerRequest

# One for the encoder, where two no longer fit the cache (30 s windows one by one: 60 times real time; eight: 53; 20 s:
# 119 and 59).
CPU_ENCODER_WINDOWS = 1
CPU_DECODER_WINDOWS = 8

CPU_SEGMENT_WINDOWS = 16
CPU_VOICE_PIECES = 4
# Ten seconds each, of which a network holds some 30 MB (segmentation) or 60 MB (voices) on the way, on a CPU: 2 GB.
GPU_SEGMENT_WINDOWS = 64
GPU_VOICE_PIECES = 32

# The rest is for the diarizer, which loads later, for what allocators cannot use, and for what the estimate misses.
SHARE = 0.5
MOST_WINDOWS = 64  # beyond, a GPU has enough to do at once, and a batch waits long for its slowest window
UNKNOWN_MEMORY_WINDOWS = 16  # where nobody can say how much memory is free


@dataclass(frozen=True, slots=True)
class WhisperSize:
    """Dimensions of a model. `heads` of attention in each layer; `layers` of the decoder."""

    width: int
    heads: int
    layers: int
    vocabulary: int

    @staticmethod
    def read(weights: Path) -> WhisperSize:
        """From a CTranslate2 `model.bin`, whose header and variable heads say it; the weights are skipped.

        Raises:
            ValueError: it is not one, or lacks a variable every Whisper model has.
        """
        with weights.open("rb") as file:
            try:
                shapes, scalars = _variables(file)
                vocabulary, width = shapes["decoder/embeddings/weight"]
                heads = scalars["decoder/num_heads"]
            except (struct.error, UnicodeDecodeError, KeyError) as error:
                raise ValueError(f"{weights} is no Whisper model of CTranslate2 ({error})") from error
        layers = {found[0] for name in shapes if (found := re.match(r"decoder/layer_\d+/", name))}
        return WhisperSize(width, heads, len(layers), vocabulary)

    def encoder_bytes(self, n_frames: int, value_bytes: int) -> int:
        """Of one window: attention scores before and after their softmax, and what one layer holds at a time.

        That is queries, keys and values as they come and by head (6), the feed-forward layer in and out (8), its
        input, norm and sum (3), and the columns of the second convolution (3), each `width` by position.
        """
        positions = n_frames // 2
        return value_bytes * (2 * self.heads * positions**2 + 20 * self.width * positions)

    def decoder_bytes(self, n_positions: int, beam_size: int, value_bytes: int) -> int:
        """Of one window decoded as long as a window may be, or aligned: whichever takes more.

        Both hold the encoder's output and its keys and values in every layer, which beams share. Decoding adds
        those of the tokens so far, per beam and twice (they are copied when beams change places), and a few rows
        of the vocabulary per beam. Alignment adds such a row for every token, as they come and as float32, and
        the attention of one layer three times.
        """
        encoded = value_bytes * self.width * n_positions * (2 * self.layers + 1)
        decode = 4 * value_bytes * self.layers * self.width * MAX_TOKENS * beam_size
        decode += 16 * self.vocabulary * beam_size
        align = MAX_TOKENS * (self.vocabulary * (value_bytes + 4) + 3 * value_bytes * self.heads * n_positions)
        return encoded + max(decode, align)


def cpu_batch_size(request: Encode | Decode) -> int:
    """The most requests like this one in a batch on the CPU, as measured."""
    return CPU_ENCODER_WINDOWS if isinstance(request, Encode) else CPU_DECODER_WINDOWS


def gpu_batch_size(request: Encode | Decode, size: WhisperSize, compute_type: str, free_bytes: int | None) -> int:
    """The most requests like this one in a batch on a GPU; at least one.

    Args:
        size: of the model asked.
        free_bytes: on the GPU, with the models loaded; None: unknown.
    """
    if free_bytes is None:
        return UNKNOWN_MEMORY_WINDOWS
    value_bytes = 2 if compute_type.endswith("float16") else 4
    if isinstance(request, Encode):
        needed = size.encoder_bytes(request.features.shape[-1], value_bytes)
    else:
        needed = size.decoder_bytes(len(request.encoded), request.plan.beam_size, value_bytes)
    return max(1, min(MOST_WINDOWS, int(free_bytes * SHARE) // needed))


def cpu_speaker_batch_size(request: SpeakerRequest) -> int:
    """The most windows or pieces in a batch of those that tell speakers apart, on the CPU."""
    return CPU_SEGMENT_WINDOWS if isinstance(request, SegmentWindow) else CPU_VOICE_PIECES


def gpu_speaker_batch_size(request: SpeakerRequest) -> int:
    """The same on a GPU."""
    return GPU_SEGMENT_WINDOWS if isinstance(request, SegmentWindow) else GPU_VOICE_PIECES


def _variables(file: BinaryIO) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Shapes of all variables and values of the two-byte scalars (ctranslate2/specs/model_spec.py, `_serialize`)."""

    def numbers(form: str) -> tuple[int, ...]:
        return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))

    def text() -> str:
        (length,) = numbers("H")
        return file.read(length)[:-1].decode()  # ends with a zero

    (_version,) = numbers("I")
    name = text()
    _revision, n_variables = numbers("II")
    if name != "WhisperSpec":
        raise KeyError(name)
    shapes: dict[str, tuple[int, ...]] = {}
    scalars: dict[str, int] = {}
    for _ in range(n_variables):
        variable = text()
        (rank,) = numbers("B")
        shapes[variable] = numbers(f"{rank}I")
        _type, n_bytes = numbers("BI")
        if rank == 0 and n_bytes == 2:
            (scalars[variable],) = numbers("h")
        else:
            file.seek(n_bytes, 1)
    return shapes, scalars
