"""Readers: files of rows as batches of columns, each row with the line (or row number) that it has in the file.

A reader says in `cells` what it gives: "text" (CSV: every cell a text), "json" (JSON values) or "arrow"
(Arrow arrays). What is wrong with one row (too few fields, not JSON) is told in `Rows.faults`; what is wrong
with the file as a whole raises ImportFailed.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Protocol

from ...errors import ImportFailed
from ..frames import load
from .files import Source, TextOptions, broken, format_of, must_differ, suffix_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cells", "ExactFloat", "Reader", "Rows", "open_reader"]

Cells = Literal["text", "json", "arrow"]
# A field larger than this is an opening quote that was never closed.
_LARGEST_FIELD = 64 * 2**20
_ARROW_BATCH = 65_536


class Rows(NamedTuple):
    """Some rows of a file. `faults` maps the positions of rows that could not be taken apart to what was expected."""

    lines: Sequence[int]
    columns: Mapping[str, Any]
    faults: Mapping[int, str]


class Reader(Protocol):
    """A file of rows, open for reading."""

    @property
    def cells(self) -> Cells:
        """What the columns of `rows` hold."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns; () where each row names its own."""

    @property
    def total(self) -> int | None:
        """How many rows the file has, where it says so."""

    def rows(self, size: int | None) -> Iterator[Rows]:
        """Every row, in batches of up to `size`; in one batch where that is None."""


def open_reader(source: Source, stack: ExitStack, given: str | None, options: TextOptions) -> Reader:
    """A reader of `source`; the stack closes it. ImportFailed where the file is not what it should be."""
    file_format = format_of(source.name, given)
    if file_format == "csv":
        if given is None and suffix_of(source.name) == ".tsv" and options.delimiter == ",":
            return CsvReader(source, stack, options, "\t")
        return CsvReader(source, stack, options, options.delimiter)
    if file_format == "jsonl":
        return JsonLinesReader(source, stack, options)
    if file_format == "parquet":
        return ParquetReader(source, stack)
    return ArrowReader(source, stack)


# --- CSV ----------------------------------------------------------------------------------------------


class CsvReader:
    """Comma-separated values as RFC 4180 has them; quotes that do not close are errors, blank lines are skipped."""

    cells: Cells = "text"
    total = None

    def __init__(self, source: Source, stack: ExitStack, options: TextOptions, delimiter: str) -> None:
        self._source = source
        self._encoding = options.encoding
        text = stack.enter_context(source.text(options.encoding))
        # The limit is the process's; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_FIELD))
        try:
            self._csv = csv.reader(text, delimiter=delimiter, strict=True)
        except TypeError as error:
            raise broken(source.name, f"expected a delimiter of one character, got {delimiter!r}") from error
        self._first: list[str] | None = None  # where the first line has no names
        self._ended = False
        self.names: tuple[str, ...] = ()
        self.names = self._head(options.header)

    def _head(self, header: bool) -> tuple[str, ...]:
        # While there are no names, any row has more fields than expected, so reading stops at the first.
        lines: list[int] = []
        stopped = self._read([], lines, 1)
        if stopped is None:
            raise broken(self._source.name, "expected a header line and rows, found an empty file", line=1)
        fault, first = stopped
        if not first:
            raise broken(self._source.name, f"expected {fault}", line=lines[0])
        if header:
            must_differ(first, self._source.name)
            return tuple(first)
        self._first = first
        return tuple(str(position) for position in range(1, len(first) + 1))

    def rows(self, size: int | None) -> Iterator[Rows]:
        with self._source.reading():
            while not self._ended:
                batch = self._batch(sys.maxsize if size is None else size)
                if batch.lines:
                    yield batch

    def _batch(self, most: int) -> Rows:
        rows: list[list[str]] = []
        lines: list[int] = []
        faults: dict[int, str] = {}
        if self._first is not None:
            rows, lines, self._first = [self._first], [1], None
        while len(rows) < most and not self._ended:
            stopped = self._read(rows, lines, most)
            if stopped is not None:
                faults[len(rows)], row = stopped
                rows.append((row + [""] * len(self.names))[: len(self.names)])
        columns = zip(*rows, strict=True) if rows else iter([()] * len(self.names))
        return Rows(lines, dict(zip(self.names, columns, strict=True)), faults)

    def _read(self, rows: list[list[str]], lines: list[int], most: int) -> tuple[str, list[str]] | None:
        """Append rows and their lines until there are `most`, or the file ends.

        A row at fault stops it: only its line is appended; what was expected and its fields are the answer.
        """
        width, reader = len(self.names), self._csv
        line = reader.line_num + 1
        try:
            for row in reader:
                if len(row) == width:
                    rows.append(row)
                    lines.append(line)
                    if len(rows) == most:
                        return None
                elif row:
                    lines.append(line)
                    return _fields_expected(width, row), row
                line = reader.line_num + 1
        except csv.Error as error:
            if "expected after" not in str(error):
                raise self._unclosed(line, error) from error
            lines.append(line)
            return "a delimiter after the closing quote", []
        except UnicodeDecodeError as error:
            raise self._source.undecodable(self._encoding, error, reader.line_num) from error
        self._ended = True
        return None

    def _unclosed(self, line: int, error: csv.Error) -> ImportFailed:
        reason = "expected a closing quote before the end of the file"
        if "unexpected end" not in str(error):
            reason = f"expected a field of at most {_LARGEST_FIELD // 2**20} MiB; is a closing quote missing?"
        return broken(self._source.name, reason, line=line)


def _fields_expected(width: int, row: list[str]) -> str:
    if len(row) < width:
        return f"{width} fields, found {len(row)}"
    return f"{width} fields, found {len(row)}: too many are {', '.join(map(repr, row[width : width + 5]))}"


