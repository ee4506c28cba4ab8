"""Who one is: logging in, tokens, passwords."""

from __future__ import annotations

from typing import Any

from ...errors import NotAuthenticated, TooManyAttempts
from ..call import STRUCTS, Call
from ..route import Parameter, Route

__all__ = ["ROUTES"]

Document = dict[str, Any]
_MOST_BYTES = 64 * 2**10  # of a request that nobody has proved anything for


async def providers(call: Call) -> None:
    await call.give({"methods": ["password", "oidc"], "providers": await call.service.accounts.providers()})


async def grant(call: Call) -> None:
    request = await call.take(Document, _MOST_BYTES)
    # A key is made by somebody who is known; all other grants are how one becomes so.
    identity = await call.identify() if request.get("grant") == "api_key" else None
    await call.give(await call.service.accounts.grant(request, client=call.client, identity=identity))


async def me(call: Call) -> None:
    await call.give(await call.service.accounts.me(call.identity))


async def tokens(call: Call) -> None:
    user = call.parameters("user").get("user")
    await call.give(await call.service.accounts.tokens(call.identity, user))


async def revoke(call: Call) -> None:
    await call.service.accounts.revoke(call.identity, call.argument)
    await call.answer(b"", "", 204)


async def rotate(call: Call) -> None:
    await call.service.accounts.rotate_keys(call.identity)
    await call.answer(b"", "", 204)


async def logout(call: Call) -> None:
    await call.service.accounts.logout(call.identity)
    await call.answer(b"", "", 204)


async def password(call: Call) -> None:
    await call.service.accounts.set_password(call.identity, await call.take(Document, _MOST_BYTES), client=call.client)
    await call.answer(b"", "", 204)


async def reset(call: Call) -> None:
    await call.give(await call.service.accounts.reset(call.identity, call.argument))


ROUTES = (
    Route(
        method="GET",
        path="/v1/login",
        handler=providers,
        summary="How one can log in here: with a password, and by which providers of single sign-on",
        gives=Document,
        kinds=STRUCTS,
        open=True,
        group="accounts",
    ),
    Route(
        method="POST",
        path="/v1/tokens",
        handler=grant,
        summary="Log in, renew a log-in, or make an API key",
        description="`grant` says how: password, code, refresh_token, id_token, access_token, or api_key (by who is logged in).",
        takes=Document,
        gives=Document,
        kinds=STRUCTS,
        fails=(NotAuthenticated, TooManyAttempts),
        open=True,
        group="accounts",
        example={"grant": "password", "user": "ada", "password": "correct horse battery staple"},
    ),
    Route(
        method="GET",
        path="/v1/me",
        handler=me,
        summary="Who one is, with which token",
        gives=Document,
        kinds=STRUCTS,
        group="accounts",
    ),
    Route(
        method="GET",
        path="/v1/tokens",
        handler=tokens,
        summary="The API keys and sessions of a user",
        gives=list[Document],
        kinds=STRUCTS,
        parameters=(Parameter("user", "Another user, by name or id."),),
        group="accounts",
    ),
    Route(
        method="DELETE",
        path="/v1/tokens/{id}",
        handler=revoke,
        summary="End an API key or a session",
        status=204,
        parameters=(Parameter("id", "The id of the token."),),
        group="accounts",
    ),
    Route(
        method="POST",
        path="/v1/keys",
        handler=rotate,
        summary="Sign with new keys: every access token and every signed address ends",
        status=204,
        group="accounts",
    ),
    Route(
        method="POST",
        path="/v1/logout",
        handler=logout,
        summary="End the session of this token",
        status=204,
        group="accounts",
    ),
    Route(
        method="POST",
        path="/v1/password",
        handler=password,
        summary="Change the own password",
        takes=Document,
        status=204,
        fails=(TooManyAttempts,),
        group="accounts",
        example={"password": "the present one", "new_password": "correct horse battery staple"},
    ),
    Route(
        method="POST",
        path="/v1/users/{user}/reset",
        handler=reset,
        summary="Make a one-time code for a user who cannot log in",
        gives=Document,
        kinds=STRUCTS,
        parameters=(Parameter("user", "The user, by name or id."),),
        group="accounts",
    ),
)
