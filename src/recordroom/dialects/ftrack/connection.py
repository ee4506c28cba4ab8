"""One connection to the event hub: packets in, packets out, in order, within bounds.

A closed WebSocket makes the client's reader end for good. So a connection ends with the packet that says so, or by its TCP
connection breaking off, after either of which the client connects anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import Error, InvalidRequest, NotAuthenticated
from ...model.ids import new_id
from ...model.operations import Commit
from ...server.call import Receive, Send
from ...server.service import Service
from ...server.waiting import race
from .channels import Channel, Subscription
from .envelopes import SUBSCRIBE, UNSUBSCRIBE, published, read_sent
from .event_rules import only_topic, parsed
from .socketio import (
    CONNECT,
    CONNECTED,
    DISCONNECT,
    DISCONNECTED,
    EVENT,
    HEARTBEAT,
    Packet,
    acknowledged,
    event_of,
    failed,
    read_packet,
)

__all__ = ["Connection"]

_LOG = logging.getLogger("recordroom.server")
_MOST_WAITING = 16 * 2**20  # characters of packets that one does not read
_MOST_SUBSCRIPTIONS = 1_000
_MOST_EXPRESSIONS = 200_000  # characters in all of them: each is judged for each event
_SILENT_SECONDS = 60.0  # without an answer to a heartbeat, after which nobody is there
_MOST_METADATA = 16 * 2**10


class _Subscribing(msgspec.Struct):
    """What asks for a subscription."""

    subscriber: dict[str, Any]
    subscription: str


class _Unsubscribing(msgspec.Struct):
    """What ends one."""

    subscriber: dict[str, Any]


class Connection:
    """One connection, of a channel that has been started."""

    def __init__(self, service: Service, channel: Channel, receive: Receive, send: Send, heartbeat: float) -> None:
        self._service = service
        self._channel = channel
        self._receive = receive
        self._send = send
        self._heartbeat = heartbeat
        self._subscriptions: dict[str, Subscription] = {}
        self._expressions: dict[str, int] = {}  # how long they are
        self._waiting: deque[str] = deque([CONNECTED])
        self._size = 0
        self._heard = asyncio.get_running_loop().time()  # when something came last
        self._changed = asyncio.Event()
        self._ending = False  # with what waits to be sent
        self._lost = asyncio.Event()  # without
        self._taking = asyncio.Lock()  # while an event is taken

    async def run(self) -> None:
        """Serve it until either side ends it."""
        self._channel.members.add(self)
        try:
            await race(self._read(), self._write(), self._lost.wait())
        except (OSError, TimeoutError):
            # Gone, or so slow that it is as good as gone.
            return
        finally:
            for subscription in self._subscriptions.values():
                self._channel.drop(self, subscription)
            self._channel.members.discard(self)

    # --- out ---

    def offer(self, packet: str) -> None:
        """Send a packet when its turn comes. Whoever leaves too many unread is let go."""
        self._size += len(packet)
        if self._size > _MOST_WAITING:
            _LOG.warning("a listener of %s does not keep up, and is let go", self._channel.actor)
            self._lost.set()
            return
        self._waiting.append(packet)
        self._changed.set()

    def end(self, reason: str = "") -> None:
        """Say that it ends, after what waits."""
        if reason:
            self.offer(failed(reason))
        self._ending = True
        self._changed.set()

    async def _write(self) -> None:
        try:
            await self._write_on()
        except TimeoutError:
            raise
        except OSError:
            # Whoever has left may have sent something before, which is still to be read.
            async with asyncio.timeout(self._service.limits.stall_seconds):
                await self._lost.wait()

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        beat = loop.time() + self._heartbeat
        while True:
            await self._flush()
            if self._ending:
                async with self._taking:
                    await self._flush()
                    await self._say(DISCONNECTED)
                    return
            if loop.time() >= beat:
                if loop.time() - self._heard > _SILENT_SECONDS:
                    return
                await self._say(HEARTBEAT)
                beat = loop.time() + self._heartbeat
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(beat - loop.time()):
                    await self._changed.wait()

    async def _flush(self) -> None:
        while self._waiting:
            packet = self._waiting.popleft()
            await self._say(packet)
            self._size = max(self._size - len(packet), 0)

    async def _say(self, packet: str) -> None:
        async with asyncio.timeout(self._service.limits.stall_seconds):
            await self._send({"type": "websocket.send", "text": packet})

    # --- in ---

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            self._heard = asyncio.get_running_loop().time()
            text = message.get("text")
            if message["type"] == "websocket.disconnect" or text is None:
                return
            try:
                packet = read_packet(text)
            except ValueError as error:
                self.offer(failed(str(error)))
                continue
            if packet.code == DISCONNECT:
                return
            if packet.code == CONNECT:
                self.offer(CONNECTED + packet.path)
            elif packet.code == EVENT:
                async with self._taking:
                    await self._take(packet)

    async def _take(self, packet: Packet) -> None:
        """Do what an event asks for, and say what came of it."""
        try:
            await self._do(event_of(packet))
            answer: dict[str, Any] = {"success": True}
        except NotAuthenticated as error:
            self.end(error.message)
            return
        except (ValueError, Error) as error:
            answer = {"success": False, "message": error.message if isinstance(error, Error) else str(error)}
        except Exception:  # noqa: BLE001 - whatever it is, the client waits for an answer
            _LOG.exception("an event cannot be taken")
            answer = {"success": False, "message": "the server failed"}
        said = acknowledged(packet, answer)
        if said is not None:
            self.offer(said)

    async def _do(self, event: dict[str, Any]) -> None:
        topic = event.get("topic")
        if topic == SUBSCRIBE:
            await self._subscribe(_read(event.get("data"), _Subscribing))
        elif topic == UNSUBSCRIBE:
            self._unsubscribe(_read(event.get("data"), _Unsubscribing))
        else:
            found = published(read_sent(event), self._channel.actor)
            await self._service.commit(self._channel.room, Commit(id=new_id(), operations=[found]))

    async def _subscribe(self, asked: _Subscribing) -> None:
        identifier = _identifier(asked.subscriber)
        if sum(self._expressions.values()) + len(asked.subscription) > _MOST_EXPRESSIONS:
            raise InvalidRequest(reason="there is too much in the expressions of this connection")
        expression = parsed(asked.subscription)
        known = self._subscriptions.get(identifier)
        if known is not None:
            if known.expression == expression:
                # A client that connects in the background says some things twice.
                return
            raise InvalidRequest(reason=f"there is a subscriber {identifier} already, who wants something else")
        if len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            raise InvalidRequest(reason=f"there are at most {_MOST_SUBSCRIPTIONS} subscribers on one connection")
        if len(msgspec.json.encode(asked.subscriber)) > _MOST_METADATA:
            raise InvalidRequest(reason="there is too much said of the subscriber")
        since = await self._channel.head()
        found = Subscription(identifier, expression, asked.subscriber, since, only_topic(expression))
        self._subscriptions[identifier] = found
        self._expressions[identifier] = len(asked.subscription)
        self._channel.add(self, found)

    def _unsubscribe(self, asked: _Unsubscribing) -> None:
        identifier = _identifier(asked.subscriber)
        found = self._subscriptions.pop(identifier, None)
        self._expressions.pop(identifier, None)
        if found is None:
            raise InvalidRequest(reason=f"there is no subscriber {identifier}")
        self._channel.drop(self, found)


def _read(data: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(reason=str(error)) from None


def _identifier(subscriber: Mapping[str, Any]) -> str:
    found = subscriber.get("id")
    if not isinstance(found, str) or not found:
        raise InvalidRequest(reason="a subscriber has an id")
    return found[:200]
