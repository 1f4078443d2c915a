"""What `service` raises on purpose: each error names the input, the reason and the next step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ServiceError(Exception):
    """Base of everything `service` raises on purpose.

    `transient` says whether trying the same thing again, later, can succeed.
    """

    transient = False


class CatalogUnusable(ServiceError):
    """The catalog's database cannot be opened, or refused what was asked of it."""

    def __init__(self, url: str, reason: str, transient: bool = False) -> None:
        super().__init__(url, reason, transient)  # args equal the parameters: the error survives pickling
        self.url, self.reason, self.transient = url, reason, transient

    def __str__(self) -> str:
        remedy = "Run it again in a moment." if self.transient else "Check the address, its permissions and free space."
        return f"the catalog {self.url} cannot be used: {self.reason}. {remedy}"


class CatalogNewer(ServiceError):
    """A newer earwitness has changed this catalog's tables."""

    def __init__(self, url: str, revision: str) -> None:
        super().__init__(url, revision)
        self.url, self.revision = url, revision

    def __str__(self) -> str:
        return (
            f"the catalog {self.url} was written by a newer earwitness (its tables are at revision "
            f"{self.revision}): install that version or a later one."
        )


class RecordingUnknown(ServiceError):
    """Nothing in the catalog goes by this id, prefix, path or name."""

    def __init__(self, text: str, unread: bool = False) -> None:
        super().__init__(text, unread)
        self.text, self.unread = text, unread

    def __str__(self) -> str:
        if self.unread:
            return f"{self.text} is registered but has not been read yet: `earwitness ingest` reads it."
        return (
            f"no recording is known as {self.text!r}: give an id, at least 4 of its first characters, or a source. "
            "`earwitness status` lists them."
        )


class VersionUnknown(ServiceError):
    """The recording's transcript never had this version."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(name, version)
        self.name, self.version = name, version

    def __str__(self) -> str:
        return f"{self.name} has no transcript version {self.version!r}: `earwitness versions` lists those it has."


class CorrectionUnreadable(ServiceError):
    """A file that should hold a correction cannot be read as JSON."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"cannot read a correction from {self.path}: {self.reason}. It is a transcript exported with "
            "`--format json` and edited, or edits as the README shows them."
        )


class RecordingAmbiguous(ServiceError):
    """Several recordings go by this prefix or name; `candidates` are their ids."""

    def __init__(self, text: str, candidates: Sequence[str]) -> None:
        super().__init__(text, tuple(candidates))
        self.text, self.candidates = text, tuple(candidates)

    def __str__(self) -> str:
        shown = ", ".join(candidate[:12] for candidate in self.candidates[:5])
        more = ", …" if len(self.candidates) > 5 else ""
        return f"{self.text!r} could be {len(self.candidates)} recordings ({shown}{more}): give more of the id."


class ManifestUnreadable(ServiceError):
    """The manifest as a whole makes no sense; a single bad row is a `ScanFailure` instead."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"cannot use the manifest {self.path}: {self.reason}. It is a CSV file in UTF-8 whose first line names "
            "its columns, `path` among them."
        )


class ZoneUnknown(ServiceError):
    """No time zone has this name."""

    def __init__(self, zone: str) -> None:
        super().__init__(zone)
        self.zone = zone

    def __str__(self) -> str:
        return f"no time zone is called {self.zone!r}: use an IANA name such as America/Chicago, or UTC."


class SettingsWrong(ServiceError):
    """A setting has a value that makes no sense."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f'setting {self.name}: {self.reason}. README, "Settings", lists them all.'


class DataUnusable(ServiceError):
    """The data folder cannot be made or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot keep data in {self.path}: {self.reason}. Choose another folder with --data DIR."


class NothingIngested(ServiceError):
    """There is no archive in this data folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"nothing was ingested into {self.path} yet: run `earwitness ingest FOLDER`, or name another --data DIR."


class TranscriptMissing(ServiceError):
    """The catalog knows a transcript that the store does not have."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"the transcript {self.key} is missing from the store: restore it from a backup, or ingest again."


class TranscriptNotKept(ServiceError):
    """The store did not take a transcript: the disk is full, or closed to us."""

    transient = True

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return (
            f"cannot keep the transcript {self.key}: {self.reason}. Free space or grant access, and run again: "
            "what was finished is kept."
        )


class TooLittleSpace(ServiceError):
    """The disk of the data folder is nearly full; going on would break off in the middle of a write."""

    transient = True

    def __init__(self, path: Path, free_bytes: int, needed_bytes: int) -> None:
        super().__init__(path, free_bytes, needed_bytes)
        self.path, self.free_bytes, self.needed_bytes = path, free_bytes, needed_bytes

    def __str__(self) -> str:
        return (
            f"the disk of {self.path} has {self.free_bytes // 1_000_000} MB left, fewer than the "
            f"{self.needed_bytes // 1_000_000} MB that writing safely takes: free space and run again. "
            "What was finished is kept."
        )


class BackupRefused(ServiceError):
    """A backup cannot be written where it was asked for."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot write a backup to {self.path}: {self.reason}. Name a folder that is empty or does not exist."


class BackupUnusable(ServiceError):
    """A folder is not a backup, or not a whole and unchanged one."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot restore from {self.path}: {self.reason}. Nothing was restored; take another backup."


class RestoreRefused(ServiceError):
    """A backup cannot be put where it was asked to go."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot restore into {self.path}: {self.reason}. Name a new folder with --data DIR."


