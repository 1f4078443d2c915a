"""Implementations of `search.protocols.Index`; each imports its store only when one is opened."""
