"""What `search` raises on purpose: each error names the input, the reason and the next step."""

from __future__ import annotations

from pathlib import Path


class SearchError(Exception):
    """Base of everything `search` raises on purpose.

    `transient` says whether trying the same thing again, later, can succeed.
    """

    transient = False


class EmptyQuery(SearchError):
    """There is no word to look for."""

    def __init__(self, text: str) -> None:
        super().__init__(text)  # args equal the parameters: the error survives pickling
        self.text = text

    def __str__(self) -> str:
        # Without the text: messages reach logs, questions do not.
        return "the query holds no word: ask for something that may have been said, such as show me your hands."


class QueryWrong(SearchError):
    """The query cannot be read; `position` is that of the character (0 is the first) where something else would fit."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(position, expected)
        self.position, self.expected = position, expected

    def __str__(self) -> str:
        # Without the text, as above.
        return f"the query cannot be read at character {self.position + 1}: expected {self.expected}."


class PageTooDeep(SearchError):
    """A page so far down that everything before it would have to be held in memory."""

    def __init__(self, offset: int, limit: int, most: int) -> None:
        super().__init__(offset, limit, most)
        self.offset, self.limit, self.most = offset, limit, most

    def __str__(self) -> str:
        return (
            f"hits {self.offset + 1} to {self.offset + self.limit} are beyond the {self.most} that can be paged: "
            "filter, or export all of an exact search with --format csv (over HTTP: /api/v1/search/export)."
        )


class LegUnavailable(SearchError):
    """A way of matching was asked for that cannot run here."""

    def __init__(self, leg: str, reason: str) -> None:
        super().__init__(leg, reason)
        self.leg, self.reason = leg, reason

    def __str__(self) -> str:
        return f"cannot search by {self.leg}: {self.reason}."


class IndexBusy(SearchError):
    """Another process, or another part of this one, holds the index."""

    transient = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"the index in {self.path} is in use by another process: wait until it is done, or stop it."


class IndexDamaged(SearchError):
    """There should be an index, but the store cannot use it."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place, self.reason = place, reason

    def __str__(self) -> str:
        return (
            f"the index at {self.place} cannot be used: {self.reason}. A server must run and accept the key; a folder "
            "can be restored from a backup, or moved away and made again from the stored transcripts."
        )


class IndexOutdated(IndexDamaged):
    """The index was made by a version that knew fewer ways of matching, or made their vectors otherwise."""

    def __init__(self, place: str, missing: str) -> None:
        super().__init__(place, missing)

    def __str__(self) -> str:
        return (
            f"the index at {self.place} was made by an earlier version, with no vectors of {self.reason} such as are "
            "asked now: `earwitness index rebuild` makes it again from the stored transcripts; nothing is heard again."
        )


class DimensionMismatch(SearchError):
    """The embedding model makes vectors of another length than those in the index."""

    def __init__(self, place: str, expected: int, got: int) -> None:
        super().__init__(place, expected, got)
        self.place, self.expected, self.got = place, expected, got

    def __str__(self) -> str:
        return (
            f"the index at {self.place} holds vectors of {self.expected} numbers, this embedding model makes "
            f"{self.got}: use the model it was made with, or index the stored transcripts again in a new place."
        )
