"""Writers: pages of raw columns into files of rows.

What a writer writes, the reader of the same format reads back as the same raw scalars, with one exception that is
counted, not hidden: CSV cannot tell a text equal to its null text (usually the empty text) from a missing value.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import IO, Any, Protocol

import msgspec

from ...model.ids import show_id
from ...model.kinds import KINDS, Storage, raw_loader
from ...model.schema import Attribute
from ...query.request import Page
from ..frames import Output, array_of, load, schema_of
from .files import TextOptions

__all__ = ["Writer", "open_writer", "shown_columns"]


class Writer(Protocol):
    """Takes pages, one after another."""

    @property
    def blurred(self) -> Mapping[str, int]:
        """By column, the texts that look like missing values in the file."""

    def write(self, page: Page) -> None:
        """Append the rows of a page."""


def open_writer(
    raw: IO[bytes], stack: ExitStack, file_format: str, outputs: Sequence[Output], options: TextOptions
) -> Writer:
    """A writer of one of `files.FORMATS` into `raw`; the stack finishes it."""
    if file_format == "csv":
        return CsvWriter(raw, stack, outputs, options)
    if file_format == "jsonl":
        return JsonLinesWriter(raw, outputs)
    return ArrowWriter(raw, stack, file_format, outputs)


def _text_of(attribute: Attribute) -> Callable[[Any], Any] | None:
    """From a raw scalar to what CSV shows; None where the writer of CSV does that itself."""
    if attribute.multi:
        return _list_text(attribute)
    storage = KINDS[attribute.kind].storage
    if storage is Storage.BYTES:
        return show_id
    if storage is Storage.BOOLEAN:
        return lambda raw: "true" if raw else "false"
    if attribute.kind in ("date", "datetime"):
        return _moment_text(attribute)
    return None


def _moment_text(attribute: Attribute) -> Callable[[Any], str]:
    loaded = raw_loader(attribute)
    assert loaded is not None
    if attribute.kind == "date":
        return lambda raw: loaded(raw).isoformat()
    return lambda raw: loaded(raw).isoformat().replace("+00:00", "Z")


def _list_text(attribute: Attribute) -> Callable[[Any], str]:
    """A multi-valued attribute as JSON; items as they would stand alone."""
    single = msgspec.structs.replace(attribute, multi=False)
    item = _json_of(single)
    if item is None:
        return str

    def text(raw: str) -> str:
        items = json.loads(raw)
        if KINDS[attribute.kind].storage is Storage.BYTES:
            items = [bytes.fromhex(each) for each in items]
        return msgspec.json.encode([item(each) for each in items]).decode()

    return text


def _json_of(attribute: Attribute) -> Callable[[Any], Any] | None:
    """From a raw scalar to what JSON shows; None where it is the same."""
    if attribute.multi:
        text = _list_text(attribute)
        return lambda raw: msgspec.Raw(text(raw).encode())
    storage = KINDS[attribute.kind].storage
    if storage is Storage.BYTES:
        return show_id
    if storage is Storage.JSON:
        return lambda raw: msgspec.Raw(raw.encode())
    if attribute.kind in ("date", "datetime"):
        return _moment_text(attribute)
    return None


def _shown(raws: Sequence[Any], show: Callable[[Any], Any] | None, missing: Any) -> Sequence[Any]:
    """A column through `show`, equal values shown once."""
    if show is None:
        return raws if missing is None else [missing if raw is None else raw for raw in raws]
    known = {raw: show(raw) for raw in set(raws) if raw is not None}
    known[None] = missing
    return list(map(known.__getitem__, raws))


def shown_columns(outputs: Sequence[Output], page: Page) -> list[Sequence[Any]]:
    """The columns of a page as people read them: texts, numbers and booleans; None where missing."""
    shown = []
    for output in outputs:
        boolean = KINDS[output.attribute.kind].storage is Storage.BOOLEAN and not output.attribute.multi
        shown.append(_shown(output.of(page), None if boolean else _text_of(output.attribute), None))
    return shown


class CsvWriter:
    """One line for each row (more where a text has line ends), the names of the columns first."""

    def __init__(self, raw: IO[bytes], stack: ExitStack, outputs: Sequence[Output], options: TextOptions) -> None:
        self.blurred: dict[str, int] = {}
        self._columns = [(output, _text_of(output.attribute)) for output in outputs]
        self._null = options.nulls[0] if options.nulls else ""
        text = io.TextIOWrapper(raw, encoding=options.encoding, newline="", write_through=False)
        # The stream is its owner's: flushed, not closed.
        stack.callback(text.detach)
        self._csv = csv.writer(text, delimiter=options.delimiter, lineterminator="\n")
        if options.header:
            self._csv.writerow([output.name for output in outputs])

    def write(self, page: Page) -> None:
        """Append the rows of a page."""
        shown = []
        for output, show in self._columns:
            raws = output.of(page)
            alike = raws.count(self._null) if KINDS[output.attribute.kind].storage is Storage.TEXT else 0
            if alike:
                self.blurred[output.name] = self.blurred.get(output.name, 0) + alike
            shown.append(_shown(raws, show, self._null))
        self._csv.writerows(zip(*shown, strict=True))


class JsonLinesWriter:
    """One JSON object for each row, every column in it."""

    blurred: Mapping[str, int] = MappingProxyType({})

    def __init__(self, raw: IO[bytes], outputs: Sequence[Output]) -> None:
        self._raw = raw
        self._columns = [(output, _json_of(output.attribute)) for output in outputs]
        self._names = [output.name for output in outputs]
        self._encoder = msgspec.json.Encoder()

    def write(self, page: Page) -> None:
        """Append the rows of a page."""
        columns = [_shown(output.of(page), show, None) for output, show in self._columns]
        names = self._names
        self._raw.write(
            self._encoder.encode_lines([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)])
        )


class ArrowWriter:
    """A Parquet file, an Arrow file or an Arrow stream: a row group or record batch for each page."""

    blurred: Mapping[str, int] = MappingProxyType({})

    def __init__(self, raw: IO[bytes], stack: ExitStack, file_format: str, outputs: Sequence[Output]) -> None:
        self._arrow = load("pyarrow")
        self._outputs = outputs
        self._schema = schema_of(outputs)
        make = {
            "parquet": lambda: load("pyarrow.parquet").ParquetWriter(raw, self._schema),
            "arrow": lambda: self._arrow.ipc.new_file(raw, self._schema),
            "arrow-stream": lambda: self._arrow.ipc.new_stream(raw, self._schema),
        }
        self._writer = stack.enter_context(make[file_format]())

    def write(self, page: Page) -> None:
        """Append the rows of a page."""
        arrays = [array_of(output.of(page), output.attribute) for output in self._outputs]
        self._writer.write_batch(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