class SameRecording(ServiceError):
    """Two names for one recording, where two recordings are to be compared."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first, second)
        self.first, self.second = first, second

    def __str__(self) -> str:
        return f"{self.first!r} and {self.second!r} are one recording: name another to compare it with."


class NotHeardYet(ServiceError):
    """A recording is known but has no transcript."""

    def __init__(self, recording: str, reason: str | None) -> None:
        super().__init__(recording, reason)
        self.recording, self.reason = recording, reason

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.recording} has no transcript yet{why}: `earwitness ingest` makes one."


class TimeWrong(ServiceError):
    """A time cannot be read."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name, self.text = name, text

    def __str__(self) -> str:
        return f"--{self.name} {self.text!r} is not a time: write it like 2025-03-14T22:31:00-07:00 or 2025-03-14."


class ExportRefused(ServiceError):
    """An exported file cannot be written where it was asked for."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}. Choose another place with -o."


class ServiceRunning(ServiceError):
    """Another process serves this data folder already."""

    def __init__(self, data: Path, url: str | None) -> None:
        super().__init__(data, url)
        self.data, self.url = data, url

    def __str__(self) -> str:
        place = f" at {self.url}" if self.url else ""
        return f"{self.data} is served already{place}: use that service, or stop it first."


class ServiceUnreachable(ServiceError):
    """A service is said to run on this data folder, but does not answer as it should."""

    transient = True

    def __init__(self, data: Path, url: str, reason: str) -> None:
        super().__init__(data, url, reason)
        self.data, self.url, self.reason = data, url, reason

    def __str__(self) -> str:
        return (
            f"the service of {self.data} at {self.url} does not answer ({self.reason}): wait until it has started, "
            "or stop it; without it this command works on the data folder by itself."
        )


class ServiceRefused(ServiceError):
    """The service answered with a problem; `detail` is its own sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class AddressRefused(ServiceError):
    """The service cannot or may not listen there."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return f"cannot serve on {self.address}: {self.reason}."


class MediaChanged(ServiceError):
    """The file a recording was heard from holds something else now."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return (
            f"{self.source} has changed since it was heard, so it is not shown as that recording: put the original "
            "file back, or run `earwitness ingest` to hear the new one."
        )


class ProxyRefused(ServiceError):
    """No copy that a browser can play could be made of a recording."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source, self.reason = source, reason

    def __str__(self) -> str:
        return f"cannot make a playable copy of {self.source}: {self.reason}. The original can still be downloaded."


class VoicesOff(ServiceError):
    """Voices are asked for where none are kept."""

    def __str__(self) -> str:
        return (
            'voices are not kept here: set `voices.enabled = true` and a key (README, "Voices across recordings"), and '
            "ingest the footage again."
        )


class VoicesKeyWrong(ServiceError):
    """Voices are enabled, and their key cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"voices cannot be kept or compared: {self.reason}. `openssl rand -base64 32 > FILE` makes a key; name "
            "FILE, outside of the data folder, in the setting `voices.key_file`."
        )


class VoicesOfAnotherKey(ServiceError):
    """Voices were sealed with a key other than that of the settings."""

    def __str__(self) -> str:
        return (
            "the voices kept here were sealed with another key: put that key back, or delete them with "
            "`earwitness voices forget` and ingest the footage again."
        )


class VoiceUnreadable(ServiceError):
    """What is kept as a voice is not what was kept: changed, or put under another name."""

    def __init__(self, recording_id: str, speaker: str) -> None:
        super().__init__(recording_id, speaker)
        self.recording_id, self.speaker = recording_id, speaker

    def __str__(self) -> str:
        short = self.recording_id[:12]
        return (
            f"the voice of {self.speaker} in recording {short} was changed since it was kept: delete it with "
            f"`earwitness voices forget --recording {short}`, and ingest that recording again."
        )


class VoiceMissing(ServiceError):
    """No voice is kept of this speaker."""

    def __init__(self, recording: str, speaker: str, reason: str) -> None:
        super().__init__(recording, speaker, reason)
        self.recording, self.speaker, self.reason = recording, speaker, reason

    def __str__(self) -> str:
        return f"there is no voice of {self.speaker!r} in {self.recording}: {self.reason}."


class AuditUnwritable(ServiceError):
    """What was asked for is not answered, because the asking cannot be recorded."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"nothing is answered without a record of it, and {self.path} cannot be written: {self.reason}. "
            "Grant access or free space, and ask again."
        )


class WatchUnknown(ServiceError):
    """No watch goes by this name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is no watch {self.name!r}: `earwitness watch list` names them."


class WatchExists(ServiceError):
    """A watch of this name is kept already; its hits were found with its own query."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"there is a watch {self.name!r} already: choose another name, or forget it and its hits with "
            f"`earwitness watch remove {self.name}`."
        )


class WatchNameWrong(ServiceError):
    """A name that could not stand in an address."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"{self.name!r} cannot be the name of a watch: use 1 to 64 lower-case letters, digits, dots, dashes and "
            "underscores, beginning with a letter or a digit, such as weapon-commands."
        )


class WatchHitUnknown(ServiceError):
    """No watch has such a hit."""

    def __init__(self, hit_id: str) -> None:
        super().__init__(hit_id)
        self.hit_id = hit_id

    def __str__(self) -> str:
        return f"there is no hit {self.hit_id!r}: `earwitness watch hits` shows each with its id. Nothing was changed."


class DetectorUnknown(ServiceError):
    """No detector of this name comes with the program."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"there is no detector {self.name!r}: there are {', '.join(self.known)}."


class MatchIncomplete(ServiceError):
    """A recording could not be matched with all that its watch asks for; hits might be missing."""

    transient = True

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(reasons)
        self.reasons = reasons

    def __str__(self) -> str:
        return f"not everything could be asked: {'; '.join(self.reasons)}. It is tried again."
