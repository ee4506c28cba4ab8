"""`recordroom files put|get|list|transfer|availability|sweep`: components and the locations where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..client.urls import is_server
from ..errors import InvalidValue
from .apps import group_of_commands, repeated, usage
from .output import counted, note, print_json, print_json_lines, print_table, say
from .records import find_record
from .rooms import Database, Json, Room, UsageError, Words, open_session, placed

if TYPE_CHECKING:
    from ..client.entity import Entity
    from ..client.session import Session

__all__ = ["files_app"]

files_app = group_of_commands("files", "Files as components: put, get, list, transfer, availability, sweep.")

At = Annotated[
    list[str] | None,
    repeated("--at", "How to reach a location: NAME=FOLDER or NAME=s3://bucket/prefix (repeat for more)."),
]
Structure = Annotated[
    str, Parameter(name="--structure", help="How locations of --at name files: standard, chunked_id, id, origin.")
]
From = Annotated[str | None, Parameter(name="--from", help="The location to read from; the best that has it without.")]
Limit = Annotated[int, Parameter(name=["--limit", "-n"], help="At most so many.")]


@files_app.command(usage=usage("files put", "PATH"))
def put(  # noqa: PLR0913 - each is one option
    *words: Words,
    to: Annotated[str, Parameter(name="--to", help="The location; the best within reach without.")] = "auto",
    name: Annotated[str | None, Parameter(name="--name", help="What the component is called.")] = None,
    version: Annotated[
        str | None, Parameter(name="--version", help="The id of the version that it belongs to.")
    ] = None,
    at: At = None,
    structure: Structure = "chunked_id",
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Make a component of a file, a sequence or a folder, and bring it to a location.

    For example:

        recordroom files put studio.room scene.mov --to ftrack.server
        recordroom files put studio.room 'render/head.%04d.exr [1-120]' --to work --at work=/mnt/work
    """
    where, (path,) = placed(words, room, ("PATH",))
    given: dict[str, Any] = {key: value for key, value in (("name", name), ("version", version)) if value is not None}
    with _session(where, database, at, structure, mode="write") as session:
        component = session.create_component(path, given, to, progress=not json or None)
        document = _document(session, component)
    if json:
        print_json(document)
        return
    say(document["id"])
    places = ", ".join(document["locations"]) or "no location"
    note(f"{document['entity_type']} {document['name']}, {counted(document['size'] or 0, 'byte')}, in {places}.")


