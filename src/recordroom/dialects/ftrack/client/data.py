"""What accessors open: things to read from and write to, like files."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Data", "File", "FileWrapper", "String"]


class Data(ABC):
    """Something to read from and write to. Closing it flushes it."""

    def __init__(self) -> None:
        self.closed = False

    @abstractmethod
    def read(self, limit: int | None = None) -> Any:
        """What comes from here on, at most `limit`."""

    @abstractmethod
    def write(self, content: Any) -> None:
        """Put something here."""

    def flush(self) -> None:  # noqa: B027 - data without a buffer has nothing to do
        """Make sure that what was written is there."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Go elsewhere; NotImplementedError where that cannot be."""
        raise NotImplementedError("This data cannot seek.")

    def tell(self) -> int:
        """Where it is; NotImplementedError where that cannot be said."""
        raise NotImplementedError("This data cannot tell where it is.")

    def close(self) -> None:
        """Flush it and end."""
        self.flush()
        self.closed = True


class FileWrapper(Data):
    """Data of a Python file."""

    def __init__(self, wrapped_file: Any) -> None:
        self.wrapped_file = wrapped_file
        self._has_read = False
        super().__init__()

    def read(self, limit: int | None = None) -> Any:
        """What comes from here on, at most `limit`."""
        self._has_read = True
        return self.wrapped_file.read(-1 if limit is None else limit)

    def write(self, content: Any) -> None:
        """Put something here."""
        if self._has_read:
            # Between reading and writing a file wants to be told where it is.
            self.seek(self.tell())
        self.wrapped_file.write(content)
        self._has_read = False

    def flush(self) -> None:
        """Make sure that what was written is there."""
        if hasattr(self.wrapped_file, "flush"):
            self.wrapped_file.flush()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Go elsewhere."""
        self.wrapped_file.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        found: int = self.wrapped_file.tell()
        return found

    def close(self) -> None:
        """Flush it and end; again does nothing."""
        if self.closed:
            return
        try:
            super().close()
        finally:
            self.closed = True
            if hasattr(self.wrapped_file, "close"):
                self.wrapped_file.close()


class File(FileWrapper):
    """Data of the file at a path."""

    def __init__(self, path: str, mode: str = "rb") -> None:
        super().__init__(open(path, mode))  # noqa: PTH123, SIM115 - closed by close()


class String(FileWrapper):
    """Data in a temporary file. Texts that were written are read as texts."""

    def __init__(self, content: str | bytes | None = None) -> None:
        self.is_binary = True
        super().__init__(tempfile.TemporaryFile())  # noqa: SIM115 - closed by close()
        if content is not None:
            self.write(content)
            self.seek(0)

    def write(self, content: str | bytes) -> None:
        """Put something here."""
        if isinstance(content, str):
            self.is_binary = False
            content = content.encode()
        super().write(content)

    def read(self, limit: int | None = None) -> Any:
        """What comes from here on, at most `limit` bytes of it."""
        content: bytes = super().read(limit)
        return content if self.is_binary else content.decode()
