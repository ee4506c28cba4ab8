"""The bytes of components: read, sent in one go, removed; addresses that are good for a short time."""

from __future__ import annotations

from ...errors import ChecksumMismatch, InvalidRequest, InvalidSignature, NoSuchFile, RequestTooLarge, TokenExpired
from ...files.blobs import Wanted
from ...model.files import FileFacts, FileUrl, FileUrlRequest
from ...model.ids import as_id
from ...store.async_room import AsyncRoom
from ..call import STRUCTS, Call
from ..digests import md5_hex
from ..downloads import send_file
from ..errors import RangeNotSatisfiable
from ..file_urls import FileToken
from ..files import facts_of
from ..route import Parameter, Route
from . import uploads

__all__ = ["ROUTES"]

_OCTETS = "application/octet-stream"


async def fetch(call: Call) -> None:
    room, token, database = await _asking(call, "GET")
    found = await call.service.files.found(room, _component(call), database)
    await send_file(call, call.service.files, found, "" if token is None else token.name)


async def put(call: Call) -> None:
    room, token, database = await _asking(call, "PUT")
    wanted = _wanted(call, token)
    name = call.parameters("token", "database", "name").get("name", "") if token is None else token.name
    found = await call.service.files.put(
        room, _component(call), call.pieces(), name=name[:500], wanted=wanted, database=database
    )
    await call.give(facts_of(found))


async def remove(call: Call) -> None:
    database = call.parameters("database").get("database", "main")
    await call.service.files.remove(call.room, _component(call), database)
    await call.answer(b"", "", 204)


async def url(call: Call) -> None:
    database = call.parameters("database").get("database", "main")
    request, component = await call.take(FileUrlRequest), _component(call)
    if request.method == "GET":
        await call.service.files.found(call.room, component, database)
    else:
        await call.service.files.check_writable(call.room, component, database)
    await call.give(
        await call.service.files.url(call.identity.actor, component, request, database, credential=call.identity.token)
    )


async def _asking(call: Call, method: str) -> tuple[AsyncRoom, FileToken | None, str]:
    """The room for whom a token, or the header Authorization, says; the token, and the database."""
    given = call.parameters("token", "database", *(["name"] if method == "PUT" else []))
    if "token" not in given:
        await call.identify()
        return call.room, None, given.get("database", "main")
    token = await call.service.files.token(given["token"], _component(call), method)
    call.actor = token.actor.name
    return call.service.acting(token.actor), token, token.database


def _wanted(call: Call, token: FileToken | None) -> Wanted:
    """What is to come, as the token and the headers say; InvalidRequest where they do not agree."""
    length = call.headers.get(b"content-length")
    size = None if length is None else int(length)
    md5 = md5_hex(call.headers.get(b"content-md5", b"").decode("latin-1"))
    if size is not None and size > call.service.limits.file:
        raise RequestTooLarge(limit=call.service.limits.file)
    if token is not None:
        if token.size is not None and size not in (None, token.size):
            raise InvalidRequest(reason=f"Content-Length: this address takes {token.size} bytes, not {size}")
        if token.md5 and md5 not in ("", token.md5):
            raise InvalidRequest(reason="Content-MD5: this address takes something else")
        size, md5 = token.size if token.size is not None else size, token.md5 or md5
    return Wanted(md5=md5, size=size)


def _component(call: Call) -> bytes:
    try:
        return as_id(call.argument)
    except ValueError:
        raise NoSuchFile(where="the room", path=call.argument[:100]) from None


_COMPONENT = Parameter("component", "The id of a component.", {"type": "string", "format": "uuid"})
_DATABASE = Parameter("database", "The key of its database, where that is not `main`.")
_TOKEN = Parameter("token", "What a signed address has instead of a credential.")
_SIGNED = (_COMPONENT, _DATABASE, _TOKEN)

ROUTES = (
    Route(
        method="GET",
        path="/v1/files/{component}",
        handler=fetch,
        summary="The bytes of a component",
        description="With a credential, or with `token`. Takes `Range`, `If-Range`, `If-None-Match`; the tag is the SHA-256.",
        kinds=(_OCTETS,),
        parameters=_SIGNED,
        fails=(NoSuchFile, RangeNotSatisfiable, InvalidSignature, TokenExpired),
        open=True,
        group="files",
    ),
    Route(
        method="PUT",
        path="/v1/files/{component}",
        handler=put,
        summary="Send the bytes of a component in one go",
        description="With a credential, or with `token`. The component may be committed afterwards. `Content-MD5` is checked.",
        gives=FileFacts,
        kinds=STRUCTS,
        parameters=(*_SIGNED, Parameter("name", "What the file is called.")),
        fails=(ChecksumMismatch, RequestTooLarge, InvalidSignature, TokenExpired),
        open=True,
        group="files",
    ),
    Route(
        method="DELETE",
        path="/v1/files/{component}",
        handler=remove,
        summary="Remove the bytes of a component",
        status=204,
        parameters=(_COMPONENT, _DATABASE),
        fails=(NoSuchFile,),
        group="files",
    ),
    Route(
        method="POST",
        path="/v1/files/{component}/url",
        handler=url,
        summary="An address that needs no other credential, for a short time",
        takes=FileUrlRequest,
        gives=FileUrl,
        kinds=STRUCTS,
        parameters=(_COMPONENT, _DATABASE),
        fails=(NoSuchFile,),
        group="files",
        example={"method": "GET"},
    ),
    *uploads.ROUTES,
)