@files_app.command(usage=usage("files get", "WHICH TARGET"))
def get(
    *words: Words,
    source: From = None,
    at: At = None,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write a component to this machine, and verify it. A sequence or a container becomes a folder.

    WHICH is the component's id or its name.

    For example:

        recordroom files get studio.room 0192f0c0-… scene.mov
    """
    where, (which, target) = placed(words, room, ("WHICH", "TARGET"))
    with _session(where, database, at, "chunked_id", mode="read") as session:
        component = find_record(session, "Component", which)
        files = session.files.download(component, target, source, progress=not json or None)
    if json:
        print_json({"files": [str(each) for each in files]})
        return
    note(f"{counted(len(files), 'file')} written to {target}.")


@files_app.command(name="list", usage=usage("files list"))
def list_(
    *words: Words,
    location: Annotated[str | None, Parameter(name="--location", help="Only what is in this location.")] = None,
    limit: Limit = 100,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """List components, newest first, and the locations that they are in. Members of others are not shown.

    For example:

        recordroom files list studio.room --location work
    """
    where, _ = placed(words, room, ())
    text = "select name, file_type, size, checksum from Component where container is none"
    given: dict[str, Any] = {}
    with open_session(where, database) as session:
        if location is not None:
            text += " and component_locations any (location is $location)"
            given["location"] = session.locations[location].location
        found = session.query(f"{text} order by created_revision desc, id desc limit {limit + 1}", **given).all()
        documents = [_document(session, each) for each in found[:limit]] if found else []
    if json:
        print_json_lines(documents)
        return
    rows = [
        [each["name"], each["file_type"], each["size"], ", ".join(each["locations"]), each["entity_type"], each["id"]]
        for each in documents
    ]
    if rows:
        print_table(["name", "type", "size", "locations", "kind", "id"], rows, numbers=["size"])
    else:
        note("No components.")
    if len(found) > limit:
        note(f"There are more: --limit {limit * 10} shows more.")


@files_app.command(usage=usage("files transfer", "WHICH --to LOCATION"))
def transfer(  # noqa: PLR0913 - each is one option
    *words: Words,
    to: Annotated[str, Parameter(name="--to", help="The location to bring them to.")],
    source: From = None,
    at: At = None,
    structure: Structure = "chunked_id",
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Copy components to another location; what is there already is left alone.

    WHICH is a component's id or name, or a query such as 'Component where name is "main"'.

    For example:

        recordroom files transfer studio.room 'Component where size > 1000' --to cloud --at cloud=s3://bucket/shows
    """
    where, (which,) = placed(words, room, ("WHICH",))
    with _session(where, database, at, structure, mode="write") as session:
        components = _which(session, which)
        done = session.files.transfer(components, source, to, progress=not json or None)
        document = {"transferred": [each["id"] for each in done], "present": len(components) - len(done)}
    if json:
        print_json(document)
        return
    there = document["present"]
    note(f"{counted(len(done), 'component')} brought to {to}; {there} {'was' if there == 1 else 'were'} there.")


@files_app.command(usage=usage("files availability", "WHICH"))
def availability(*words: Words, room: Room = None, database: Database = None, json: Json = False) -> None:
    """Show how much of a component is in each location, in percent.

    WHICH is the component's id or its name.

    For example:

        recordroom files availability studio.room beauty
    """
    where, (which,) = placed(words, room, ("WHICH",))
    with open_session(where, database) as session:
        component = find_record(session, "Component", which)
        found = session.component_availability(component)
        names = {place.id: place.name for place in session.locations.all()}
        shares = {names[each]: share for each, share in sorted(found.items(), key=lambda item: -item[1])}
    if json:
        print_json(shares)
        return
    rows = [[name, f"{share:g} %"] for name, share in shares.items() if share]
    if rows:
        print_table(["location", "available"], rows, numbers=["available"])
    else:
        note("It is in no location.")


@files_app.command(usage=usage("files sweep", "LOCATION"))
def sweep(
    *words: Words,
    hours: Annotated[float, Parameter(name="--hours", help="Only what is older.")] = 24,
    at: At = None,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Remove what transfers that crashed left on the disk of a location.

    For example:

        recordroom files sweep studio.room work --at work=/mnt/work
    """
    where, (location,) = placed(words, room, ("LOCATION",))
    with _session(where, database, at, "chunked_id", mode="read") as session:
        count = session.locations[location].reached().sweep(hours * 3600)
    if json:
        print_json({"removed": count})
    else:
        note(f"{counted(count, 'file')} removed.")


def _session(room: str, database: str | None, at: list[str] | None, structure: str, *, mode: Any) -> Session:
    """A session that reaches the locations of --at."""
    pairs = [each.partition("=") for each in at or ()]
    for name, _, address in pairs:
        if not name or not address:
            raise UsageError("--at is NAME=FOLDER or NAME=s3://bucket/prefix")
    session = open_session(room, database, mode=mode if not is_server(room) else "read")
    try:
        for name, _, address in pairs:
            session.locations.configure(name, accessor=address, structure=structure, priority=1)
    except BaseException:
        session.close()
        raise
    return session


def _which(session: Session, text: str) -> list[Entity]:
    if " " not in text.strip():
        return [find_record(session, "Component", text)]
    found = session.query(text)
    if not session.schema.is_a(found.query.type, "Component"):
        raise InvalidValue(type="files", attribute="WHICH", value=text, expected="a query of components")
    return found.all()


def _document(session: Session, component: Entity) -> dict[str, Any]:
    plain = {name: component[name] for name in ("id", "entity_type", "name", "file_type", "size", "checksum")}
    rows = component["component_locations"]
    return plain | {"locations": sorted(row["location"]["name"] for row in rows)}
