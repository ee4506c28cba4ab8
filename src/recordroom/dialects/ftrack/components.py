"""`/component/*`: the bytes of components in the room's own location, as ftrack's client reads and removes them.

Credentials stand in the query string, as the client has them there. Nothing here logs it, and no answer repeats it. What is
sent goes to a signed address of our own, which `upload_metadata` gives.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

import msgspec

from ...errors import Error, InvalidRequest, NoSuchFile, NotAuthenticated
from ...model.actor import Actor
from ...model.files import FileUrlRequest
from ...model.ids import as_id
from ...server.auth.identity import Identity
from ...server.call import Call, ClientGone, Receive, Send
from ...server.downloads import send_file
from ...server.errors import MethodNotAllowed, NoSuchPath
from ...server.service import Service
from ...server.settings import ServerSettings
from .credentials import identified
from .errors import body_of, status_of
from .pictures import NO_PICTURE
from .thumbnails import DEFAULT_SIZE, LARGEST, Thumbnails, default_picture

if TYPE_CHECKING:
    from .actions import Asked

__all__ = ["Components", "upload_metadata"]

_LOG = logging.getLogger("recordroom.server")
# Of answers to addresses that hold a key.
_PRIVATE = ((b"cache-control", b"private, no-store"), (b"referrer-policy", b"no-referrer"))


class Components:
    """The mount of `/component`, and of the picture for what has none."""

    prefixes = ("/component", NO_PICTURE)

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self._service = service
        self._thumbnails = Thumbnails(service)
        self._answers = {
            "/component/get": self._get,
            "/component/thumbnail": self._thumbnail,
            "/component/remove": self._remove,
        }

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        call = Call(self._service, scope, receive, send)
        try:
            await self._answer(call)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the client needs an answer, whatever it is
            if not isinstance(error, Error):
                _LOG.exception("a request for a component failed")
            if not call.status:
                await call.answer(body_of(error), "application/json", status_of(error, strict=True), *_PRIVATE)

    async def close(self) -> None:
        """Nothing goes on by itself."""

    async def _answer(self, call: Call) -> None:
        path: str = call.scope["path"]
        answer = self._answers.get(path)
        if answer is None and path != NO_PICTURE:
            raise NoSuchPath(path=path[:200])
        if call.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(path=path, method=call.method, allowed="GET")
        if answer is None:
            await call.answer(default_picture(), "image/png")
            return
        given = _query(call)
        component = _component(given)
        actor = await self._actor(given, component, path)
        await answer(call, actor, component, given)

    async def _actor(self, given: dict[str, str], component: bytes, path: str) -> Actor:
        """Who asks: a signed address to read the component says it, for pictures of it too; otherwise a key."""
        if "token" in given and path == "/component/thumbnail":
            return (await self._service.files.token(unquote(given["token"]), component, "GET")).actor
        return (await self._identity(given)).actor

    async def _identity(self, given: dict[str, str]) -> Identity:
        """Whose key is given. Names may stand there as they are, a plus too."""
        user, key = given.get("username", ""), unquote(given.get("apiKey", ""))
        try:
            return await identified(self._service, unquote_plus(user), key)
        except NotAuthenticated:
            if "+" not in user:
                raise
        return await identified(self._service, unquote(user), key)

    # --- what there is ---

    async def _get(self, call: Call, actor: Actor, component: bytes, given: dict[str, str]) -> None:
        found = await self._service.files.found(self._service.acting(actor), component)
        call.always += _PRIVATE[1:]
        await send_file(call, self._service.files, found)

    async def _thumbnail(self, call: Call, actor: Actor, component: bytes, given: dict[str, str]) -> None:
        size = given.get("size", str(DEFAULT_SIZE))
        if not (size.isascii() and size.isdigit() and 0 < int(size[:9]) <= LARGEST):
            raise InvalidRequest(reason=f"size: expected 1 to {LARGEST}, got {size[:20]!r}")
        found = await self._service.files.found(self._service.acting(actor), component)
        picture = await self._thumbnails.of(found, int(size))
        if picture is None:
            await call.answer(default_picture(), "image/png", 200, *_PRIVATE)
        else:
            await call.answer(picture, "image/jpeg", 200, *_PRIVATE)

    async def _remove(self, call: Call, actor: Actor, component: bytes, given: dict[str, str]) -> None:
        if call.method != "GET":
            raise MethodNotAllowed(path=call.scope["path"], method=call.method, allowed="GET")
        await self._service.files.remove(self._service.acting(actor), component)
        await call.answer(b"", "text/plain", 200, *_PRIVATE)


def _query(call: Call) -> dict[str, str]:
    """What stands in the query string, as it stands there."""
    pairs = call.scope["query_string"].decode("latin-1").split("&")
    return {name: value for name, _, value in (each.partition("=") for each in pairs[:50])}


def _component(given: dict[str, str]) -> bytes:
    text = unquote(given.get("id", ""))
    try:
        return as_id(text)
    except ValueError:
        raise NoSuchFile(where="ftrack.server", path=text[:100]) from None


# --- the action -----------------------------------------------------------------------------------


class _Uploading(msgspec.Struct):
    """What is asked of `get_upload_metadata`."""

    component_id: str
    file_name: str = ""
    file_size: int | None = None
    checksum: str | None = None


async def upload_metadata(asked: Asked, operation: dict[str, Any]) -> Any:
    """Where to send the bytes of a component, which need not be there yet, and with which headers."""
    try:
        given = msgspec.convert(operation, _Uploading)
        component = as_id(given.component_id)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidRequest(reason=str(error)) from None
    files = asked.service.files
    await files.check_writable(asked.room, component)
    _ = files.blobs  # where nothing says where bytes lie, that is said before they are sent
    request = FileUrlRequest(method="PUT", name=given.file_name, size=given.file_size, md5=given.checksum or "")
    found = await files.url(asked.identity.actor, component, request, credential=asked.identity.token)
    return {"url": asked.address + found.url, "headers": found.headers, "component_id": given.component_id}
