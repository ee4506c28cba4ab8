"""Resumable uploads of a served room, without HTTP: begun, sent in pieces, joined of parts, ended.

What has come lies with the blobs and survives a crash; an upload itself is a row of the room. It ends some hours after its last
piece (the room's setting `orphans`). Uploads are their owner's: for everybody else there are none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ..errors import Error, InvalidRequest, UploadGone, WrongOffset
from ..files.blobs import Hashing, Incoming, Wanted
from ..model import wire
from ..model.files import UploadState
from ..model.ids import show_id
from ..store import file_charges as charges
from ..store import file_records as records
from ..store.async_room import AsyncRoom
from ..store.file_records import DONE, JOINING, OPEN, REFUSED, UploadRow, Who
from ..store.plans import Plan
from ..store.requests import now
from .errors import PieceMismatch
from .files import facts_of

if TYPE_CHECKING:
    from .service import Service

__all__ = ["Uploads", "state_of"]

_LOG = logging.getLogger("recordroom.server")
_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_LEASE_SECONDS = 15.0
_PATIENT_SECONDS = 1.0


class Uploads:
    """The uploads of one room, as this process knows them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._passing: dict[bytes, Hashing] = {}  # of what came through this process from the beginning
        self._joining: dict[bytes, asyncio.Task[None]] = {}
        self._finishing: dict[bytes, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stop joining; it goes on where somebody asks for it again."""
        for task in list(self._joining.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    # --- look, end ---

    async def find(self, room: AsyncRoom, upload: bytes) -> UploadRow:
        """An upload of the actor; UploadGone where there is none, or it has expired. What refused it is raised again."""
        found = await self._service.files.asked(room, partial(self._row, upload))
        if found is None or found.owner != records.owner_of(room.actor) or now() >= found.expires:
            raise UploadGone
        if found.state == REFUSED:
            raise wire.decode_error(found.facts.error.encode())
        return found

    async def look(self, room: AsyncRoom, upload: bytes) -> tuple[UploadRow, int]:
        """An upload and how much of it has come. What is whole but was not finished, is finished now."""
        row = await self.find(room, upload)
        if row.state == DONE:
            return row, row.facts.length
        if row.state == JOINING:
            return await self._look_at_joining(room, row)
        offset = await self._service.files.briefly(self._service.files.blobs.offset, upload.hex())
        if offset >= row.facts.length and not row.facts.partial:
            row = await self._finished(room, row, [upload.hex()])
        return row, offset

    async def end(self, room: AsyncRoom, upload: bytes) -> None:
        """Give an upload up, with what came of it."""
        files = self._service.files
        found = await files.asked(room, partial(self._row, upload))
        if found is None or found.owner != records.owner_of(room.actor):
            raise UploadGone
        task = self._joining.get(upload)
        if task is not None:
            task.cancel()
        await files.done(room, lambda who: charges.end_upload(who, found))
        await files.briefly(files.blobs.discard, upload.hex())
        self._passing.pop(upload, None)

    # --- pieces ---

    async def append(
        self, room: AsyncRoom, row: UploadRow, offset: int, chunks: AsyncIterator[bytes], checksum: Any = None
    ) -> tuple[UploadRow, int]:
        """Take what comes from `offset` on; the upload and its offset then. With the last piece it is done.

        `checksum` is what the piece must have: (hash, digest); PieceMismatch otherwise, and the piece is forgotten.
        """
        files, length = self._service.files, row.facts.length
        if row.state != OPEN:
            raise WrongOffset(offset=length, given=offset)
        incoming = await files.briefly(files.blobs.begin, row.id.hex(), offset)
        if offset == 0:
            await self._check_there(room, row, incoming)
        if checksum is not None:
            chunks = _hashed(chunks, checksum[0])
        passing = None if row.facts.partial else self._hashing(row, offset)
        try:
            await files.poured(incoming, chunks, length - offset, passing)
            if checksum is not None and checksum[0].digest() != checksum[1]:
                raise PieceMismatch(
                    path=row.facts.name or "the piece", expected=checksum[1].hex(), found=checksum[0].hexdigest()
                )
        except PieceMismatch:
            self._passing.pop(row.id, None)
            await files.briefly(files.blobs.shorten, row.id.hex(), offset)
            raise
        if incoming.offset >= length and not row.facts.partial:
            return await self._finished(room, row, [row.id.hex()]), incoming.offset
        return await self._kept_alive(room, row), incoming.offset

    async def _check_there(self, room: AsyncRoom, row: UploadRow, incoming: Incoming) -> None:
        """UploadGone where an upload was given up since it was looked at: nobody would come for what has been begun."""
        files = self._service.files
        try:
            await self.find(room, row.id)
        except BaseException:
            await files.briefly(incoming.close)
            await files.briefly(files.blobs.discard, row.id.hex())
            raise

    def _hashing(self, row: UploadRow, offset: int) -> Hashing | None:
        """What works out the digest while the bytes pass, where all of them passed here."""
        if offset == 0:
            self._passing[row.id] = Hashing(md5=bool(row.facts.md5))
        found = self._passing.get(row.id)
        if found is not None and found.size != offset:
            del self._passing[row.id]
            return None
        return found

    async def _kept_alive(self, room: AsyncRoom, row: UploadRow) -> UploadRow:
        """An upload that goes on ends later."""
        expires = self._service.files.expires()
        if expires - row.expires < _HOUR // 4:
            return row
        later = row._replace(expires=expires)
        await self._service.files.done(room, lambda who: records.change_upload(self._service.files.dialect, later))
        return later

    # --- whole ---

    async def _finished(self, room: AsyncRoom, row: UploadRow, uploads: list[str]) -> UploadRow:
        """Make a file of an upload that is whole. What is wrong with it is noted, and raised now and whenever it is asked for."""
        lock = self._finishing.setdefault(row.id, asyncio.Lock())
        try:
            async with lock:
                found = await self.find(room, row.id)
                return found if found.state == DONE else await self._finish(room, row, uploads)
        finally:
            if not lock.locked():
                self._finishing.pop(row.id, None)

    async def _finish(self, room: AsyncRoom, row: UploadRow, uploads: list[str]) -> UploadRow:
        files, facts = self._service.files, row.facts
        passed = self._passing.pop(row.id, None)
        known = passed.known() if passed is not None and passed.size == facts.length else None
        wanted = Wanted(facts.sha256, facts.md5, facts.length, facts.name or show_id(facts.component))
        ended = row._replace(expires=self._service.files.expires())
        try:
            await files.kept(
                room, facts.component, uploads, wanted,
                known=known, name=facts.name, database=facts.database, upload=ended,
            )  # fmt: skip
        except Error as error:
            refused = ended._replace(state=REFUSED, facts=replace(facts, error=wire.encode_error(error).decode()))
            if error.status >= 500 or not await files.done(files.room, partial(self._refuse, refused)):
                raise
            await self._discard(uploads)
            raise
        await self._discard(uploads)
        return ended._replace(state=DONE)

    def _refuse(self, refused: UploadRow, who: Who) -> Plan[bool]:
        """Note that an upload is refused, unless another worker has ended it meanwhile."""
        found = yield from records.upload_by(self._service.files.dialect, refused.id)
        if found is None or found.state not in (OPEN, JOINING):
            return False
        yield from records.change_upload(self._service.files.dialect, refused)
        return True

    async def _discard(self, uploads: list[str]) -> None:
        for each in uploads:
            await self._service.files.briefly(self._service.files.blobs.discard, each)

    # --- parts ---

    async def join(self, room: AsyncRoom, row: UploadRow) -> UploadRow:
        """Put the parts of an upload together; returns when that is done, or in a moment while it goes on."""
        task = self._joining.get(row.id)
        if task is None:
            if not await self._leased(row.id, busy_before=now()):
                return row
            task = asyncio.ensure_future(self._join(room, row))
            self._joining[row.id] = task
            task.add_done_callback(lambda _: self._joining.pop(row.id, None))
        await asyncio.wait([task], timeout=_PATIENT_SECONDS)
        return await self.find(room, row.id)

    async def _look_at_joining(self, room: AsyncRoom, row: UploadRow) -> tuple[UploadRow, int]:
        row = await self.join(room, row)
        return row, row.facts.length if row.state == DONE else 0

    async def _join(self, room: AsyncRoom, row: UploadRow) -> None:
        keeping = asyncio.ensure_future(self._keep_lease(row.id))
        try:
            files = self._service.files
            for part in row.facts.parts:
                found = await files.asked(room, partial(self._row, part))
                came = await files.briefly(files.blobs.offset, part.hex())
                if found is None or came != found.facts.length:
                    raise InvalidRequest(reason=f"part {show_id(part)} is not whole")
            await self._finished(room, row, [part.hex() for part in row.facts.parts])
        except Error as error:
            _LOG.info("upload %s was not joined: %s", show_id(row.id), error)
        except Exception:  # noqa: BLE001 - whoever asks for the upload has it tried again
            _LOG.exception("upload %s was not joined", show_id(row.id))
        finally:
            keeping.cancel()

    def _row(self, upload: bytes, who: Who) -> Plan[UploadRow | None]:
        return records.upload_by(self._service.files.dialect, upload)

    async def _leased(self, upload: bytes, busy_before: int) -> bool:
        files = self._service.files
        until = now() + int(_LEASE_SECONDS * _SECOND)
        return await files.done(files.room, lambda who: records.lease_upload(files.dialect, upload, busy_before, until))

    async def _keep_lease(self, upload: bytes) -> None:
        while True:
            await asyncio.sleep(_LEASE_SECONDS / 3)
            await self._leased(upload, busy_before=2**62)


async def _hashed(chunks: AsyncIterator[bytes], hashing: Any) -> AsyncIterator[bytes]:
    async for data in chunks:
        hashing.update(data)
        yield data


def state_of(row: UploadRow, offset: int, file: Any = None) -> UploadState:
    """An upload as the wire has it."""
    return UploadState(
        id=row.id,
        component=row.facts.component,
        state=row.state,
        offset=offset,
        length=row.facts.length,
        expires=row.expires,
        file=None if file is None else facts_of(file),
    )
