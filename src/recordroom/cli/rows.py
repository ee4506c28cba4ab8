"""`recordroom query`, `import` and `export`: rows out of a room, and into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from ..client.bars import bar_of_rows
from ..query import syntax
from .apps import repeated, switch
from .output import counted, note, print_json, print_table, print_text, say
from .rooms import STREAM, Database, Json, Room, UsageError, Wait, Words, open_session, placed

if TYPE_CHECKING:
    from ..client.results import QueryResult
    from ..client.rows import ImportReport, TextOptions
    from ..client.session import Session
    from ..model.schema import Schema

__all__ = ["export", "import_", "query"]

ROWS = 40

Past = Annotated[
    str | None,
    Parameter(name="--at", help="Read the room as it was: a revision or a moment such as 2026-11-21T10:00Z."),
]
Format = Annotated[
    Literal["csv", "jsonl", "parquet", "arrow", "arrow-stream"] | None,
    Parameter(name="--format", help="The format, where the file's name does not tell."),
]
Delimiter = Annotated[str, Parameter(name="--delimiter", help="What separates the fields of CSV.")]
Encoding = Annotated[str, Parameter(name="--encoding", help="The encoding of CSV and JSON lines.")]
Nulls = Annotated[
    list[str] | None,
    repeated("--null", "A text that stands for a missing value in CSV (repeat for more). [default: the empty text]"),
]
NoHeader = Annotated[
    bool,
    switch("--no-header", "CSV without a line of names; columns are called 1, 2, …"),
]


# --- query --------------------------------------------------------------------------------------------


def query(  # noqa: PLR0913 - the options of the command
    *words: Words,
    rows: Annotated[int, Parameter(name=["--rows", "-n"], help="Show at most so many rows.")] = ROWS,
    all_: Annotated[bool, switch("--all", "Show every row.")] = False,
    count: Annotated[bool, switch("--count", "Only count the rows.")] = False,
    explain: Annotated[
        bool,
        switch("--explain", "Show the statement and the database's plan instead."),
    ] = False,
    at: Past = None,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Ask a question and see the rows.

    A query names a type, then says which of its entities, in which order.
    Without `select` the table shows the attributes that fit the terminal, and
    for a reference what stands for the entity that it names. With --json every
    row is one line with all that was selected, and no row is left out.

    For example:

        recordroom query flights.room 'Plane where year < 1960'
        recordroom query flights.room 'Flight where dest.faa is "ANC"' --count
        recordroom query flights.room 'select carrier.name, count() as flights
            from Flight group by carrier.name order by flights descending'
    """
    from ..query.grammar import parse

    where, (text,) = placed(words, room, ("QUERY",))
    tree = parse(text)
    with open_session(where, database) as session:
        asked = session if at is None else session.at(_moment(at))
        if explain:
            print_text(asked.query(tree).explain())
        elif count:
            found = asked.query(tree).count()
            print_json({"count": found}) if json else say(f"{found:,}")
        elif json:
            _print_lines(asked.query(tree))
        else:
            _print_rows(asked, tree, None if all_ else rows)


