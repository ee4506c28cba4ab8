"""Blobs in a folder: `blobs/ab/abcd…` and `uploads/…`. A blob comes by a rename of a file that is written and flushed."""

# ruff: noqa: D102 - what the methods do is said in Blobs
from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import LocationUnavailable, NoSuchFile, PermissionDenied, StorageFull, UploadBusy, WrongOffset
from .blobs import OWNER, PIECE, Blobs, Incoming, Kept, Known, check_digest

try:
    import fcntl
except ImportError:  # not on Windows, where a file that is open for writing twice is the operating system's to refuse
    fcntl = None  # type: ignore[assignment]

__all__ = ["DiskBlobs"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DiskBlobs(Blobs):
    """The blobs in a folder, which is made with the first of them."""

    def __init__(self, folder: str | Path) -> None:
        self.where = str(folder)
        self._blobs = Path(folder) / "blobs"
        self._uploads = Path(folder) / "uploads"

    def __repr__(self) -> str:
        return f"<DiskBlobs {self.where}>"

    def _owner(self) -> str | None:
        try:
            return (self._uploads.parent / OWNER).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LocationUnavailable(where=self.where, reason=f"{OWNER} cannot be read") from error

    def _own(self, room: str) -> str:
        mark = self._uploads.parent / OWNER
        made = self._uploads / f"owner-{secrets.token_hex(8)}"
        with _named(self.where):
            self._uploads.mkdir(parents=True, exist_ok=True)
            made.write_text(f"{room}\n", encoding="ascii")
            try:
                # Whole or not at all, and only where there is none.
                os.link(made, mark)
            except FileExistsError:
                return self._owner() or room
            except OSError:
                if not mark.exists():
                    made.replace(mark)
            finally:
                made.unlink(missing_ok=True)
        return self._owner() or room

    def free(self) -> int | None:
        for folder in (self._uploads, *self._uploads.absolute().parents):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return shutil.disk_usage(folder).free
        return None

    def _blob(self, digest: str) -> Path:
        return self._blobs / check_digest(digest)[:2] / digest

    def _upload(self, upload: str) -> Path:
        if not upload.replace("-", "").isalnum():
            raise ValueError(f"{upload[:80]!r} is no name of an upload")
        return self._uploads / upload

    # --- blobs ---

    def size(self, digest: str) -> int | None:
        try:
            return self._blob(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        try:
            return _Pieces(self._blob(digest), start, length)
        except FileNotFoundError:
            raise NoSuchFile(where="the room", path=digest) from None

    def remove(self, digest: str) -> None:
        self.claim()
        with _named(self.where), contextlib.suppress(FileNotFoundError):
            self._blob(digest).unlink()

    def all(self) -> Iterator[Kept]:
        with contextlib.suppress(FileNotFoundError):
            for shelf in sorted(self._blobs.iterdir()):
                yield from (each for each in _kept(shelf) if len(each.name) == 64)

    # --- uploads ---

    def offset(self, upload: str) -> int:
        try:
            return self._upload(upload).stat().st_size
        except FileNotFoundError:
            return 0

    def begin(self, upload: str, offset: int) -> Incoming:
        path = self._upload(upload)
        self.claim()
        with _named(self.where):
            path.parent.mkdir(parents=True, exist_ok=True)
            return _DiskIncoming(self.where, path, offset)

    def shorten(self, upload: str, offset: int) -> None:
        with _named(self.where), contextlib.suppress(FileNotFoundError):
            os.truncate(self._upload(upload), offset)

    def uploads(self) -> Iterator[Kept]:
        with contextlib.suppress(FileNotFoundError):
            yield from _kept(self._uploads)

    def discard(self, upload: str) -> None:
        self.check_owner()
        with _named(self.where), contextlib.suppress(FileNotFoundError):
            self._upload(upload).unlink()

    def _incoming(self, upload: str) -> Iterator[bytes]:
        try:
            return _Pieces(self._upload(upload))
        except FileNotFoundError:
            return iter(())

    def _make(self, uploads: Sequence[str], known: Known) -> None:
        blob = self._blob(known.digest)
        with _named(self.where):
            if self.size(known.digest) == known.size:
                # Young again: it is not collected before somebody has noted that it is needed.
                with contextlib.suppress(FileNotFoundError):
                    os.utime(blob)
                    return
            blob.parent.mkdir(parents=True, exist_ok=True)
            self._uploads.mkdir(parents=True, exist_ok=True)
            made = self._uploads / f"made-{secrets.token_hex(8)}"
            try:
                if len(uploads) != 1 or not self._linked(self._upload(uploads[0]), made):
                    self._copy(uploads, made, known.size)
                made.replace(blob)
                _sync_folder(blob.parent)
            finally:
                made.unlink(missing_ok=True)

    def _linked(self, upload: Path, made: Path) -> bool:
        """Whether the bytes have another name now; not every disk can do that."""
        try:
            os.link(upload, made)
            os.utime(made)
        except OSError:
            return False
        return True

    def _copy(self, uploads: Sequence[str], made: Path, size: int) -> None:
        with made.open("xb") as file:
            if size:
                _reserve(file.fileno(), size)
            count = 0
            for upload in uploads:
                for piece in self._incoming(upload):
                    file.write(piece)
                    count += len(piece)
            if count != size:
                raise LocationUnavailable(where=self.where, reason="what had come of an upload has vanished")
            file.flush()
            os.fsync(file.fileno())


class _DiskIncoming(Incoming):
    def __init__(self, where: str, path: Path, offset: int) -> None:
        self._where = where
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.fstat(self._descriptor).st_size
            if there != offset:
                raise WrongOffset(offset=there, given=offset)
        except BlockingIOError:
            os.close(self._descriptor)
            raise UploadBusy from None
        except BaseException:
            os.close(self._descriptor)
            raise
        self.offset = offset
        self._open = True

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                count = os.pwrite(self._descriptor, view, self.offset)
                self.offset += count
                view = view[count:]
        except OSError as error:
            raise _name(self._where, error) from error

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _name(self._where, error) from error
        finally:
            os.close(self._descriptor)


# --- files ----------------------------------------------------------------------------------------


class _Pieces(Iterator[bytes]):
    """What a file has, piece by piece. It is closed at the end, or with the last who knows of this."""

    def __init__(self, path: Path, start: int = 0, length: int | None = None) -> None:
        self._descriptor: int | None = None
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._start = start
        self._left = length

    def __next__(self) -> bytes:
        if self._descriptor is None:
            raise StopIteration
        count = PIECE if self._left is None else min(PIECE, self._left)
        piece = os.pread(self._descriptor, count, self._start)
        if not piece:
            self.close()
            raise StopIteration
        self._start += len(piece)
        if self._left is not None:
            self._left -= len(piece)
        return piece

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close


def _kept(folder: Path) -> Iterator[Kept]:
    for each in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            found = each.stat(follow_symlinks=False)
            if each.is_file(follow_symlinks=False):
                yield Kept(each.name, found.st_size, found.st_mtime)


def _reserve(descriptor: int, size: int) -> None:
    """Say early that there is no room; where a disk cannot tell, it is said when it is full."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno in _FULL:
                raise


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _name(where, error) from error


def _name(where: str, error: OSError) -> Exception:
    if error.errno in _FULL:
        return StorageFull(path=where)
    if error.errno in _DENIED:
        return PermissionDenied(what=f"{where} ({error.strerror})")
    return LocationUnavailable(where=where, reason=str(error.strerror))
