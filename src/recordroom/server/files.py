"""Files of a served room: bytes in and out of its blobs, and what the room notes of them, without HTTP.

Whatever waits for a disk or an object store, or works through bytes, does so in threads; memory does not grow with files.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from ..errors import (
    InvalidRequest,
    InvalidSettings,
    LocationUnavailable,
    PermissionDenied,
    RequestTooLarge,
    TokenExpired,
)
from ..files.blobs import ANYTHING, PIECE, Blobs, Hashing, Incoming, Known, Wanted, open_blobs
from ..files.collecting import Collected, collect_all
from ..model.actor import OWNER, Actor
from ..model.files import CHECKSUM, FileFacts, FileUrl, FileUrlRequest
from ..model.ids import show_id
from ..store import file_charges as charges
from ..store import file_records as records
from ..store.async_room import AsyncRoom
from ..store.catalog import Catalogs
from ..store.file_records import FileRow, UploadFacts, UploadRow, Who
from ..store.plans import Plan
from ..store.requests import now
from ..store.room import Room
from ..store.room_files import files_place
from .digests import md5_base64, md5_hex
from .file_urls import FileToken, read_token, sign_token
from .holding import holds
from .quotas import Quotas
from .signed import FILES, RoomKey

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Files", "check_place", "facts_of"]

T = TypeVar("T")
_SHORT, _LONG = 8, 3  # threads for pieces, and for whole files
_AGAIN = 3
_CALM_SECONDS = 600.0
_HOUR = 3_600_000_000
_LOG = logging.getLogger("recordroom.server")


class Files:
    """The files of one room."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._blobs: Blobs | None = None
        self._key = RoomKey(service.room, FILES)
        self._quotas = Quotas(service, self)
        self._short = ThreadPoolExecutor(_SHORT, "files")
        self._long = ThreadPoolExecutor(_LONG, "whole files")

    @property
    def room(self) -> AsyncRoom:
        """The room as its owner has it."""
        return self._service.room

    @property
    def blobs(self) -> Blobs:
        """Where the bytes lie; InvalidSettings where nothing says so."""
        if self._blobs is None:
            opened = self.room.opened
            self._blobs = open_blobs(files_place(opened.driver.where, opened.settings.files), opened.id)
        return self._blobs

    async def close(self) -> None:
        """End the threads, when they have done what they do."""
        await asyncio.to_thread(self._short.shutdown)
        await asyncio.to_thread(self._long.shutdown)

    async def collect(self) -> Collected:
        """Give back the space of what nobody needs any more."""
        room = Room(self.room.opened, lambda: None, OWNER)
        return await asyncio.to_thread(lambda: collect_all(room.file_records, self.blobs))

    async def collect_now_and_then(self) -> None:
        """Until the task is cancelled. A room without a place for files has none."""
        while True:
            await asyncio.sleep(_CALM_SECONDS)
            try:
                found = await self.collect()
            except InvalidSettings:
                continue
            except Exception:  # noqa: BLE001 - whatever it is, there is another round
                _LOG.exception("files cannot be collected")
                continue
            if any(found):
                _LOG.info("collected %s orphans, %s uploads, %s blobs", *found)

    # --- work in threads, plans in the room ---

    async def briefly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do a piece of work in a thread. A task that is cancelled meanwhile waits for it."""
        return await _waited(self._short, work, arguments)

    async def wholly(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work that takes as long as a file is large."""
        return await _waited(self._long, work, arguments)

    async def asked(self, room: AsyncRoom, make: Callable[[Who], Plan[T]]) -> T:
        """What a reading plan gives, for the actor of `room`."""
        return await room.read(room.requests.read(lambda catalogs: make(self._who(room, catalogs))))

    async def done(self, room: AsyncRoom, make: Callable[[Who], Plan[T]]) -> T:
        """What a writing plan gives, for the actor of `room`."""
        return await room.write(room.requests.write(lambda catalogs: make(self._who(room, catalogs))))

    def _who(self, room: AsyncRoom, catalogs: Catalogs) -> Who:
        return Who(room.opened, room.actor, catalogs)

    @property
    def dialect(self) -> str:
        """Of the room's database."""
        return self.room.driver.dialect

    # --- reading ---

    async def found(self, room: AsyncRoom, component: bytes, database: str = "main") -> FileRow:
        """The bytes of a component that the actor may read; NoSuchFile otherwise."""
        return await self.asked(room, lambda who: records.readable_file(who, database, component))

    async def own(self, room: AsyncRoom, component: bytes) -> FileRow | None:
        """What the actor has uploaded of a component, also before that is committed."""
        found = await self.asked(room, lambda who: records.file_of(self.dialect, component))
        return found if found is not None and found.owner == records.owner_of(room.actor) else None

    async def opened(self, found: FileRow, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes from `start` on, `length` of them or all. NoSuchFile at once where they have vanished."""
        return self._pieces(await self.briefly(self.blobs.read, found.digest, start, length))

    async def _pieces(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (piece := await self.briefly(next, parts, None)) is not None:
            yield piece

    async def remove(self, room: AsyncRoom, component: bytes, database: str = "main") -> None:
        """Forget the bytes of a component, whether it is there still or not yet; they go when nothing else has them."""

        def plan(who: Who) -> Plan[None]:
            yield from records.readable_file(who, database, component, "update")
            yield from charges.release(who, component)
            yield from records.forget_file(self.dialect, component)

        await self.done(room, plan)

    # --- writing ---

    def expires(self) -> int:
        """When an upload ends that goes no further now."""
        return now() + self.room.opened.settings.orphans * _HOUR

    async def check_writable(self, room: AsyncRoom, component: bytes, database: str = "main") -> None:
        """PermissionDenied unless the actor may give the component bytes."""
        await self.asked(room, lambda who: records.check_writable(who, database, component))

    async def begun(self, room: AsyncRoom, facts: UploadFacts) -> UploadRow:
        """Note an upload that begins and may go on later; `Quotas.begun` says what may be wrong with it."""
        return await self._quotas.begun(room, facts)

    async def put(  # noqa: PLR0913 - each is one fact about what is sent
        self,
        room: AsyncRoom,
        component: bytes,
        chunks: AsyncIterator[bytes],
        *,
        name: str = "",
        wanted: Wanted = ANYTHING,
        database: str = "main",
    ) -> FileRow:
        """Take the bytes of a component in one go; nothing of them stays where they do not come whole."""
        limits, hashing = self._service.limits, Hashing(md5=bool(wanted.md5))
        most = limits.file if wanted.size is None else min(wanted.size, limits.file)
        facts = UploadFacts(component=component, database=database, length=wanted.size or 0, name=name)
        upload = await self._quotas.begun(room, facts, at_once=True)
        try:
            if wanted.size is None:
                chunks = self._quotas.counted(room, upload, chunks)
            incoming = await self.briefly(self.blobs.begin, upload.id.hex(), 0)
            await self.poured(incoming, chunks, most, hashing)
            return await self.kept(
                room, component, [upload.id.hex()], wanted,
                known=hashing.known(), name=name, database=database, upload=upload,
            )  # fmt: skip
        except BaseException:
            await self.done(self.room, lambda who: records.forget_upload(self.dialect, upload.id))
            raise
        finally:
            await self.briefly(self.blobs.discard, upload.id.hex())

    async def poured(
        self, incoming: Incoming, chunks: AsyncIterator[bytes], most: int, hashing: Hashing | None = None
    ) -> None:
        """Write what comes, up to `most` bytes; what has come is kept safely, however it ends. RequestTooLarge beyond."""
        held, left = bytearray(), most

        def write(data: bytes) -> None:
            self._quotas.check_free(0)
            incoming.write(data)
            if hashing is not None:
                hashing.update(data)

        try:
            try:
                async for data in chunks:
                    held += data[:left]
                    left -= len(data)
                    if len(held) >= PIECE:
                        some, held = bytes(held), bytearray()
                        await self.briefly(write, some)
                    if left < 0:
                        raise RequestTooLarge(limit=most)
            finally:
                if held:
                    await self.briefly(write, bytes(held))
        finally:
            await self.briefly(incoming.close)

    async def kept(  # noqa: PLR0913 - each is one fact about what has come
        self,
        room: AsyncRoom,
        component: bytes,
        uploads: Sequence[str],
        wanted: Wanted,
        *,
        known: Known | None = None,
        name: str = "",
        database: str = "main",
        upload: UploadRow | None = None,
    ) -> FileRow:
        """Make a blob of what has come, and note it of the component; of `upload` that it is done, in the same transaction."""
        again = _AGAIN
        if len(uploads) > 1:
            await self.briefly(self._quotas.check_free, wanted.size or 0)
        while True:
            known = await self.wholly(self.blobs.finish, uploads, wanted, known)
            owner = records.owner_of(room.actor)
            row = FileRow(component, database, known.digest, known.size, known.md5, name, owner, now())
            await self.done(room, partial(self._noted, row, upload))
            # Whoever collects blobs may have taken it for one that nobody needs, until it was noted.
            again -= 1
            if not again or await self.briefly(self.blobs.size, known.digest) == known.size:
                return row

    def _noted(self, row: FileRow, upload: UploadRow | None, who: Who) -> Plan[None]:
        yield from records.check_writable(who, row.database, row.component)
        yield from charges.release(who, row.component, row.digest)
        yield from records.keep_file(self.dialect, row)
        if upload is not None:
            facts = replace(upload.facts, digest=row.digest, length=row.size)
            yield from records.change_upload(self.dialect, upload._replace(state=records.DONE, busy=0, facts=facts))
            for part in upload.facts.parts:
                yield from records.forget_upload(self.dialect, part)

    # --- addresses ---

    async def url(
        self,
        actor: Actor,
        component: bytes,
        request: FileUrlRequest,
        database: str = "main",
        *,
        credential: bytes | None = None,
    ) -> FileUrl:
        """An address below the server's that is good for a short time, and as long as the Token `credential` is.

        Whether the actor may is judged when it is used.
        """
        return (await self.urls(actor, [component], request, database, credential=credential))[0]

    async def urls(
        self,
        actor: Actor,
        components: Sequence[bytes],
        request: FileUrlRequest,
        database: str = "main",
        *,
        credential: bytes | None = None,
    ) -> list[FileUrl]:
        """As `url`, of several components, for the same request of each."""
        most = self._service.limits.url_seconds
        if request.size is not None and not 0 <= request.size <= self._service.limits.file:
            raise RequestTooLarge(limit=self._service.limits.file)
        expires = int(time.time() + min(request.seconds or most, most))
        md5 = md5_hex(request.md5)
        headers = {"Content-MD5": md5_base64(md5)} if md5 else {}
        if request.method == "PUT":
            headers["Content-Type"] = "application/octet-stream"
        key = await self._key.read()
        found = []
        for component in components:
            token = FileToken(
                method=request.method, component=component, database=database, expires=expires, actor=actor,
                name=request.name[:500], size=request.size, md5=md5, credential=credential,
            )  # fmt: skip
            url = f"/v1/files/{show_id(component)}?token={sign_token(key, token)}"
            found.append(FileUrl(url=url, headers=headers, expires=expires))
        return found

    async def token(self, text: str, component: bytes, method: str) -> FileToken:
        """What a token says; InvalidSignature where it is not for this component and method, TokenExpired where it has ended."""
        token = read_token(await self._key.read(), text, time.time())
        if (token.component, token.method) != (component, method):
            raise InvalidRequest(reason="the address is signed for something else")
        if not await holds(self.room, token.actor, token.credential):
            raise TokenExpired
        return token


async def check_place(room: AsyncRoom, files: str = "") -> None:
    """FilesOfAnotherRoom where another room keeps its files there. A place that cannot be reached now is looked at later.

    `files` is what the settings of the server say of the place, where they do.
    """
    opened = room.opened
    try:
        blobs = open_blobs(files_place(opened.driver.where, files or opened.settings.files), opened.id)
        await asyncio.to_thread(blobs.check_owner)
    except InvalidSettings:
        return
    except (LocationUnavailable, PermissionDenied) as error:
        _LOG.warning("files cannot be reached: %s", error)


def facts_of(row: FileRow) -> FileFacts:
    """A file as the wire has it."""
    checksum = f"{CHECKSUM}{row.digest}"
    return FileFacts(component=row.component, size=row.size, checksum=checksum, md5=row.md5, name=row.name)


async def _waited(pool: ThreadPoolExecutor, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    doing = asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        with suppress(Exception):
            await asyncio.wait([doing])
        raise
