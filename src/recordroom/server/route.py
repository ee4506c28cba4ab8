"""What a route is: the table of them is what calls are led by, and what the OpenAPI document is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from .call import Call
from .errors import MethodNotAllowed, NoSuchPath

__all__ = ["Parameter", "Route", "Routes"]

_VERSION = "/v1/"


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the address, or the part of a path in braces."""

    name: str
    description: str
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    example: Any = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. A path may have one part in braces.

    `takes` and `gives` are the types of the bodies, `kinds` the content types of the answer. `open` routes need no
    credential. What `guarded` ones do, they do with the call's room: whether the credential is good is then a part of that,
    and of the same snapshot. `fails` are codes of errors worth naming, beside those that every route has.
    """

    method: str
    path: str
    handler: Callable[[Call], Awaitable[None]]
    summary: str
    description: str = ""
    takes: Any = None
    gives: Any = None
    kinds: tuple[str, ...] = ()
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    fails: tuple[type[Exception], ...] = ()
    open: bool = False
    guarded: bool = False
    group: str = "room"
    example: Any = None


class Routes:
    """Finds the route of a call."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        self._exact: dict[str, dict[str, Route]] = {}
        self._inner: dict[tuple[str, str], dict[str, Route]] = {}
        for route in self.all:
            base, brace, rest = route.path.partition("{")
            if brace:
                self._inner.setdefault((base, rest.partition("}")[2]), {})[route.method] = route
            else:
                self._exact.setdefault(base, {})[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The route and the part of the path that its braces stand for; NoSuchPath or MethodNotAllowed."""
        methods, argument = self._at(path)
        found = methods.get("GET" if method == "HEAD" else method)
        if found is None:
            raise MethodNotAllowed(path=path, method=method, allowed=", ".join(self.allowed(path)))
        return found, argument

    def allowed(self, path: str) -> list[str]:
        """The methods that a path takes; NoSuchPath where there is nothing."""
        methods, _ = self._at(path)
        return sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])})

    def answers(self, path: str, method: str) -> bool:
        """Whether a path has a route for a method, beyond what every path answers."""
        return method in self._at(path)[0]

    def _at(self, path: str) -> tuple[dict[str, Route], str]:
        methods = self._exact.get(path)
        if methods is not None:
            return methods, ""
        head, slash, rest = path.partition(_VERSION)
        base, between, argument = rest.partition("/")
        argument, after, tail = argument.partition("/")
        methods = self._inner.get((f"{head}{slash}{base}{between}", after + tail))
        if methods is None or not argument:
            raise NoSuchPath(path=path[:200])
        return methods, argument
