"""Pages for people in a browser, and the addresses that open them; invitations; API keys given anew."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Any

from ...errors import (
    Error,
    InvalidQuery,
    InvalidRequest,
    InvalidSignature,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    TokenExpired,
)
from ...model.ids import as_id
from ...model.people import GivenKey, Invitations, Invited, PageAddress, PageRequest
from ..call import STRUCTS, Call
from ..pages.asking import Asked
from ..pages.browser import browser_page
from ..pages.info import entity_page
from ..pages.render import POLICY, asset, html
from ..pages.tasks import SHOW, tasks_page
from ..people import INFO, OPENS, STAYS, THEMES, PageTicket
from ..route import Parameter, Route

__all__ = ["ROUTES"]

_HTML = "text/html; charset=utf-8"
_COOKIE = "recordroom-pages"
_WORDS = 200
_KNOWN = ("token", "theme", "type", "id", "show", "q", "page")
_HEADERS = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


# --- pages ----------------------------------------------------------------------------------------


async def info(call: Call) -> None:
    await _page(call, INFO)


async def tasks(call: Call) -> None:
    await _page(call, "tasks")


async def browser(call: Call) -> None:
    await _page(call, "tasks_browser")


async def _page(call: Call, name: str) -> None:
    theme = THEMES[0]
    try:
        given = call.parameters(*_KNOWN)
        theme = "light" if given.get("theme") == "light" else "dark"
        ticket = await _ticket(call, given.get("token"))
        room = call.service.acting(ticket.actor)
        call.actor = ticket.actor.name
        asked = Asked(room, await room.schema("main"), ticket.token)
        context = await _content(call, asked, name, given)
    except Error as error:
        await _failed(call, error, theme)
        return
    context |= {"theme": theme, "page_name": name, "who": ticket.actor.name}
    staying = await call.service.people.token(call.service.people.staying(ticket))
    await call.answer(html(name, context), _HTML, 200, *_HEADERS, (b"set-cookie", _cookie(call, staying)))


async def _ticket(call: Call, token: str | None) -> PageTicket:
    if token is not None:
        return await call.service.people.ticket(token, address=True)
    try:
        kept = SimpleCookie(call.headers.get(b"cookie", b"").decode("latin-1")).get(_COOKIE)
    except CookieError:
        kept = None
    if kept is None:
        raise NotAuthenticated(where="The room", reason="pages are opened by an address that a session gives")
    return await call.service.people.ticket(kept.value, address=False)


async def _content(call: Call, asked: Asked, name: str, given: dict[str, str]) -> dict[str, Any]:
    about = _about(asked, given)
    if name == "tasks":
        show = given.get("show", SHOW[0])
        return await tasks_page(asked, about, show if show in SHOW else SHOW[0])
    if name == "tasks_browser":
        return await browser_page(asked, about, given.get("q", "").strip()[:_WORDS], _number(given.get("page", "0")))
    if about is None:
        raise InvalidRequest(reason="this page is about an entity: say its type and id")
    return await entity_page(asked, call.service.files, *about)


def _about(asked: Asked, given: dict[str, str]) -> tuple[str, bytes] | None:
    if "type" not in given or "id" not in given:
        return None
    name = asked.schema[given["type"]].name
    try:
        return name, as_id(given["id"])
    except ValueError as error:
        raise InvalidRequest(reason=f"id: expected {error}") from None


def _number(text: str) -> int:
    return min(int(text), 10_000) if text.isascii() and text.isdigit() and len(text) < 9 else 0


async def _failed(call: Call, error: Error, theme: str) -> None:
    ended = isinstance(error, (TokenExpired, InvalidSignature, NotAuthenticated))
    context = {"theme": theme, "ended": ended, "message": str(error)}
    await call.answer(html("failed", context), _HTML, error.status, *_HEADERS)


def _cookie(call: Call, token: str) -> bytes:
    secure = "; Secure" if call.scope.get("scheme") == "https" else ""
    return f"{_COOKIE}={token}; Path=/pages; Max-Age={STAYS}; HttpOnly; SameSite=Lax{secure}".encode()


async def welcome(call: Call) -> None:
    theme = "light" if call.parameters("theme").get("theme") == "light" else "dark"
    least = call.service.accounts.settings.password_length
    await call.answer(html("welcome", {"theme": theme, "least": least}), _HTML, 200, *_HEADERS)


_ASSETS = {
    "pages.css": ("text/css; charset=utf-8", "How pages look"),
    "welcome.js": ("text/javascript; charset=utf-8", "What choosing a password does"),
    "icon.svg": ("image/svg+xml", "The picture in the tab of a browser"),
}


def _asset_route(name: str, kind: str, summary: str) -> Route:
    async def give(call: Call) -> None:
        await call.answer(asset(name), kind, 200, (b"cache-control", b"max-age=300"))

    return Route(
        method="GET", path=f"/pages/{name}", handler=give, summary=summary, gives=str,
        kinds=(kind.partition(";")[0],), open=True, group="pages",
    )  # fmt: skip


# --- what sessions ask for ------------------------------------------------------------------------


async def address(call: Call) -> None:
    given = await call.take(PageRequest)
    about = None if given.type is None or given.id is None else (given.type, given.id)
    path = await call.service.people.page_path(call.identity, given.name, about, given.theme)
    await call.give(PageAddress(url=path, expires_in=OPENS))


async def invite(call: Call) -> None:
    given = await call.take(Invitations)
    await call.give(await call.service.people.invite(call.identity, given.users, call.service.people.url or given.url))


async def new_key(call: Call) -> None:
    await call.give(GivenKey(api_key=await call.service.people.new_api_key(call.identity, call.argument)))


_PARAMETERS = (
    Parameter("token", "What opens it the first time; a cookie then does."),
    Parameter("theme", f"One of {', '.join(THEMES)}."),
    Parameter("type", "The entity type that it is about."),
    Parameter("id", "The id of the entity."),
    Parameter("show", f"Of the page of tasks: one of {', '.join(SHOW)}."),
    Parameter("q", "Of the tree: words to find in names."),
    Parameter("page", "Of the tree: which page, from 0."),
)


def _shown_page(path: str, handler: Any, summary: str, parameters: tuple[Parameter, ...] = ()) -> Route:
    return Route(
        method="GET", path=path, handler=handler, summary=summary, gives=str, kinds=(_HTML,), open=True, group="pages",
        parameters=parameters, fails=(InvalidRequest, NotAuthenticated, PermissionDenied, NotFound, InvalidQuery),
    )  # fmt: skip


ROUTES = (
    _shown_page("/pages/info", info, "An entity as a page", _PARAMETERS),
    _shown_page("/pages/tasks", tasks, "Tasks as a page", _PARAMETERS),
    _shown_page("/pages/tasks_browser", browser, "The tree of projects as a page", _PARAMETERS),
    _shown_page("/pages/welcome", welcome, "Where who is invited chooses a password", (_PARAMETERS[1],)),
    *(_asset_route(name, *facts) for name, facts in _ASSETS.items()),
    Route(
        method="POST",
        path="/v1/pages",
        handler=address,
        summary="The address of a page, which opens it for six minutes without another credential",
        takes=PageRequest,
        gives=PageAddress,
        kinds=STRUCTS,
        group="pages",
        example={"name": "tasks", "theme": "light"},
    ),
    Route(
        method="POST",
        path="/v1/invitations",
        handler=invite,
        summary="Invite users by mail",
        takes=Invitations,
        gives=list[Invited],
        kinds=STRUCTS,
        group="accounts",
    ),
    Route(
        method="POST",
        path="/v1/users/{user}/api-key",
        handler=new_key,
        summary="A new API key of a user, in place of the one given so before",
        gives=GivenKey,
        kinds=STRUCTS,
        parameters=(Parameter("user", "The user, by name or id."),),
        group="accounts",
    ),
)  # fmt: skip
