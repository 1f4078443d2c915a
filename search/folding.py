"""How values are compared: case and surrounding space do not count, and a payload keeps the folded copy."""

from __future__ import annotations


def fold(value: str) -> str:
    """Two values are equal to a filter when this is."""
    return value.strip().casefold()


def filter_field(name: str) -> str:
    """The payload field that holds the folded copy of a filtered value."""
    return f"by_{name}"
