"""Labels brought to the index: seals, holds, other metadata, written on the rows there are. Nothing is embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.catalog import Catalog

if TYPE_CHECKING:
    from service.indexing import Opener

BATCH = 64  # recordings relabelled while the index is held


def relabel_pending(catalog: Catalog, opener: Opener, patience_seconds: float = 0.0) -> int:
    """Have the index say of every recording what the catalog says; returns how many it now does.

    Until then those recordings are in no answer. The index is opened only if there are any.

    Raises:
        IndexBusy: another process holds the index, and still did after `patience_seconds`.
    """
    n_labelled = 0
    while due := catalog.labels_due(BATCH):
        with opener(patience_seconds) as index:
            for recording_id, labels in due:
                index.relabel(recording_id, labels.payload())
            index.flush()
            # Last, and before the index is let go: a crash before it only means "again".
            for recording_id, labels in due:
                catalog.labelled(recording_id, labels)
        n_labelled += len(due)
    return n_labelled
