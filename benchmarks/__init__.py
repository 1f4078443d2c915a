"""Measured claims: each is one command, with a saved report."""
