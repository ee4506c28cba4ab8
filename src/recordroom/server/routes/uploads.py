"""Resumable uploads, as tus 1.0 has them: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

from ...errors import ChecksumMismatch, InvalidRequest, RequestTooLarge, UploadBusy, UploadGone, WrongOffset
from ...model.files import UploadState
from ...model.ids import as_id, show_id
from ...store.file_records import DONE, JOINING, UploadRow
from .. import tus
from ..call import STRUCTS, Call
from ..errors import MethodNotAllowed, NoSuchPath, OtherProtocol, PieceMismatch, UnsupportedContent
from ..route import Parameter, Route
from ..uploads import state_of

__all__ = ["ROUTES"]

_RESUMABLE = (b"tus-resumable", tus.VERSION)


async def about(call: Call) -> None:
    call.always.append(_RESUMABLE)
    allow = (b"allow", b"OPTIONS, POST")
    await call.answer(b"", "", 204, allow, *tus.about(call.service.limits.file))


async def begin(call: Call) -> None:
    _begin_answer(call)
    facts = tus.read_facts(call.headers)
    row = await call.service.files.begun(call.room, facts)
    offset: int | None = 0
    if facts.parts:
        row = await call.service.uploads.join(call.room, row)
        offset = row.facts.length if row.state == DONE else None
    elif call.headers.get(b"content-type", b"").startswith(tus.OCTETS.encode()):
        row, offset = await call.service.uploads.append(call.room, row, 0, call.pieces(), tus.checksum_of(call.headers))
    elif not facts.length and not facts.partial:
        row, offset = await call.service.uploads.look(call.room, row.id)
    location = (b"location", f"/v1/uploads/{show_id(row.id)}".encode())
    component = (b"x-recordroom-component", show_id(row.facts.component).encode())
    await call.answer(b"", "", 201, location, component, *tus.shown(row, offset))


async def look(call: Call) -> None:
    _begin_answer(call)
    row, offset = await call.service.uploads.look(call.room, _upload(call))
    if call.method == "HEAD":
        await call.send_bytes(200, tus.shown(row, None if row.state == JOINING else offset), None)
        return
    await call.give(state_of(row, offset, await _file_of(call, row)))


async def _file_of(call: Call, row: UploadRow) -> object:
    if row.state != DONE:
        return None
    return await call.service.files.own(call.room, row.facts.component)


async def append(call: Call) -> None:
    _begin_answer(call)
    tus.check_content(call.headers)
    offset, checksum = tus.length_of(call.headers, b"upload-offset"), tus.checksum_of(call.headers)
    row, there = await call.service.uploads.look(call.room, _upload(call))
    if row.state == JOINING or row.facts.parts:
        raise WrongOffset(offset=row.facts.length, given=offset)
    if offset != there:
        raise WrongOffset(offset=there, given=offset)
    if b"content-length" in call.headers and offset + int(call.headers[b"content-length"]) > row.facts.length:
        raise RequestTooLarge(limit=row.facts.length - offset)
    if row.state != DONE:
        row, there = await call.service.uploads.append(call.room, row, offset, call.pieces(), checksum)
    await call.answer(b"", "", 204, *tus.shown(row, there))


async def end(call: Call) -> None:
    _begin_answer(call)
    await call.service.uploads.end(call.room, _upload(call))
    await call.answer(b"", "", 204)


async def override(call: Call) -> None:
    """For those who can send POST only."""
    method = call.headers.get(b"x-http-method-override", b"").decode("latin-1").upper()
    handler = {"PATCH": append, "DELETE": end, "HEAD": look}.get(method)
    if handler is None:
        raise MethodNotAllowed(path=call.scope["path"], method="POST", allowed="DELETE, GET, HEAD, OPTIONS, PATCH")
    if method == "HEAD":
        call.method = "HEAD"
    await handler(call)


def _begin_answer(call: Call) -> None:
    call.always.append(_RESUMABLE)
    tus.check_version(call.headers)


def _upload(call: Call) -> bytes:
    try:
        return as_id(call.argument)
    except ValueError:
        raise NoSuchPath(path=call.scope["path"][:200]) from None


_UPLOAD = Parameter("upload", "An upload.", {"type": "string", "format": "uuid"})
_GROUP = "files"

ROUTES = (
    Route(
        method="OPTIONS",
        path="/v1/uploads",
        handler=about,
        summary="What of tus there is",
        status=204,
        open=True,
        group=_GROUP,
    ),
    Route(
        method="POST",
        path="/v1/uploads",
        handler=begin,
        summary="Begin an upload, or put parts together (tus: creation, concatenation)",
        description="`Upload-Metadata` may name `component` (its id; without one the upload's id is the component's), `filename`,"
        " `sha256`, `md5` (hexadecimal or base64) and `database`. `Upload-Concat: partial` begins a part, `final;…` joins parts."
        " What comes with it is its first piece.",
        status=201,
        fails=(OtherProtocol, RequestTooLarge, ChecksumMismatch, PieceMismatch, UploadGone),
        group=_GROUP,
    ),
    Route(
        method="GET",
        path="/v1/uploads/{upload}",
        handler=look,
        summary="An upload; HEAD gives its offset as tus has it",
        gives=UploadState,
        kinds=STRUCTS,
        parameters=(_UPLOAD,),
        fails=(OtherProtocol, UploadGone, ChecksumMismatch),
        group=_GROUP,
    ),
    Route(
        method="PATCH",
        path="/v1/uploads/{upload}",
        handler=append,
        summary="Send the next piece of an upload (tus)",
        description=f"The body is `{tus.OCTETS}`, of any size, from the byte that `Upload-Offset` says.",
        status=204,
        parameters=(_UPLOAD,),
        fails=(
            OtherProtocol,
            UploadGone,
            UploadBusy,
            WrongOffset,
            RequestTooLarge,
            UnsupportedContent,
            ChecksumMismatch,
            PieceMismatch,
        ),
        group=_GROUP,
    ),
    Route(
        method="DELETE",
        path="/v1/uploads/{upload}",
        handler=end,
        summary="Give an upload up (tus: termination)",
        status=204,
        parameters=(_UPLOAD,),
        fails=(OtherProtocol, UploadGone),
        group=_GROUP,
    ),
    Route(
        method="POST",
        path="/v1/uploads/{upload}",
        handler=override,
        summary="As `X-HTTP-Method-Override` says: PATCH, DELETE or HEAD",
        status=204,
        parameters=(_UPLOAD,),
        fails=(InvalidRequest, OtherProtocol, UploadGone, MethodNotAllowed),
        group=_GROUP,
    ),
)
