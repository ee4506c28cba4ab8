"""`recordroom init`, `check`, `compact`, `databases` and `settings`: a room as a thing to look after."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from ..errors import RoomLocked
from .apps import repeated, switch
from .output import counted, note, print_json, print_table, say
from .rooms import Json, Room, UsageError, Wait, Words, open_session, placed, room_of

__all__ = ["FOUND_PROBLEMS", "check", "compact", "databases", "init", "settings"]

FOUND_PROBLEMS = 3


def init(
    *words: Words,
    schema: Annotated[str | None, Parameter(name="--schema", help="A schema file (TOML) to apply.")] = None,
    template: Annotated[
        str | None, Parameter(name="--template", help="A template to apply, by name or file; see template list.")
    ] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Make a room: a new folder, or tables in a PostgreSQL database.

    A room that is there already is left as it is.

    For example:

        recordroom init studio.room --schema studio.toml
        recordroom init studio.room --template production
        recordroom init 'postgresql://user@host/studio'
    """
    from ..client.templates import template as template_of
    from .schema import source_of

    where, _ = placed(words, room, ())
    # What is wrong in a template is said before there is a room.
    chosen = None if template is None else template_of(template)
    with open_session(where, "main", mode="write", create=True) as session:
        if chosen is not None:
            session.apply_template(chosen)
        if schema is not None:
            session.apply_schema(source_of(schema))
        types, revision = list(session.schema), session.schema.revision
        place, version = session.transport.where, room_of(session).driver.version()
    if json:
        print_json({"room": place, "store": version, "types": types, "schema_revision": revision})
        return
    say(f"The room is at {place} ({version}), with {counted(len(types), 'entity type')}.")
    if not types:
        note(f"Next: recordroom schema apply {where} schema.toml")


def check(
    *words: Words,
    digests: Annotated[bool, switch("--digests", "Read the bytes of every component and verify them.")] = False,
    room: Room = None,
    wait: Wait = 0.0,
    json: Json = False,
) -> int:
    """Verify that journal, tables, indexes and followers agree, and that the bytes of components are there.

    Exit code 3 where they do not. A room that a server has open is read beside it, in one snapshot.

    For example:

        recordroom check studio.room
        recordroom check studio.room --digests
    """
    from .blobs import problems_of

    where, _ = placed(words, room, ())
    try:
        session = open_session(where, "main", mode="write", wait=wait)
    except RoomLocked:
        session = open_session(where, "main", mode="read")
    with session:
        report = room_of(session).check()
        problems = [*report.problems, *problems_of(room_of(session), digests=digests)]
    if json:
        print_json({"problems": problems, "counts": report.counts, "unchecked": report.unchecked})
    else:
        for each in problems:
            say(str(each))
        for text in report.unchecked:
            note(f"Not checked: {text}. Check a backup, which has it.")
        counts = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in report.counts.items())
        say(f"{counted(len(problems), 'problem')} found ({counts})." if problems else f"Everything agrees ({counts}).")
    return FOUND_PROBLEMS if problems else 0


def compact(*words: Words, room: Room = None, wait: Wait = 0.0, json: Json = False) -> None:
    """Forget history older than the retention; give unused space back, that of bytes without a component too.

    For example:

        recordroom compact studio.room
    """
    from .blobs import collect_files

    where, _ = placed(words, room, ())
    with open_session(where, "main", mode="write", wait=wait) as session:
        transport = room_of(session)
        before = _size(transport.where)
        pruned = transport.prune()
        collect_files(transport)
        transport.compact()
        after = _size(transport.where)
    if json:
        print_json({"oldest_revision": pruned, "bytes_before": before, "bytes_after": after})
    elif before is None or after is None:
        say("Compacted.")
    else:
        say(f"Compacted: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now.")


def _size(where: str) -> int | None:
    """Bytes of an embedded room's folder; None for one on a server."""
    from pathlib import Path

    folder = Path(where)
    if not folder.is_dir():
        return None
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def databases(*words: Words, room: Room = None, json: Json = False) -> None:
    """List the databases of a room.

    For example:

        recordroom databases studio.room --json
    """
    where, _ = placed(words, room, ())
    with open_session(where, "main") as session:
        found = list(session.databases.values())
    if json:
        print_json([msgspec.to_builtins(each) for each in found])
    else:
        print_table(
            ["key", "label", "types", "description"],
            [[each.key, each.label, each.types, each.description] for each in found],
        )


def settings(
    *words: Words,
    set_: Annotated[
        list[str] | None,
        repeated("--set", "name=value: change a setting (repeat for more)."),
    ] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Show the settings of a room, or change some.

    For example:

        recordroom settings studio.room
        recordroom settings studio.room --set retention=365 --set durability=full
    """
    where, _ = placed(words, room, ())
    changes = dict(map(_setting, set_ or ()))
    with open_session(where, "main", mode="write" if changes else "read") as session:
        found = room_of(session).change_settings(**changes) if changes else room_of(session).settings
    plain = {name: getattr(found, name) for name in found.__struct_fields__}
    if json:
        print_json(plain)
    else:
        print_table(["setting", "value"], [[name, "none" if value is None else value] for name, value in plain.items()])


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes name=value, not {text!r}")
    if value.lower() in ("none", ""):
        return name, None
    return name, int(value) if value.lstrip("-").isdigit() else value
