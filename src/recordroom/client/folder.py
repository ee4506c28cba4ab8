"""The folder of a user's settings: theirs alone, written to as a whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import PermissionDenied

__all__ = ["checked", "locked", "settings_folder", "write_whole"]

VARIABLE = "RECORDROOM_CONFIG"


def settings_folder(environ: Mapping[str, str]) -> Path:
    """Where the settings are: RECORDROOM_CONFIG, or `recordroom` in XDG_CONFIG_HOME, which is ~/.config by default."""
    if given := environ.get(VARIABLE):
        return Path(given).expanduser()
    base = environ.get("XDG_CONFIG_HOME", "")
    # The specification of base directories has relative paths ignored.
    return (Path(base) if base.startswith("/") else Path("~/.config").expanduser()) / "recordroom"


def checked(path: Path) -> bool:
    """Whether there is such a file; PermissionDenied, with what to do, where others can read or replace it."""
    try:
        found, around = path.stat(), path.parent.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _denied(path, f"it cannot be opened ({error.strerror})") from None
    if os.name == "posix":
        if found.st_uid not in (os.getuid(), 0):
            raise _denied(path, "it belongs to another user")
        if found.st_mode & 0o077:
            raise _denied(path, f"others can read it (mode {stat.S_IMODE(found.st_mode):o}): chmod 600 {path}")
        if around.st_mode & 0o022:
            mode = stat.S_IMODE(around.st_mode)
            raise _denied(path, f"others can replace it (mode {mode:o} of its folder): chmod 700 {path.parent}")
    return True


def write_whole(path: Path, text: str) -> None:
    """Replace the text of a file that only its owner can read: all of it, or nothing where the machine stops."""
    path = path.resolve()
    _made(path.parent)
    # mkstemp gives mode 600.
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """One process and thread at a time has the lock named `what`; others wait."""
    try:
        import fcntl
    except ImportError:
        # Windows: what is written is still whole, the last one wins.
        yield
        return
    name = hashlib.sha256(what.encode()).hexdigest()[:32]
    locks = _made(folder) / "locks"
    number = os.open(_made(locks) / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _denied(folder, f"the folder cannot be made ({error.strerror})") from None
    return folder


def _denied(path: Path, reason: str) -> PermissionDenied:
    return PermissionDenied(f"{path} may hold keys, and {reason}.", what=str(path), reason=reason)
