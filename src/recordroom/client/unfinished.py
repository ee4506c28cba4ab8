"""What is left of uploads that did not end, kept in the user's cache: where their parts are, so that they go on there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path
from typing import Any

import msgspec

try:
    import fcntl
except ImportError:  # not on Windows: there two at the same time begin anew, each for itself
    fcntl = None  # type: ignore[assignment]

__all__ = ["Part", "Unfinished"]

_OLD_SECONDS = 30 * 24 * 3600.0


class Part(msgspec.Struct):
    """The bytes from `start` until before `end`, and the address of their upload ("": it has not begun)."""

    start: int
    end: int
    place: str = ""


class _Kept(msgspec.Struct):
    parts: list[Part]


class Unfinished:
    """The parts of one upload to one server, for this process alone; kept on disk while it is not done.

    Without an identity, or where another process has it, nothing is kept.
    """

    def __init__(self, folder: Path, where: str, identity: str) -> None:
        name = hashlib.sha256(f"{where}\0{identity}".encode()).hexdigest()[:40]
        self._path = folder / "uploads" / f"{name}.json" if identity else None
        self._lock: Any = None

    def __enter__(self) -> Unfinished:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock = self._path.with_suffix(".lock").open("a")
                if fcntl is not None:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._forget_old(self._path.parent)
            except OSError:
                # A cache that cannot be written is none.
                self._close()
                self._path = None
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def load(self) -> list[Part] | None:
        """The parts as they were kept; None where nothing was."""
        if self._path is None:
            return None
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept).parts
        except (OSError, msgspec.MsgspecError):
            return None

    def keep(self, parts: list[Part]) -> None:
        """Keep the parts, as they are now."""
        if self._path is None:
            return
        made = self._path.with_suffix(f".{secrets.token_hex(6)}")
        with contextlib.suppress(OSError):
            made.write_bytes(msgspec.json.encode(_Kept(parts)))
            made.replace(self._path)

    def forget(self) -> None:
        """It is done."""
        if self._path is not None:
            for each in (self._path, self._path.with_suffix(".lock")):
                with contextlib.suppress(OSError):
                    each.unlink()

    def _forget_old(self, folder: Path) -> None:
        for each in os.scandir(folder):
            with contextlib.suppress(OSError):
                if time.time() - each.stat().st_mtime > _OLD_SECONDS:
                    Path(each.path).unlink()
