"""Watch-lists as people keep them: added, listed, run over what is indexed already, removed.

They live in the catalog, which processes share; only the index has an owner. So nothing here needs a running service,
and none is in the way: it matches what the catalog says is due, within seconds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache, partial
from typing import Any

from service.audit import AuditTrail, operating_system_user
from service.catalog import Catalog, Watch, WatchState
from service.detectors import NOTICE, detector
from service.errors import WatchNameWrong
from service.finding import INDEX_PATIENCE_SECONDS
from service.indexing import load_embedder, open_index
from service.owner import running_service
from service.settings import Settings
from service.watch_citations import utc
from service.watching import Matched, match_due, queries_of

MODES = ("auto", "exact")  # one leg alone ranks, and never says that something is found

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def add_watch(
    settings: Settings,
    catalog: Catalog,
    name: str,
    query: str,
    mode: str = "auto",
    filters: Mapping[str, str | None] | None = None,
    doubtful: bool = False,
) -> Watch:
    """Keep a query; recordings that are indexed from now on are matched with it. Recorded, without the query.

    Args:
        filters: as `service.finding.find`.

    Raises:
        WatchNameWrong, WatchExists, AuditUnwritable
        EmptyQuery, QueryWrong, TimeWrong, RecordingUnknown, RecordingAmbiguous: it could not be asked.
    """
    return _add(settings, catalog, name, (query,), mode, filters or {}, doubtful, None)


def add_detector(
    settings: Settings,
    catalog: Catalog,
    detector_name: str,
    name: str | None = None,
    filters: Mapping[str, str | None] | None = None,
    doubtful: bool = False,
) -> Watch:
    """The same with the queries of a detector, as they are now, under its name unless another is given.

    Raises:
        DetectorUnknown, and as `add_watch`
    """
    shipped = detector(detector_name)
    return _add(settings, catalog, name or shipped.name, shipped.texts, "exact", filters or {}, doubtful, shipped.name)


def remove_watch(settings: Settings, catalog: Catalog, name: str) -> int:
    """Forget a watch and its hits; returns how many hits. Recorded.

    Raises:
        WatchUnknown, AuditUnwritable
    """
    with AuditTrail(settings.data).recorded("watch.remove", watch=name) as event:
        event.facts["hits"] = n_hits = catalog.watches.remove(name)
    return n_hits


def acknowledge(
    settings: Settings, catalog: Catalog, ids: list[str], note: str | None = None, name: str | None = None
) -> int:
    """Note that the user has looked at these hits; returns at how many nobody had before. Recorded.

    `name`: the watch whose hits they must be; None: any.

    Raises:
        WatchHitUnknown: then none is noted.
        AuditUnwritable
    """
    with AuditTrail(settings.data).recorded("watch.acknowledge", hits=" ".join(ids)) as event:
        event.facts["acknowledged"] = n_new = catalog.watches.acknowledge(ids, operating_system_user(), note, name)
    return n_new


def acknowledge_all(settings: Settings, catalog: Catalog, name: str, note: str | None = None) -> int:
    """The same for every hit of a watch.

    Raises:
        WatchUnknown, AuditUnwritable
    """
    with AuditTrail(settings.data).recorded("watch.acknowledge", watch=name) as event:
        event.facts["acknowledged"] = n_new = catalog.watches.acknowledge_all(name, operating_system_user(), note)
    return n_new


def run_watches(settings: Settings, catalog: Catalog, name: str | None) -> dict[str, Any]:
    """Match what is indexed and was never matched, with one watch or with each; what else is due, too.

    A running service owns the index: then it does that, within seconds, and `due` says how many matches are left to it.

    Raises:
        WatchUnknown, IndexBusy, CatalogUnusable
    """
    n_due = catalog.watches.make_due(name)
    left = running_service(settings.data) is not None
    total = Matched(0, 0, 0)
    if n_due and not left:
        embedder = cache(partial(load_embedder, settings))  # words in quotes need none, and loading one takes seconds
        with open_index(settings, INDEX_PATIENCE_SECONDS) as index:
            while (some := match_due(catalog, settings.zone, lambda: nullcontext(index), embedder)).total:
                total += some
    return {
        "due": n_due if left else 0,
        "matched": total.n_done,
        "failed": total.n_failed,
        "new_hits": total.n_hits,
        "notice": NOTICE,
    }


def watch_json(state: WatchState) -> dict[str, Any]:
    """The form other systems rely on."""
    watch = state.watch
    return {
        "name": watch.name,
        "queries": list(watch.queries),
        "mode": watch.mode,
        "filters": dict(watch.filters),
        "doubtful": watch.doubtful,
        "detector": watch.detector,
        "created_by": watch.created_by,
        "created_at": utc(watch.created_ms),
        "hits": state.n_hits,
        "new": state.n_new,
        "matched": state.n_matched,
        "due": state.n_due,
        "error": state.error,
    }


def _add(
    settings: Settings,
    catalog: Catalog,
    name: str,
    queries: tuple[str, ...],
    mode: str,
    filters: Mapping[str, str | None],
    doubtful: bool,
    detector_name: str | None,
) -> Watch:
    if _NAME.fullmatch(name) is None:
        raise WatchNameWrong(name)
    given = {field: value for field, value in filters.items() if value is not None}
    now_ms = round(time.time() * 1000)
    watch = Watch(name, queries, mode, given, doubtful, detector_name, operating_system_user(), now_ms)
    list(queries_of(watch, catalog, settings.zone))  # what is wrong is said now, and to whoever typed it
    with AuditTrail(settings.data).recorded("watch.add", watch=name):
        catalog.watches.add(watch)
    return watch
