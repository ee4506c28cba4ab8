"""Addresses of thumbnails: `thumbnail_url` of what has one, signed for who asks and good for a short time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...model.files import FileUrlRequest
from ...model.ids import show_id

if TYPE_CHECKING:
    from ...server.auth.identity import Identity
    from ...server.service import Service

__all__ = ["NO_PICTURE", "Pictures", "picture", "picture_url"]

NO_PICTURE = "/img/thumbnail2.png"


def picture_url(server: str, component: str, url: str) -> str:
    """The address of the small picture of a component, from its signed address."""
    return f"{server}/component/thumbnail?id={component}&token={url.partition('token=')[2]}"


def picture(url: str | None) -> dict[str, str | None]:
    """As it is told; `value` is the address too."""
    return {"url": url, "value": url}


class Pictures:
    """The addresses that one who asks gets."""

    def __init__(self, service: Service, identity: Identity, address: str) -> None:
        self._service = service
        self._identity = identity
        self._address = address

    async def urls(self, thumbnails: Iterable[bytes | None]) -> dict[bytes | None, str]:
        """Of thumbnails, by their ids; of None that of the picture for what has none."""
        ids = [each for each in dict.fromkeys(thumbnails) if each is not None]
        found: dict[bytes | None, str] = {None: f"{self._address}{NO_PICTURE}"}
        actor, credential = self._identity.actor, self._identity.token
        signed = await self._service.files.urls(actor, ids, FileUrlRequest(method="GET"), credential=credential)
        for each, address in zip(ids, signed, strict=True):
            found[each] = picture_url(self._address, show_id(each), address.url)
        return found