def _moment(text: str) -> Any:
    """A revision or a moment; a moment without a zone is UTC."""
    import datetime as dt

    if text.isdigit():
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at takes a revision or a moment such as 2026-11-21T10:00Z, not {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _print_lines(result: QueryResult[Any]) -> None:
    from ..client.rows import export_rows

    export_rows(result, sys.stdout.buffer, "jsonl")
    sys.stdout.buffer.flush()


def _print_rows(session: Session, tree: syntax.Query, most: int | None) -> None:
    if most is not None and most < 1:
        raise UsageError(f"--rows takes a number from 1, not {most}")
    tree = tree if tree.select or tree.group_by else for_people(session.schema, tree)
    asked = tree
    if most is not None and (tree.limit is None or tree.limit > most):
        asked = msgspec.structs.replace(tree, limit=most + 1)
    names, rows, numeric = table_of(session.query(asked), hide_id=True)
    if not rows:
        note("No rows.")
        return
    left_out = 0
    if asked is not tree and most is not None and len(rows) > most:
        left_out = session.query(tree).count() - most
        rows = rows[:most]
    hidden = print_table(names, rows, numbers=numeric)
    if left_out > 0:
        note(f"{counted(left_out, 'more row')}: --rows {most + left_out if most else 0}, --all, or --json.")
    if hidden:
        note(f"Columns that do not fit: {', '.join(hidden)}. Select what you need, or use --json.")


def for_people(schema: Schema, tree: syntax.Query) -> syntax.Query:
    """The query with a select of its own: first what stands for the type, then what the query speaks of.

    A reference is shown as what stands for the entity that it names.
    """
    spoken_of = [path for part in (tree.where, *tree.order_by) for path in _paths(part)]
    paths = dict.fromkeys(
        [(schema.display(tree.type),), *(path for path in spoken_of if _is_one(schema, tree.type, path))]
    )
    for attribute in schema.attributes(tree.type).values():
        if not attribute.system and (attribute.stored or attribute.computed):
            paths[(attribute.name,)] = None
    shown = dict.fromkeys(_to_display(schema, tree.type, path) for path in paths)
    return msgspec.structs.replace(tree, select=tuple(syntax.Selected(syntax.Path(path)) for path in shown))


def _paths(node: Any) -> Iterator[tuple[str, ...]]:
    """The paths in a condition or an order, but not those that start at another type."""
    if isinstance(node, syntax.Path):
        yield node.names
    elif isinstance(node, tuple):
        for each in node:
            yield from _paths(each)
    elif isinstance(node, msgspec.Struct) and not isinstance(node, (syntax.Any, syntax.Has, syntax.Query)):
        for name in node.__struct_fields__:
            yield from _paths(getattr(node, name))


def _is_one(schema: Schema, type_name: str, path: tuple[str, ...]) -> bool:
    """Whether a path has one value for each entity."""
    for name in path[:-1]:
        attribute = schema.attribute(type_name, name)
        if attribute.kind != "reference":
            return False
        type_name = attribute.target
    return not schema.attribute(type_name, path[-1]).many


def _to_display(schema: Schema, type_name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    for name in path[:-1]:
        type_name = schema.attribute(type_name, name).target
    last = schema.attribute(type_name, path[-1])
    return (*path, schema.display(last.target)) if last.kind == "reference" else path


def table_of(result: QueryResult[Any], *, hide_id: bool = False) -> tuple[list[str], list[tuple[Any, ...]], list[str]]:
    """Names, rows of values for people, and the names of columns of numbers."""
    from ..client.frames import outputs
    from ..client.rows.writers import shown_columns

    columns = outputs(result)
    if (
        hide_id
        and len(columns) > 1
        and columns[0].place == "ids"
        and "id" not in {_name(each) for each in result.query.select}
    ):
        columns = columns[1:]
    rows: list[tuple[Any, ...]] = []
    for page in result.pages():
        rows.extend(zip(*shown_columns(columns, page), strict=True))
    numeric = [each.name for each in columns if each.attribute.kind in ("integer", "number", "decimal")]
    return [each.name for each in columns], rows, numeric


def _name(selected: syntax.Selected) -> str:
    return selected.name or (".".join(selected.value.names) if isinstance(selected.value, syntax.Path) else "")


# --- import -------------------------------------------------------------------------------------------


def import_(  # noqa: PLR0913 - the options of the command
    *words: Words,
    key: Annotated[
        str | None,
        Parameter(
            name="--key",
            help="Attributes, joined by commas, by which a row finds its entity: update it if it is there.",
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        repeated("--map", "column=attribute, where the names differ (repeat for more)."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        repeated("--reference", "attribute=key or attribute=column:key: how a reference is found (repeat for more)."),
    ] = None,
    unresolved: Annotated[
        Literal["error", "null"],
        Parameter(
            name="--unresolved", help="A reference that names nothing: an error of the row, or left empty and counted."
        ),
    ] = "error",
    on_error: Annotated[
        Literal["stop", "skip"], Parameter(name="--on-error", help="At a wrong row: stop, or leave it out and go on.")
    ] = "stop",
    rejects: Annotated[
        str | None,
        Parameter(name="--rejects", help="A CSV file for the rows left out, with line, column and what was expected."),
    ] = None,
    atomic: Annotated[
        bool,
        switch("--atomic", "One commit: all rows or none (the file is held in memory)."),
    ] = False,
    ignore_extra: Annotated[
        bool,
        switch("--ignore-extra", "Pass over columns that are not attributes."),
    ] = False,
    batch_size: Annotated[int, Parameter(name="--batch-size", help="Rows of one commit.")] = 10_000,
    notes: Annotated[str | None, Parameter(name="--notes", help="What the history says about these commits.")] = None,
    format_: Format = None,
    delimiter: Delimiter = ",",
    encoding: Encoding = "utf-8",
    null: Nulls = None,
    no_header: NoHeader = False,
    room: Room = None,
    database: Database = None,
    wait: Wait = 0.0,
    json: Json = False,
) -> None:
    """Create and update entities from a file of rows.

    CSV, JSON lines, Parquet or Arrow, by the file's name; "-" reads stdin.
    Columns go to the attributes of their names; an empty cell is a missing
    value. References are found by the target's one unique attribute, or as
    --reference says. A wrong row is told with its line, column, value and what
    was expected; with --on-error stop the batches before it stay, unless --atomic.

    For example:

        recordroom import flights.room Airline airlines.csv
            --map carrier=code --key code
        recordroom import flights.room Flight flights.csv.zip --null NA
            --reference plane=tailnum:tailnum --unresolved null
        recordroom import flights.room Plane planes.parquet
            --on-error skip --rejects wrong.csv
    """
    from ..client.rows import import_rows

    where, (type_name, file) = placed(words, room, ("TYPE", "FILE"))
    if rejects is not None and on_error != "skip":
        raise UsageError("--rejects goes with --on-error skip: otherwise the first wrong row stops the import")
    if batch_size < 1:
        raise UsageError(f"--batch-size takes a number from 1, not {batch_size}")
    with (
        open_session(where, database, mode="write", wait=wait) as session,
        bar_of_rows(f"import {type_name}") as progress,
    ):
        report = import_rows(
            session,
            type_name,
            _stdin(file, format_),
            format=format_,
            key=None if key is None else key.split(","),
            mapping=_pairs(map_, "--map", "column=attribute"),
            references=_pairs(reference, "--reference", "attribute=column:key"),
            unresolved=unresolved,
            on_error=on_error,
            rejects=rejects,
            atomic=atomic,
            ignore_extra=ignore_extra,
            batch_size=batch_size,
            options=_options(delimiter, encoding, null, no_header),
            progress=progress,
            notes=notes,
        )
    if json:
        print_json(report.summary())
    else:
        print_report(report)


def _stdin(file: str, format_name: str | None) -> Any:
    if file != STREAM:
        return Path(file)
    if format_name is None:
        raise UsageError("reading from stdin needs --format")
    return sys.stdin.buffer


def _pairs(given: Sequence[str] | None, option: str, form: str) -> dict[str, str]:
    pairs = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} takes {form}, not {each!r}")
        pairs[name.strip()] = value.strip()
    return pairs


def _options(delimiter: str, encoding: str, null: Sequence[str] | None, no_header: bool) -> TextOptions:
    from ..client.rows import TextOptions

    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    return TextOptions(
        delimiter=delimiter, encoding=encoding, nulls=tuple(null) if null else ("",), header=not no_header
    )


def print_report(report: ImportReport) -> None:
    """What an import did, in words."""
    rate = f", {report.rows / report.seconds:,.0f} rows/s" if report.seconds > 0 and report.rows else ""
    done = [f"{report.created:,} created"]
    done += [
        f"{count:,} {word}" for count, word in ((report.updated, "updated"), (report.unchanged, "unchanged")) if count
    ]
    say(f"{counted(report.rows, report.type + ' row')}: {', '.join(done)} in {report.seconds:.1f} s{rate}.")
    for unresolved in report.unresolved.values():
        say(f"Left empty, {unresolved}.")
    if report.rejected:
        kept = f"; they are in {report.rejects}" if report.rejects else "; --rejects FILE keeps them"
        say(f"Left out: {counted(report.rejected, 'wrong row')}{kept}.")
    for problem in report.problems:
        say(f"  {problem}")
    if report.rejected > len(report.problems) > 0:
        note(f"These are the first {len(report.problems)}.")


# --- export -------------------------------------------------------------------------------------------


def export(  # noqa: PLR0913 - the options of the command
    *words: Words,
    at: Past = None,
    format_: Format = None,
    delimiter: Delimiter = ",",
    encoding: Encoding = "utf-8",
    null: Nulls = None,
    no_header: NoHeader = False,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write the rows of a query to a file.

    CSV, JSON lines, Parquet or Arrow, by the file's name; "-" writes to stdout.
    An entity's row starts with its id, and references are ids, so importing the
    file again makes the same entities. The file appears whole or not at all.

    For example:

        recordroom export flights.room Plane planes.parquet
        recordroom export flights.room 'select name, faa from Airport' airports.csv
        recordroom export flights.room Airline - --format jsonl | head
    """
    from ..client.rows import export_rows
    from ..query.grammar import parse

    where, (text, file) = placed(words, room, ("QUERY", "FILE"))
    if file == STREAM and format_ is None:
        raise UsageError("writing to stdout needs --format")
    tree = parse(text)
    target: Any = sys.stdout.buffer if file == STREAM else Path(file)
    with open_session(where, database) as session, bar_of_rows(f"export {tree.type}") as progress:
        asked = session if at is None else session.at(_moment(at))
        options = _options(delimiter, encoding, null, no_header)
        report = export_rows(asked.query(tree), target, format_, options=options, progress=progress)
    if file == STREAM:
        sys.stdout.buffer.flush()
    elif json:
        print_json(msgspec.to_builtins(report))
    else:
        say(f"{counted(report.rows, 'row')} to {report.target} ({report.format}) in {report.seconds:.1f} s.")
    for column, count in report.blurred.items():
        note(
            f"{column}: {counted(count, 'empty text')} cannot be told from missing values in CSV; --null '\\N' keeps them apart."
        )
