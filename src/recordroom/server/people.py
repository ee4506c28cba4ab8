"""What a server does for people: pages that open in a browser, invitations by mail, API keys given anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import msgspec

from ..errors import InvalidRequest, MailFailed, NotFound, TokenExpired
from ..model.actor import Actor
from ..model.ids import as_id, show_id
from ..model.people import Invited
from ..query.grammar import parse
from ..query.request import QueryRequest
from ..store.async_room import AsyncRoom
from .auth.identity import Identity
from .holding import holds
from .mail import MailSettings, send_mail
from .signed import PAGES as PAGE_KEY
from .signed import RoomKey, read_signed, signed

if TYPE_CHECKING:
    from .service import Service

__all__ = ["INFO", "PAGES", "THEMES", "PageTicket", "People"]

Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")
INFO = "info"
PAGES = (INFO, "tasks", "tasks_browser")
OPENS = 360  # seconds in which an address opens a page
STAYS = 3600  # seconds for which an open page goes on after each look at it
MOST = 12 * 3600
_ABOUT = b"recordroom page v1"


class PageTicket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, array_like=True):
    """Who looks at pages. `opened` and `expires` are in seconds since 1970; `address`: it stands in an address."""

    actor: Actor
    opened: int
    expires: int
    address: bool = False
    token: bytes | None = None  # the Token entity of the credential that asked for it


class People:
    """Pages, invitations and keys of one room. `url` is what stands before paths in what people get."""

    def __init__(self, service: Service, mail: MailSettings, url: str = "") -> None:
        self._service = service
        self._mail = mail
        self._key = RoomKey(service.room, PAGE_KEY)
        self.url = url.rstrip("/")

    # --- pages ---

    async def page_path(
        self, identity: Identity, name: str, entity: tuple[str, bytes] | None = None, theme: str | None = None
    ) -> str:
        """The path of a page with the token that opens it, for the actor, to look at only; it ends after six minutes.

        `entity` is its type and id. A theme that there is not is "dark". InvalidRequest for a page that there is not.
        """
        if name not in PAGES:
            raise InvalidRequest(reason=f"there is no page {name[:100]!r}; there are {', '.join(PAGES)}")
        if name == INFO and entity is None:
            raise InvalidRequest(reason="the page 'info' is about an entity: say which")
        room = self._service.acting(identity.actor)
        given: dict[str, str] = {"theme": theme if theme in THEMES else THEMES[0]}
        if entity is not None:
            given |= {"type": await self._there(room, *entity), "id": show_id(entity[1])}
        moment = int(time.time())
        ends = moment + OPENS if identity.expires is None else min(moment + OPENS, identity.expires // 1_000_000)
        actor = msgspec.structs.replace(identity.actor, scopes=("read",))
        given["token"] = await self.token(
            PageTicket(actor=actor, opened=moment, expires=ends, address=True, token=identity.token)
        )
        return f"/pages/{name}?{urlencode(given)}"

    async def _there(self, room: AsyncRoom, type_name: str, entity: bytes) -> str:
        """The entity's own type; NotFound where the actor sees no such entity."""
        page = await room.query(QueryRequest(query=parse(f"{type_name} where id is $id"), parameters={"id": entity}))
        if not page.ids:
            raise NotFound(type=type_name, entity=show_id(entity))
        return page.types[0] if page.types else page.type

    async def token(self, ticket: PageTicket) -> str:
        """The ticket, signed."""
        return signed(await self._key.read(), _ABOUT, ticket)

    async def ticket(self, text: str, *, address: bool) -> PageTicket:
        """The ticket of a token; InvalidSignature, or TokenExpired: by itself, or with the credential that it came from."""
        found = read_signed(await self._key.read(), _ABOUT, text, PageTicket)
        if found.address != address or time.time() >= found.expires or not await self._holds(found):
            raise TokenExpired
        return found

    async def _holds(self, ticket: PageTicket) -> bool:
        return await holds(self._service.room, ticket.actor, ticket.token)

    def staying(self, ticket: PageTicket) -> PageTicket:
        """The ticket of a browser that goes on looking."""
        ends = min(int(time.time()) + STAYS, ticket.opened + MOST)
        return PageTicket(actor=ticket.actor, opened=ticket.opened, expires=ends, token=ticket.token)

    # --- invitations ---

    async def invite(self, identity: Identity, users: Sequence[str], url: str) -> list[Invited]:
        """Write to users (names or ids) how to come in; MailFailed says whom it did not reach, and whom it did.

        Who has no password yet gets a one-time code. `url` is where they go.
        """
        # Nobody is written to where one of them cannot be.
        addresses = [await self._address(identity, user) for user in users]
        done: list[Invited] = []
        for user, address in zip(users, addresses, strict=True):
            try:
                done.append(await self._invite(identity, user, address, url))
            except MailFailed as error:
                sent = ", ".join(each.user for each in done) or "nobody"
                raise MailFailed(
                    f"{error} The invitation of {user!r} was not sent; sent before it: {sent}.", user=user, sent=sent
                ) from None
        return done

    async def _invite(self, identity: Identity, user: str, address: str, url: str) -> Invited:
        invited = await self._service.accounts.invitation(identity, user)
        name, link = invited.user.name, f"{url}/pages/welcome"
        lines = [f"{identity.actor.name} invites you to the room at {url}.", "", f"Your user name is {name}."]
        if invited.code is None:
            lines += ["Log in with the password that you have."]
        else:
            # Behind the #, so that it never reaches a log.
            fragment = urlencode({"user": name, "code": invited.code})
            lines += ["Choose a password here:", "", f"{link}#{fragment}", "", f"Your one-time code is {invited.code}."]
        await send_mail(self._mail, address, "An invitation to recordroom", "\n".join(lines) + "\n")
        return Invited(user=name)

    async def _address(self, identity: Identity, user: str) -> str:
        query = "select name, email from User where name is $user" if not _id_of(user) else _BY_ID
        request = QueryRequest(query=parse(query), parameters={"user": _id_of(user) or user})
        page = await self._service.acting(identity.actor).query(request)
        if not page.ids:
            raise NotFound(f"There is no User {user[:200]!r}.", type="User", entity=user[:200])
        address = page.columns["email"][0]
        if not address:
            raise InvalidRequest(reason=f"the user {page.columns['name'][0]!r} has no email")
        return str(address)

    # --- keys ---

    async def new_api_key(self, identity: Identity, user: str | None = None) -> str:
        """A new API key of a user, in place of the one that this gave before."""
        return await self._service.accounts.renew_key(identity, user)


_BY_ID = "select name, email from User where id is $user"


def _id_of(user: str) -> bytes | None:
    try:
        return as_id(user)
    except ValueError:
        return None
