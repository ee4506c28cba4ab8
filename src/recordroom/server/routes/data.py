"""Asking and changing: queries, streams, members, commits, history, search."""

from __future__ import annotations

from ...model.operations import Commit, CommitResult
from ...query.request import (
    AccessAnswer,
    AccessRequest,
    Change,
    Fresh,
    FreshRequest,
    HistoryRequest,
    Hit,
    Members,
    MembersRequest,
    Page,
    PreviewRequest,
    QueryRequest,
    RevertRequest,
    SchemaEffect,
    SearchRequest,
)
from ..call import STRUCTS, Call
from ..route import Route
from ..streams import STREAMED, stream_pages

__all__ = ["ROUTES"]


async def query(call: Call) -> None:
    request = await call.take(QueryRequest)
    await call.give(await call.service.query(call.room, request), request)


async def stream(call: Call) -> None:
    kind = call.wants(*STREAMED)
    await stream_pages(call, await call.take(QueryRequest), kind)


async def count(call: Call) -> None:
    await call.give(await call.room.count(await call.take(QueryRequest)))


async def explain(call: Call) -> None:
    await call.give(await call.room.explain(await call.take(QueryRequest)))


async def members(call: Call) -> None:
    request = await call.take(MembersRequest)
    await call.give(await call.room.members(request), request)


async def commit(call: Call) -> None:
    request = await call.take(Commit)
    await call.give(await call.service.commit(call.room, request), request)


async def history(call: Call) -> None:
    request = call.service.check_history(await call.take(HistoryRequest))
    await call.give(await call.room.history(request), request)


async def search(call: Call) -> None:
    request = call.service.check_search(await call.take(SearchRequest))
    await call.give(await call.room.search(request))


async def fresh(call: Call) -> None:
    await call.give(await call.room.fresh(await call.take(FreshRequest)))


async def access(call: Call) -> None:
    await call.give(await call.room.explain_access(await call.take(AccessRequest)))


async def revert(call: Call) -> None:
    request = await call.take(RevertRequest)
    result = await call.room.revert(request.revision, request.commit)
    await call.service.look()
    await call.give(result)


async def preview(call: Call) -> None:
    request = await call.take(PreviewRequest)
    await call.give(await call.room.preview(request.database, request.operations))


def _post(path: str, handler, takes, gives, summary: str, **more) -> Route:  # type: ignore[no-untyped-def]
    more = {"kinds": STRUCTS, "guarded": True, **more}
    return Route(method="POST", path=path, handler=handler, takes=takes, gives=gives, summary=summary, **more)


ROUTES = (
    _post("/v1/query", query, QueryRequest, Page, "One page of a query"),
    _post("/v1/query/stream", stream, QueryRequest, None, "Every page of a query, of one snapshot", kinds=STREAMED),
    _post("/v1/query/count", count, QueryRequest, int, "How many rows a query has"),
    _post("/v1/query/explain", explain, QueryRequest, str, "How the database would answer a query"),
    _post("/v1/members", members, MembersRequest, Members, "Members of one relation of many entities"),
    _post("/v1/commit", commit, Commit, CommitResult, "Apply changes: all of them, once, or none"),
    _post("/v1/history", history, HistoryRequest, list[Change], "Who changed what of one entity"),
    _post("/v1/search", search, SearchRequest, list[Hit], "Entities whose texts hold every word"),
    _post("/v1/fresh", fresh, FreshRequest, Fresh, "What a cache must forget since it looked last"),
    _post("/v1/access", access, AccessRequest, list[AccessAnswer], "Why somebody may do what with an entity"),
    _post("/v1/revert", revert, RevertRequest, CommitResult, "Undo a commit by its inverse"),
    _post("/v1/preview", preview, PreviewRequest, list[SchemaEffect], "What changes of the schema would do"),
)
