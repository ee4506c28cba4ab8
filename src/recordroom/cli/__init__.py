"""The command line: `recordroom COMMAND`; see `recordroom --help`."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command line (that of the process by default) and return its exit code."""
    from .run import run

    return run(arguments)
