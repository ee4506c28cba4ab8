"""Quotas: how much one actor may have under way and uncommitted, and how much stays free on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import InvalidRequest, RequestTooLarge, StorageFull, TooManyAttempts, UploadGone, UploadQuotaExceeded
from ..model.ids import new_id, show_id
from ..store import file_charges as charges
from ..store import file_records as records
from ..store.async_room import AsyncRoom
from ..store.file_records import UploadFacts, UploadRow, Who
from ..store.plans import Plan
from ..store.requests import now

if TYPE_CHECKING:
    from .files import Files
    from .service import Service

__all__ = ["Quotas"]

_RETRY_SECONDS = 60
_AHEAD = 256 << 20


class Quotas:
    """Begins uploads within the limits, for the files of one room."""

    def __init__(self, service: Service, files: Files) -> None:
        self._service = service
        self._files = files

    async def begun(self, room: AsyncRoom, facts: UploadFacts, *, at_once: bool = False) -> UploadRow:
        """Note an upload that begins, with what it is to have, or say why not. `at_once`: it comes with this request.

        RequestTooLarge, PermissionDenied, StorageFull, UploadQuotaExceeded; TooManyAttempts where too many are under way.
        """
        limits, owner = self._service.limits, records.owner_of(room.actor)
        if facts.length > limits.file:
            raise RequestTooLarge(limit=limits.file)
        state = records.JOINING if facts.parts else records.OPEN
        row = UploadRow(new_id(), owner, state, self._files.expires(), 0, facts)
        if not facts.component:
            row = row._replace(facts=replace(facts, component=row.id))
        await self._files.briefly(self.check_free, facts.length)

        def plan(who: Who) -> Plan[UploadRow | int]:
            yield from records.check_writable(who, row.facts.database, row.facts.component)
            if not at_once and (yield from records.uploads_of(self._files.dialect, owner)) >= limits.uploads:
                reason = f"{room.actor.name} has {limits.uploads} uploads under way already; finish or end some first."
                raise TooManyAttempts(reason, retry_after=_RETRY_SECONDS)
            joined = row
            if facts.parts:
                joined = row._replace(facts=(yield from self._joined(who, row.facts)))
            used = yield from charges.charge(who, facts.length, limits.pending)
            if used is not None:
                return used
            yield from records.add_upload(self._files.dialect, joined)
            return joined

        found = await self._files.done(room, plan)
        if isinstance(found, int):
            # Not within the plan: what it has found out stays.
            raise UploadQuotaExceeded(used=found, asked=facts.length, limit=limits.pending)
        return found

    def _joined(self, who: Who, facts: UploadFacts) -> Plan[UploadFacts]:
        """The facts, with the length of all parts. They must be whole, and the actor's."""
        length = 0
        for part in facts.parts:
            found = yield from records.upload_by(self._files.dialect, part)
            if found is None or found.owner != records.owner_of(who.actor) or now() >= found.expires:
                raise UploadGone
            if not found.facts.partial:
                raise InvalidRequest(reason=f"upload {show_id(part)} is not one of parts")
            length += found.facts.length
        if length > self._service.limits.file:
            raise RequestTooLarge(limit=self._service.limits.file)
        return replace(facts, length=length)

    async def counted(self, room: AsyncRoom, upload: UploadRow, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What comes of an upload that did not say how long it is, counted some way ahead."""
        counted = size = 0
        async for data in chunks:
            size += len(data)
            while size > counted:
                counted = await self._count(room, upload, counted, size)
            yield data

    async def _count(self, room: AsyncRoom, upload: UploadRow, counted: int, size: int) -> int:
        """Count an upload as longer than it was: how long."""
        most = self._service.limits.pending
        used: int | None = 0
        for length in (size + _AHEAD, size):
            grown = upload._replace(facts=replace(upload.facts, length=length))
            used = await self._files.done(room, partial(self._grow, grown, length - counted, most))
            if used is None:
                return length
        raise UploadQuotaExceeded(used=used, asked=size - counted, limit=most)

    def _grow(self, grown: UploadRow, more: int, most: int, who: Who) -> Plan[int | None]:
        used = yield from charges.charge(who, more, most)
        if used is None:
            yield from records.change_upload(self._files.dialect, grown)
        return used

    def check_free(self, size: int) -> None:
        """StorageFull where `size` more bytes would leave too few free; in a thread."""
        least = self._service.limits.free
        free = self._files.blobs.free()
        if least and free is not None and free - size < least:
            raise StorageFull("No file can be taken now: too little space would be left on the server.", path="files")
