"""The HTTP service: one module per kind of resource, and the page that uses them."""

from __future__ import annotations

from service.http.app import create_app

__all__ = ["create_app"]
