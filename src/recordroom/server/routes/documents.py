"""The API's own description, and a page that shows it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from ...model import wire
from ..call import Call
from ..route import Route

__all__ = ["ROUTES"]

_HTML = "text/html; charset=utf-8"
_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"
)


async def openapi(call: Call) -> None:
    await call.answer(call.document(), wire.JSON)


async def docs(call: Call) -> None:
    await call.answer(_page(), _HTML, 200, (b"content-security-policy", _POLICY))


@cache
def _page() -> bytes:
    return resources.files("recordroom.server").joinpath("web/docs.html").read_bytes()


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        summary="This API as an OpenAPI document",
        gives=dict[str, Any],
        kinds=(wire.JSON,),
        open=True,
        group="health",
    ),
    *(
        Route(
            method="GET",
            path=path,
            handler=docs,
            summary=summary,
            gives=str,
            kinds=(_HTML,),
            open=True,
            group="health",
        )
        for path, summary in (
            ("/docs", "This API as a page to read"),
            ("/", "The same page, for whoever opens the server's address in a browser"),
        )
    ),
)