# --- JSON lines ---------------------------------------------------------------------------------------


class ExactFloat(float):
    """A number as it is written in the file, so that a decimal attribute gets all its digits."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> ExactFloat:  # noqa: D102 - a float like any other
        self = super().__new__(cls, text)
        self.text = text
        return self


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class JsonLinesReader:
    """One JSON object on each line; blank lines are skipped. A name that a row lacks is a missing value."""

    cells: Cells = "json"
    names: tuple[str, ...] = ()
    total = None

    def __init__(self, source: Source, stack: ExitStack, options: TextOptions) -> None:
        self._source = source
        self._encoding = options.encoding
        self._text = stack.enter_context(source.text(options.encoding))

    def rows(self, size: int | None) -> Iterator[Rows]:
        decode = json.JSONDecoder(parse_float=ExactFloat, parse_constant=_no_constant).decode
        objects: list[dict[str, Any]] = []
        lines: list[int] = []
        faults: dict[int, str] = {}
        found = False
        with self._source.reading():
            for line, text in self._lines():
                if not text.strip():
                    continue
                if not found and text.lstrip().startswith("["):
                    raise broken(
                        self._source.name, "expected one JSON object on each line, found a JSON array", line=line
                    )
                found = True
                fault, value = _object(decode, text)
                if fault is not None:
                    faults[len(objects)] = fault
                objects.append(value)
                lines.append(line)
                if len(objects) == size:
                    yield _from_objects(lines, objects, faults)
                    objects, lines, faults = [], [], {}
        if not found:
            raise broken(self._source.name, "expected JSON objects, one on each line, found an empty file", line=1)
        if objects:
            yield _from_objects(lines, objects, faults)

    def _lines(self) -> Iterator[tuple[int, str]]:
        line = 0
        try:
            for line, text in enumerate(self._text, 1):
                yield line, text
        except UnicodeDecodeError as error:
            raise self._source.undecodable(self._encoding, error, line) from error


def _object(decode: Any, text: str) -> tuple[str | None, dict[str, Any]]:
    try:
        value = decode(text)
    except (ValueError, RecursionError) as error:
        return f"a JSON object ({error})", {}
    if not isinstance(value, dict):
        return "a JSON object", {}
    return None, value


def _from_objects(lines: list[int], objects: list[dict[str, Any]], faults: dict[int, str]) -> Rows:
    names = dict.fromkeys(name for each in objects for name in each)
    return Rows(lines, {name: [each.get(name) for each in objects] for name in names}, faults)


# --- Parquet and Arrow --------------------------------------------------------------------------------


class ParquetReader:
    """A Parquet file; a row's line is its number, from 1."""

    cells: Cells = "arrow"

    def __init__(self, source: Source, stack: ExitStack) -> None:
        self._source = source
        parquet = load("pyarrow.parquet")
        raw = stack.enter_context(source.open())
        with _ArrowErrors(source, "Parquet"):
            self._file = parquet.ParquetFile(_sought(raw))
            self.names = tuple(self._file.schema_arrow.names)
            self.total: int | None = self._file.metadata.num_rows
        must_differ(self.names, source.name)

    def rows(self, size: int | None) -> Iterator[Rows]:
        with _ArrowErrors(self._source, "Parquet"):
            yield from _numbered(self._file.iter_batches(batch_size=size or _ARROW_BATCH), size)


class ArrowReader:
    """An Arrow IPC file or stream, whichever it is; a row's line is its number, from 1."""

    cells: Cells = "arrow"

    def __init__(self, source: Source, stack: ExitStack) -> None:
        self._source = source
        arrow = load("pyarrow")
        raw = _sought(stack.enter_context(source.open()))
        self.total: int | None = None
        with _ArrowErrors(source, "Arrow"):
            if raw.read(6) == b"ARROW1":
                raw.seek(0)
                file = arrow.ipc.open_file(raw)
                self._batches = (file.get_batch(index) for index in range(file.num_record_batches))
                schema = file.schema
            else:
                raw.seek(0)
                stream = arrow.ipc.open_stream(raw)
                self._batches, schema = iter(stream), stream.schema
        self.names = tuple(schema.names)
        must_differ(self.names, source.name)

    def rows(self, size: int | None) -> Iterator[Rows]:
        with _ArrowErrors(self._source, "Arrow"):
            yield from _numbered(self._batches, size)


def _sought(raw: Any) -> Any:
    """A stream that can be sought: the file itself, or all of what cannot be."""
    return raw if raw.seekable() else load("pyarrow").BufferReader(raw.read())


class _ArrowErrors:
    """Errors of Arrow about a file become ImportFailed."""

    def __init__(self, source: Source, what: str) -> None:
        self._source = source
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ImportFailed) or error is None:
            return
        arrow = load("pyarrow")
        if isinstance(error, (arrow.ArrowException, OSError, EOFError)):
            raise broken(
                self._source.name,
                f"expected {self._what}, found a file that is damaged, cut short or of another format ({error})",
            ) from error


def _numbered(batches: Iterable[pa.RecordBatch], size: int | None) -> Iterator[Rows]:
    row = 1
    if size is None:
        whole = load("pyarrow").Table.from_batches(batches).combine_chunks().to_batches()
        batches, size = whole, whole[0].num_rows if whole else 1
    for batch in batches:
        for start in range(0, batch.num_rows, size):
            part = batch.slice(start, size)
            columns = dict(zip(part.schema.names, part.columns, strict=True))
            yield Rows(range(row, row + part.num_rows), columns, {})
            row += part.num_rows
