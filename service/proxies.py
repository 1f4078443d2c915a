"""The playable copies of a data folder: made when somebody wants to play, one at a time, and kept.

proxies/ID.KIND.mp4     the copy, KIND being remux or transcode
proxies/ID.json         what it is: kind, media type, size, SHA-256; written last, so that it tells a whole copy
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, dataclass
from pathlib import Path

from service.errors import ProxyRefused
from service.original import Original
from service.proxy import Kind, Plan, make_proxy
from transcribe.errors import MediaUnreadable
from transcribe.transcript import RecordingId

REVISION = 1  # raised when copies are made differently; older ones are then made again


@dataclass(frozen=True, slots=True)
class Proxy:
    """A playable copy, whole and at rest."""

    kind: Kind
    media_type: str
    size_bytes: int
    sha256: str
    revision: int
    path: Path

    def to_json(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if name != "path"}


class Proxies:
    """Copies of one data folder; only its service makes any."""

    def __init__(self, folder: Path, make: Callable[..., None] = make_proxy) -> None:
        self._folder, self._make = folder, make
        self._lock = threading.Lock()
        self._making: dict[RecordingId, Future[Proxy]] = {}
        self._worker = ThreadPoolExecutor(1, "proxy")  # one transcode keeps every core busy
        self._ended = threading.Event()

    def ready(self, recording_id: RecordingId, plan: Plan) -> Proxy | None:
        """The copy, if it was made as the plan says."""
        try:
            known = json.loads((self._folder / f"{recording_id}.json").read_text(encoding="utf-8"))
            path = self._path(recording_id, Kind(known["kind"]))
            proxy = Proxy(
                Kind(known["kind"]), known["media_type"], known["size_bytes"], known["sha256"], known["revision"], path
            )
            whole = path.stat().st_size == proxy.size_bytes and proxy.revision == REVISION
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none, or one that was cut short: it is made again
        return proxy if whole and proxy.media_type == plan.media_type else None

    def is_making(self, recording_id: RecordingId) -> bool:
        with self._lock:
            making = self._making.get(recording_id)
        return making is not None and not making.done()

    def get(self, recording_id: RecordingId, original: Original, plan: Plan, patience_seconds: float) -> Proxy | None:
        """The copy, made now where there is none; None: it is not ready yet, and goes on being made.

        Raises:
            MediaMissing, MediaForbidden, MediaUnreadable, MediaChanged, ProxyRefused: the next call tries again.
        """
        ready = self.ready(recording_id, plan)
        if ready is not None:
            self._forget(recording_id)
            return ready
        with self._lock:
            making = self._making.get(recording_id)
            if making is None:
                making = self._making[recording_id] = self._worker.submit(self._make_one, recording_id, original, plan)
        try:
            proxy = making.result(patience_seconds)
        except NotYet:
            return None
        except BaseException:
            self._forget(recording_id)
            raise
        self._forget(recording_id)
        return proxy

    def end(self) -> None:
        """Stop making; what was begun is thrown away."""
        self._ended.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _forget(self, recording_id: RecordingId) -> None:
        with self._lock:
            self._making.pop(recording_id, None)

    def _make_one(self, recording_id: RecordingId, original: Original, plan: Plan) -> Proxy:
        target = self._path(recording_id, plan.kind)
        aside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
        try:
            self._folder.mkdir(exist_ok=True)
            plan = self._write(recording_id, original.source, aside, plan)
            target = self._path(recording_id, plan.kind)
            with aside.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            proxy = Proxy(plan.kind, plan.media_type, aside.stat().st_size, sha256, REVISION, target)
            aside.replace(target)
            facts = self._folder / f"{recording_id}.json"
            aside.write_text(json.dumps(proxy.to_json()) + "\n", encoding="utf-8")
            aside.replace(facts)
        except OSError as error:
            raise ProxyRefused(original.source, f"it cannot be written ({error.strerror or error})") from error
        finally:
            aside.unlink(missing_ok=True)
        return proxy

    def _write(self, recording_id: RecordingId, source: str, aside: Path, plan: Plan) -> Plan:
        """Streams that do not fit the other container after all are made anew; returns what was done."""
        try:
            self._make(recording_id, source, aside, plan, self._ended)
        except (ProxyRefused, MediaUnreadable):
            if plan.kind is not Kind.REMUX or self._ended.is_set():
                raise
            plan = Plan(Kind.TRANSCODE, plan.media_type)
            self._make(recording_id, source, aside, plan, self._ended)
        return plan

    def _path(self, recording_id: RecordingId, kind: Kind) -> Path:
        return self._folder / f"{recording_id}.{kind}.mp4"
