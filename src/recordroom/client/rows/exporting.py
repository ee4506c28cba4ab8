"""Export: a result into a file of rows, in bounded memory; a file appears whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, cast

from ...errors import ImportFailed, PermissionDenied, StorageFull
from ..frames import outputs, pages
from ..pause import paused_collector
from .files import TEXT_FORMATS, TextOptions, format_of, suffix_of
from .report import ExportReport
from .writers import open_writer

if TYPE_CHECKING:
    from ..results import QueryResult

__all__ = ["export_rows"]

_PAGE = 20_000


def export_rows(
    result: QueryResult[Any],
    target: str | PurePath | IO[bytes],
    format: str | None = None,
    *,
    options: TextOptions | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> ExportReport:
    """Write every row of a result, one snapshot, as CSV, JSON lines, Parquet or Arrow.

    `target` is a path (`format` where its name does not tell; text formats may end in `.gz`) or a binary stream.
    An entity's row starts with its `id`, references are ids, moments are UTC, multi-valued attributes JSON arrays:
    importing the file again makes the same entities. Collections, links and mappings have a column where they are
    selected: `select name, assignees.name, metadata from Task`; lists and objects in JSON lines, JSON text in CSV.
    `options` are for CSV. `progress` is called with the rows done and, unknown here, None.
    Raises PermissionDenied, StorageFull; ImportFailed where the format is not known.
    """
    started = time.monotonic()
    options = options or TextOptions()
    name = str(target) if isinstance(target, (str, PurePath)) else "the stream"
    file_format = format_of(name, format)
    if file_format == "csv" and format is None and suffix_of(name) == ".tsv" and options.delimiter == ",":
        options = TextOptions(delimiter="\t", encoding=options.encoding, header=options.header, nulls=options.nulls)
    _must_be_writable(name, file_format)
    columns = outputs(result)
    report = ExportReport(target=name, format=file_format, columns=[column.name for column in columns])
    with _opened(target) as raw, ExitStack() as stack:
        writer = open_writer(raw, stack, file_format, columns, options)
        for page in pages(result, _PAGE):
            with paused_collector:
                if page.count:
                    writer.write(page)
            report.rows += page.count
            if progress is not None:
                progress(report.rows, None)
    report.blurred = dict(writer.blurred)
    report.seconds = time.monotonic() - started
    return report


def _must_be_writable(name: str, file_format: str) -> None:
    """Refuse a name that promises another kind of file than would be written."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".zip" or (suffix == ".gz" and file_format not in TEXT_FORMATS):
        raise ImportFailed(
            f"{name}: {file_format} is not written into {suffix}; text formats can be packed as .gz.",
            source=name,
            expected="a name without .zip, and without .gz for Parquet and Arrow",
        )


@contextmanager
def _opened(target: str | PurePath | IO[bytes]) -> Iterator[IO[bytes]]:
    if not isinstance(target, (str, PurePath)):
        yield target
        return
    path = Path(target)
    packed = path.suffix.lower() == ".gz"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            if packed:
                with gzip.GzipFile(path.stem, "wb", fileobj=raw, compresslevel=6) as stream:
                    yield cast("IO[bytes]", stream)
            else:
                yield raw
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise StorageFull(path=str(path)) from error
        raise PermissionDenied(what=f"writing {path}: {error.strerror or error}") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
