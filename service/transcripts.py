"""Where transcripts are kept: a folder or any fsspec URL, one JSON file per artifact and per version.

    ab/abcd…/words-3f2a….json         what the `words` stage heard
    ab/abcd…/turns-91c0….json         what the `turns` stage heard
    ab/abcd…/transcript-5d11….json    both joined: a version, cited by its hash

Files are named by the hash of their contents, appear whole or not at all, and are never changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.errors import TranscriptMissing, TranscriptNotKept
from transcribe.transcript import RecordingId, Transcript, TurnsArtifact, WordsArtifact, canonical_json

KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}/(?P<kind>words|turns|transcript)-(?P<hash>[0-9a-f]{16})\.json")


class TranscriptStore:
    """Artifacts and versions of every recording."""

    def __init__(self, url: str) -> None:
        """`url`: a folder or an fsspec URL; made when missing."""
        import fsspec

        self._files, self._root = fsspec.core.url_to_fs(url)
        self._files.makedirs(self._root, exist_ok=True)

    def put_words(self, words: WordsArtifact) -> str:
        """Keep an artifact; returns its key."""
        return self._put(words.recording_id, "words", canonical_json(words.to_json()))

    def put_turns(self, turns: TurnsArtifact) -> str:
        """Keep an artifact; returns its key."""
        return self._put(turns.recording_id, "turns", canonical_json(turns.to_json()))

    def words(self, key: str) -> WordsArtifact:
        return WordsArtifact.from_json(self._get(key))

    def turns(self, key: str) -> TurnsArtifact:
        return TurnsArtifact.from_json(self._get(key))

    def put(self, transcript: Transcript) -> str:
        """Keep a version; returns its hash. Putting it again changes nothing: the first copy stays."""
        version = transcript.version
        key = self.transcript_key(transcript.recording.id, version)
        if not self._files.exists(self._path(key)):
            self._write(key, canonical_json(transcript.to_json()))
        return version

    def get(self, recording_id: RecordingId, version: str) -> Transcript:
        """A version as it was kept, with the metadata known then.

        Raises:
            TranscriptMissing
        """
        return Transcript.from_json(self._get(self.transcript_key(recording_id, version)))

    def keys(self) -> Iterator[str]:
        """Every file of the store, in no order; what a killed process left half written is not one."""
        for path in self._files.find(self._root):
            key = str(path).removeprefix(self._root).lstrip("/")
            if KEY.fullmatch(key):
                yield key

    def fault(self, key: str) -> str | None:
        """What is wrong with a file of the store; None: its contents are those its name is the hash of."""
        named = KEY.fullmatch(key)
        if named is None:
            return "this is not a name the store gives"
        try:
            content = self._files.cat_file(self._path(key))
        except FileNotFoundError:
            return "it is missing"
        except OSError as error:
            return f"it cannot be read: {error.strerror or error}"
        return (
            None if content_hash(named["kind"], content) == named["hash"] else "its contents are not what was written"
        )

    def set_aside(self, key: str) -> None:
        """Take a damaged file out of the way, kept under another name; a missing one is no error."""
        if self._files.exists(self._path(key)):
            self._files.mv(self._path(key), f"{self._path(key)}.{uuid.uuid4().hex}.damaged")

    def fetch(self, key: str, target: Path) -> None:
        """Put a file at a local path: a second name for it where the file system can (they never change), else a copy.

        Raises:
            OSError
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        if "file" in self._protocols:
            try:
                target.hardlink_to(self._path(key))
            except OSError:  # another file system, or one without links
                shutil.copy2(self._path(key), target)
        else:
            self._files.get_file(self._path(key), str(target))

    def adopt(self, key: str, content: bytes) -> None:
        """Keep a file that another store of ours had under this key; one that is there stays."""
        if not self._files.exists(self._path(key)):
            self._write(key, content)

    @staticmethod
    def transcript_key(recording_id: RecordingId, version: str) -> str:
        return f"{recording_id[:2]}/{recording_id}/transcript-{version}.json"

    def _put(self, recording_id: RecordingId, stage: str, content: bytes) -> str:
        key = f"{recording_id[:2]}/{recording_id}/{stage}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        if not self._files.exists(self._path(key)):
            self._write(key, content)
        return key

    def _get(self, key: str) -> Any:
        try:
            return json.loads(self._files.cat_file(self._path(key)))
        except FileNotFoundError as error:
            raise TranscriptMissing(key) from error

    def _write(self, key: str, content: bytes) -> None:
        path = self._path(key)
        aside = f"{path}.{uuid.uuid4().hex}.part"
        try:
            self._files.makedirs(posixpath.dirname(path), exist_ok=True)
            with self._files.open(aside, "wb") as file:
                file.write(content)
                file.flush()
                if "file" in self._protocols:
                    os.fsync(file.fileno())
            self._files.mv(aside, path)
        except OSError as error:
            with suppress(OSError):
                self._files.rm_file(aside)
            raise TranscriptNotKept(key, error.strerror or str(error)) from error

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self._files.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


def content_hash(kind: str, content: bytes) -> str | None:
    """The hash in the name of a file with this content; None where it is not what its kind looks like.

    Args:
        kind: `words`, `turns`: a hash of the bytes; `transcript`: the version, in which metadata do not count.
    """
    if kind != "transcript":
        return hashlib.sha256(content).hexdigest()[:16]
    try:
        return Transcript.from_json(json.loads(content)).version
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
