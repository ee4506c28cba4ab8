"""The room itself: its schemas, journal, databases."""

from __future__ import annotations

import datetime as dt

from ...errors import InvalidRequest
from ...model import wire
from ...model.ids import as_id
from ...model.schema import Schema
from ...query.request import DatabaseInfo, Header, JournalEntry, SchemaReply
from ..call import STRUCTS, Call
from ..json_form import write_json
from ..route import Parameter, Route
from ..values import entries_shown, schema_shown

__all__ = ["ROUTES"]

_JOURNAL_LIMIT = 100
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


async def schema(call: Call) -> None:
    found = await call.room.schema(call.argument)
    tag = f'"{found.revision}-{found.hash}"'.encode()
    if call.headers.get(b"if-none-match") == tag:
        await call.answer(b"", "", 304, (b"etag", tag))
        return
    reply = SchemaReply(database=call.argument, revision=found.revision, types=list(found.values()))
    if call.wants(*STRUCTS) == wire.MSGPACK:
        await call.answer(wire.encode(reply), wire.MSGPACK, 200, (b"etag", tag))
    else:
        await call.answer(write_json(schema_shown(reply)), wire.JSON, 200, (b"etag", tag))


async def journal(call: Call) -> None:
    given = call.parameters("after", "limit")
    limit = call.service.check_listed(_integer(given, "limit", _JOURNAL_LIMIT))
    entries = await call.room.journal(_integer(given, "after", 0), limit)
    await call.give(entries if call.wants(*STRUCTS) == wire.MSGPACK else entries_shown(entries, await _schemas(call)))


async def _schemas(call: Call) -> dict[str, Schema]:
    return {each.key: await call.room.schema(each.key) for each in await call.room.databases()}


async def header(call: Call) -> None:
    await call.give(await call.room.header(_revision_or_id(call.argument)))


async def revision(call: Call) -> None:
    await call.give(await call.room.revision_at(_moment(call.parameters("at").get("at"))))


async def databases(call: Call) -> None:
    await call.give(await call.room.databases())


async def create_database(call: Call) -> None:
    made = await call.room.create_database(await call.take(DatabaseInfo))
    await call.service.look()
    await call.give(made)


async def drop_database(call: Call) -> None:
    await call.room.drop_database(call.argument)
    await call.service.look()
    await call.answer(b"", "", 204)


# --- parameters -------------------------------------------------------------------------------------


def _integer(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest(reason=f"{name}: expected a whole number, got {text[:100]!r}")
    return int(text)


def _revision_or_id(text: str) -> int | bytes:
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    try:
        return as_id(text)
    except ValueError:
        raise InvalidRequest(reason=f"expected a revision or the id of a commit, got {text[:100]!r}") from None


def _moment(text: str | None) -> int:
    """Microseconds since 1970 of ISO 8601 or of such a number; without one the end of time."""
    if text is None:
        return 2**62
    if text.removeprefix("-").isdigit() and text.isascii() and len(text) < 19:
        return int(text)
    try:
        found = dt.datetime.fromisoformat(text)
        return ((found if found.tzinfo else found.replace(tzinfo=dt.UTC)) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise InvalidRequest(reason=f"at: expected a moment such as 2026-11-21T10:30:00Z, got {text[:100]!r}") from None


_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_KEY = Parameter("key", "The key of a database.", example="archive")

ROUTES = (
    Route(
        method="GET",
        path="/v1/schema/{database}",
        handler=schema,
        summary="The entity types of a database",
        gives=SchemaReply,
        kinds=STRUCTS,
        parameters=(Parameter("database", "The key of a database.", example="main"),),
    ),
    Route(
        method="GET",
        path="/v1/journal",
        handler=journal,
        summary="Commits with what they changed, oldest first",
        gives=list[JournalEntry],
        kinds=STRUCTS,
        parameters=(
            Parameter("after", "Only commits with a higher revision.", _NUMBER),
            Parameter("limit", "How many at most.", _NUMBER | {"maximum": 10_000}),
        ),
    ),
    Route(
        method="GET",
        path="/v1/headers/{commit}",
        handler=header,
        summary="One commit without what it changed",
        gives=Header,
        kinds=STRUCTS,
        parameters=(Parameter("commit", "A revision or the id of a commit.", example="1"),),
    ),
    Route(
        method="GET",
        path="/v1/revision",
        handler=revision,
        summary="The newest revision, or the newest at a moment",
        gives=int,
        kinds=STRUCTS,
        parameters=(
            Parameter("at", "A moment: ISO 8601, or microseconds since 1970.", example="2026-11-21T10:30:00Z"),
        ),
    ),
    Route(
        method="GET",
        path="/v1/databases",
        handler=databases,
        summary="The databases of the room",
        gives=list[DatabaseInfo],
        kinds=STRUCTS,
    ),
    Route(
        method="POST",
        path="/v1/databases",
        handler=create_database,
        summary="Make a database",
        takes=DatabaseInfo,
        gives=DatabaseInfo,
        kinds=STRUCTS,
    ),
    Route(
        method="DELETE",
        path="/v1/databases/{key}",
        handler=drop_database,
        summary="Drop a database with everything in it",
        status=204,
        parameters=(_KEY,),
    ),
)
