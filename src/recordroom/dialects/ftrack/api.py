"""`POST /api`: a list of operations in, a list of as many results out; or an error and nothing is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from ...errors import Error, InvalidRequest
from ...server.call import Call, ClientGone, Receive, Send
from ...server.errors import MethodNotAllowed, NoSuchPath
from ...server.service import Service
from ...server.settings import ServerSettings
from .actions import ACTIONS, Asked
from .addresses import address_of
from .asking import question_of
from .batches import WRITES
from .committing import committed
from .credentials import identified_by_headers
from .errors import InvalidAction, body_of, status_of

__all__ = ["Api"]

_LOG = logging.getLogger("recordroom.server")
_JSON = "application/json"
_MOST_QUESTIONS = 1_000  # each answer is held until the last is there
_MOST_PARTS = 1_000_000  # each takes far more memory than the two signs that it may have
_MOST_BESIDE = 50  # beside changes
_MOST_HELD = 256 * 2**20  # bytes of answers
_HARMLESS = ("query", "query_server_information", "query_schemas")


class Api:
    """The mount of `/api`."""

    prefixes = ("/api",)

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self.service = service
        self.settings = settings

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One list of operations."""
        call = Call(self.service, scope, receive, send)
        try:
            await call.answer(await self._answered(call), _JSON)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the client needs an answer, whatever it is
            if not isinstance(error, Error):
                _LOG.exception("a request to /api failed")
            if not call.status:
                strict = call.headers.get(b"ftrack-strict-api", b"").lower() == b"true"
                await call.answer(body_of(error), _JSON, status_of(error, strict=strict))

    async def _answered(self, call: Call) -> bytes:
        if call.scope["path"] != "/api":
            raise NoSuchPath(path=call.scope["path"][:200])
        if call.method != "POST":
            raise MethodNotAllowed(path="/api", method=call.method, allowed="POST")
        identity = await identified_by_headers(call)
        operations = _operations(await call.body())
        asked = Asked(self.service, self.settings, identity, address_of(call, self.settings))
        return msgspec.json.encode(await results(asked, operations, Held()))

    async def close(self) -> None:
        """Nothing goes on by itself."""


def _operations(body: bytes) -> list[dict[str, Any]]:
    if body.count(b"{") + body.count(b"[") > _MOST_PARTS:
        raise InvalidRequest(reason=f"at most {_MOST_PARTS} objects and lists in one request")
    try:
        return msgspec.json.decode(body, type=list[dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(reason=str(error)) from None


def _action_of(operation: dict[str, Any]) -> str:
    action = str(operation.get("action"))
    if action not in WRITES and action not in ACTIONS:
        raise InvalidAction(action=action[:100])
    return action


class Held:
    """Answers that wait for the last one, as they will be sent: as objects they take ten times as much."""

    def __init__(self) -> None:
        self._size = 0

    def __call__(self, answer: Any) -> msgspec.Raw:
        """Hold one; InvalidRequest where that is too much."""
        found = msgspec.json.encode(answer)
        self._size += len(found)
        if self._size > _MOST_HELD:
            raise InvalidRequest(reason=f"the answers together have more than {_MOST_HELD} bytes; ask in parts")
        return msgspec.Raw(found)


async def results(
    asked: Asked, operations: list[dict[str, Any]], held: Callable[[Any], Any] | None = None
) -> list[Any]:
    """The result of each operation. What changes entities is one commit, which stands where the last of it does."""
    actions = [_action_of(each) for each in operations]
    writing = [place for place, action in enumerate(actions) if action in WRITES]
    most = _MOST_BESIDE if writing else _MOST_QUESTIONS
    if len(actions) - len(writing) > most:
        raise InvalidRequest(reason=f"at most {most} operations in this request that ask for something")
    if writing:
        await _check_others(asked, operations)
    # What has been changed is never answered with an error.
    keep = _as_it_is if writing or held is None else held
    found: list[Any] = [None] * len(operations)
    for place, operation in enumerate(operations):
        if actions[place] not in WRITES:
            found[place] = keep(await ACTIONS[actions[place]](asked, operation))
        elif place == writing[-1]:
            batch = [operations[each] for each in writing]
            made = await committed(asked.service, asked.room, asked.identity.actor, batch)
            for each, result in zip(writing, made, strict=True):
                found[each] = result
    return found


def _as_it_is(answer: Any) -> Any:
    return answer


async def _check_others(asked: Asked, operations: list[dict[str, Any]]) -> None:
    """What would fail beside changes fails before they are made."""
    reader = await asked.reader()
    for each in operations:
        action = str(each["action"])
        if action == "query":
            (await question_of(reader, each.get("expression"))).check()
        elif action not in WRITES and action not in _HARMLESS:
            raise InvalidRequest(reason=f"{action} cannot stand beside operations that change entities")
