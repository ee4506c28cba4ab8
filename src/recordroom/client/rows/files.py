"""Files of rows: which formats there are, how a file is opened, and what is wrong with one that cannot be read.

A source is a path or a binary stream. Text formats may be compressed (`.gz`, or `.zip` with one member);
Parquet and Arrow need a file that can be sought and compress themselves.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import IO, Any, cast

import msgspec

from ...errors import ImportFailed, PermissionDenied

__all__ = ["FORMATS", "Source", "TextOptions", "broken", "format_of"]

FORMATS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".txt"),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
    "arrow-stream": (".arrows",),
}
TEXT_FORMATS = ("csv", "jsonl")
_COMPRESSED = (".gz", ".zip")
_MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"SQLite format 3": "SQLite",
}
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a text file is written. `nulls` are the texts that stand for a missing value; the first is the one written.

    Without a `header` the columns are called "1", "2" and so on.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    header: bool = True
    nulls: tuple[str, ...] = ("",)


def suffix_of(name: str) -> str:
    """The suffix that tells the format: `.csv` of "a.csv.gz"."""
    path = PurePath(name)
    if path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def format_of(name: str, given: str | None = None) -> str:
    """The format of a file called `name`; ImportFailed where neither `given` nor the name tells one of `FORMATS`."""
    if given is not None:
        if given not in FORMATS:
            raise ImportFailed(
                f"There is no format {given!r}; there are {_listed(FORMATS)}.",
                source=name,
                expected=f"one of {_listed(FORMATS)}",
            )
        return given
    suffix = suffix_of(name)
    for format_name, suffixes in FORMATS.items():
        if suffix in suffixes:
            return format_name
    endings = [ending for suffixes in FORMATS.values() for ending in suffixes]
    raise ImportFailed(
        f"{name}: cannot tell the format from the name; name it with one of {_listed(endings)}, or say the format ({_listed(FORMATS)}).",
        source=name,
        expected=f"a name ending in one of {_listed(endings)}",
    )


def _listed(names: object) -> str:
    return ", ".join(names)  # type: ignore[arg-type]


def broken(source: str, reason: str, *, line: int | None = None, **facts: Any) -> ImportFailed:
    """The error for a file that cannot be read (further)."""
    where = source if line is None else f"{source}, line {line}"
    facts.setdefault("expected", reason)
    return ImportFailed(f"{where}: {reason}", source=source, line=line, reason=reason, **facts)


class Source:
    """Where rows come from: a path or a binary stream, with a name for messages."""

    def __init__(self, given: str | PurePath | IO[bytes]) -> None:
        self.path = Path(given) if isinstance(given, (str, PurePath)) else None
        self._stream = None if isinstance(given, (str, PurePath)) else given
        name = getattr(given, "name", None) if self.path is None else str(self.path)
        self.name = name if isinstance(name, str) and name else "the stream"

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes, decompressed; errors as in `reading`."""
        with contextlib.ExitStack() as stack, self.reading():
            yield self._opened(stack)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Errors of the file system and of decompression become named ones."""
        try:
            yield
        except FileNotFoundError as error:
            raise broken(self.name, "there is no such file") from error
        except IsADirectoryError as error:
            raise broken(self.name, "this is a folder, not a file") from error
        except PermissionError as error:
            raise PermissionDenied(what=f"reading {self.name}") from error
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise broken(self.name, f"the compressed file is damaged or cut short ({error})") from error

    def _opened(self, stack: contextlib.ExitStack) -> IO[bytes]:
        if self.path is None:
            assert self._stream is not None
            return self._stream
        suffix = self.path.suffix.lower()
        if suffix == ".gz":
            return cast("IO[bytes]", stack.enter_context(gzip.open(self.path)))
        if suffix == ".zip":
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            members = [each for each in archive.namelist() if not each.endswith("/")]
            if len(members) != 1:
                raise broken(self.name, f"a zip of rows holds one file; this one holds {len(members)}")
            return stack.enter_context(archive.open(members[0]))
        return stack.enter_context(self.path.open("rb"))

    @contextlib.contextmanager
    def text(self, encoding: str) -> Iterator[IO[str]]:
        """The decoded text with its line ends as they are; refuses what is plainly not text."""
        # utf-8-sig also reads what has no byte order mark.
        codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        with self.open() as raw:
            start = raw.read(4096)
            self._must_be_text(start, encoding)
            buffered = io.BufferedReader(_Rejoined(start, raw), 1 << 16)
            try:
                wrapped = io.TextIOWrapper(buffered, encoding=codec, newline="")
            except LookupError as error:
                raise broken(self.name, f"there is no encoding {encoding!r}", encoding=encoding) from error
            with wrapped:
                yield wrapped

    def _must_be_text(self, start: bytes, encoding: str) -> None:
        for magic, what in _MAGIC.items():
            if start.startswith(magic):
                raise broken(self.name, f"expected text, found a {what} file")
        if b"\0" in start and not encoding.lower().startswith(
            ("utf-16", "utf_16", "utf16", "utf-32", "utf_32", "utf32")
        ):
            hint = " (it looks like UTF-16: say encoding='utf-16')" if start.startswith(_WIDE) else ""
            raise broken(self.name, f"expected {encoding} text, found a binary file{hint}")

    def undecodable(self, encoding: str, error: UnicodeDecodeError, after: int) -> ImportFailed:
        """The error for bytes that are not of the encoding, with their line where the file can be read again."""
        line = self._undecodable_line(encoding) if self.path is not None else None
        wrong = " ".join(f"{byte:02x}" for byte in error.object[error.start : error.end][:8])
        reason = f"expected {encoding} text, found the bytes {wrong}"
        if line is None:
            reason += f" after line {after}"
        return broken(
            self.name, f"{reason}; say which encoding the file has", line=line, value=wrong, encoding=encoding
        )

    def _undecodable_line(self, encoding: str) -> int | None:
        # The decoder turns each undecodable byte into a surrogate, which no decoded text has.
        with self.open() as raw, io.TextIOWrapper(raw, encoding=encoding, errors="surrogateescape") as text:
            for number, line in enumerate(text, 1):
                if any("\ud800" <= character <= "\udfff" for character in line):
                    return number
        return None


class _Rejoined(io.RawIOBase):
    """What was read to look at, then the rest. Closing it leaves the stream open: that is its owner's."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start[: len(buffer)] if self._start else self._rest.read(len(buffer))
        self._start = self._start[len(data) :] if self._start else b""
        buffer[: len(data)] = data
        return len(data)


def must_differ(names: Sequence[str], source: str) -> None:
    """ImportFailed where two columns have one name."""
    seen = set()
    for name in names:
        if name in seen:
            raise broken(source, f"expected columns of different names, found {name!r} twice", line=1, column=name)
        seen.add(name)
