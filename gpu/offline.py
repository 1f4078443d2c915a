"""No library may call home: police networks are closed, and what is heard is nobody else's business."""

from __future__ import annotations

import os


def stay_offline(allow_hub: bool = False) -> None:
    """Switch off the telemetry of every library, and the Hugging Face hub unless it is allowed.

    Must run before the libraries are imported: they read these variables once.
    """
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["OTEL_SDK_DISABLED"] = "true"  # pyannote's exporter
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # forked workers and the tokenizer's threads do not mix
    if allow_hub:
        os.environ.pop("HF_HUB_OFFLINE", None)
    else:
        os.environ["HF_HUB_OFFLINE"] = "1"
