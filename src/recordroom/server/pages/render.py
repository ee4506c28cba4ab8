"""HTML of pages, and the files that they need. Everything that comes from a room is escaped."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["POLICY", "asset", "html"]

# Nothing from elsewhere, no script but our own files, and no frames of others around it.
POLICY = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'self'"
)


@cache
def _environment() -> Environment:
    loader = PackageLoader("recordroom.server", "web/pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def html(name: str, context: dict[str, Any]) -> bytes:
    """The page of a template."""
    return _environment().get_template(f"{name}.html").render(context).encode()


@cache
def asset(name: str) -> bytes:
    """A file beside the templates."""
    return resources.files("recordroom.server").joinpath(f"web/pages/{name}").read_bytes()
