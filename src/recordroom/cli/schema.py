"""`recordroom schema show|plan|apply` and `recordroom types`: what a room's records are, and changing that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import InvalidSchema, PermissionDenied
from .apps import group_of_commands, switch, usage
from .output import counted, note, print_json, print_text, say
from .rooms import STREAM, Database, Json, Room, UsageError, Wait, Words, open_session, placed

if TYPE_CHECKING:
    from ..model.schema_file import SchemaDocument

__all__ = ["schema_app", "source_of", "types"]

schema_app = group_of_commands("schema", "Show what a room's records are, plan a change, apply it.")

Drop = Annotated[
    bool,
    switch("--allow-drop", "Also drop types and attributes that the file does not have, with their values."),
]


@schema_app.command(usage=usage("schema show"))
def show(*words: Words, room: Room = None, database: Database = None, json: Json = False) -> None:
    """Print the schema as TOML, in the form that `schema apply` reads.

    For example:

        recordroom schema show studio.room > studio.toml
        recordroom schema show studio.room --json
    """
    from ..model.schema_file import dump_text

    where, _ = placed(words, room, ())
    with open_session(where, database) as session:
        schema = session.schema
    if json:
        print_json({"revision": schema.revision, "hash": schema.hash, "types": list(schema.values())})
    else:
        print_text(dump_text(schema))


@schema_app.command(usage=usage("schema plan", "FILE"))
def plan(
    *words: Words, room: Room = None, database: Database = None, allow_drop: Drop = False, json: Json = False
) -> None:
    """Show what applying a schema file would change, and do to rows.

    Nothing is changed.

    For example:

        recordroom schema plan studio.room studio.toml
    """
    _change(words, (room, database), allow_drop=allow_drop, json=json, apply=False, wait=0.0)


@schema_app.command(usage=usage("schema apply", "FILE"))
def apply(
    *words: Words,
    room: Room = None,
    database: Database = None,
    allow_drop: Drop = False,
    wait: Wait = 0.0,
    json: Json = False,
) -> None:
    """Make the schema what a file says, in one commit.

    All of it or nothing; a second time changes nothing.

    For example:

        recordroom schema apply studio.room studio.toml
    """
    _change(words, (room, database), allow_drop=allow_drop, json=json, apply=True, wait=wait)


def _change(  # noqa: PLR0913 - what both commands take
    words: tuple[str, ...], at: tuple[str | None, str | None], *, allow_drop: bool, json: bool, apply: bool, wait: float
) -> None:
    where, (file,) = placed(words, at[0], ("FILE",))
    with open_session(where, at[1], mode="write" if apply else "read", wait=wait) as session:
        change = session.apply_schema if apply else session.plan_schema
        done = change(source_of(file), allow_drop=allow_drop)
        revision = session.schema.revision
    if json:
        applied = apply and not done.empty
        print_json(
            {"applied": applied, "revision": revision, "changes": list(done.lines), "left_alone": list(done.left_alone)}
        )
        return
    for line in done.lines:
        say(line)
    if done.empty:
        say("The schema is what the file says; there is nothing to change.")
    elif apply:
        note(f"Applied {counted(len(done.operations), 'change')}.")
    if done.left_alone:
        note(
            f"Left alone, because the file does not have them: {', '.join(done.left_alone)} (--allow-drop drops them)."
        )


def source_of(file: str) -> SchemaDocument:
    """What a schema file says, or the text on stdin for "-"."""
    from ..model.schema_file import load_text

    if file == STREAM:
        return load_text(sys.stdin.read(), where="stdin")
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidSchema(f"{file} cannot be read: {reason}", where=file, reason=reason) from error
    return load_text(text, where=file)


def types(
    *words: Words,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="Write the module to this file instead of stdout.")
    ] = None,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write a module of types for your editor and type checker.

    With it they know task["name"], Task.project.name and session.query(Task).

    For example:

        recordroom types studio.room --output studio_types.py
    """
    from ..client.stubs import stubs

    where, _ = placed(words, room, ())
    with open_session(where, database) as session:
        schema = session.schema
    if output is None:
        if json:
            print_json({"types": list(schema), "module": stubs(schema)})
        else:
            print_text(stubs(schema))
        return
    path = Path(output)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(f"--output takes the file of a module, such as studio_types.py, not {output!r}")
    try:
        path.write_text(stubs(schema), encoding="utf-8")
    except OSError as error:
        raise PermissionDenied(what=f"writing {output}: {error.strerror}") from error
    if json:
        print_json({"types": list(schema), "output": output})
    else:
        note(f"Wrote {counted(len(schema), 'type')} to {output}.")
