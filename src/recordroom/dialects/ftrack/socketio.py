"""Packets of Socket.IO 0.9 (https://github.com/socketio/socket.io-protocol/tree/v1): `code:id:path:data`, data may have colons.

A client that wants to be told that a packet was understood gives it an id; one that ends with a plus wants data too.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

__all__ = [
    "ACKNOWLEDGE",
    "CONNECT",
    "CONNECTED",
    "DISCONNECT",
    "DISCONNECTED",
    "EVENT",
    "HEARTBEAT",
    "NAMESPACE",
    "Packet",
    "acknowledged",
    "event_of",
    "failed",
    "read_packet",
    "sent_event",
]

DISCONNECT, CONNECT, BEAT, EVENT, ACKNOWLEDGE = "0", "1", "2", "5", "6"
CODES = frozenset("012345678")
NAMESPACE = "ftrack.event"

CONNECTED = "1::"
HEARTBEAT = "2::"
DISCONNECTED = "0::"


class Packet(NamedTuple):
    """One packet; what is not there is ""."""

    code: str
    id: str = ""
    path: str = ""
    data: str = ""


class Envelope(msgspec.Struct):
    """What an event packet holds."""

    name: str
    args: list[Any] = []


def read_packet(text: str) -> Packet:
    """The packet in a frame; ValueError for what is none."""
    packet = Packet(*text.split(":", 3))
    number = packet.id.removesuffix("+")
    if packet.code not in CODES or (number and not (number.isascii() and number.isdigit() and len(number) < 19)):
        raise ValueError("this is no packet")
    return packet


def event_of(packet: Packet) -> dict[str, Any]:
    """The event in an event packet; ValueError where there is none."""
    try:
        envelope = msgspec.json.decode(packet.data, type=Envelope)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"the data of the packet cannot be read: {error}") from None
    if envelope.name != NAMESPACE:
        raise ValueError(f"there are only events named {NAMESPACE}")
    if len(envelope.args) != 1 or not isinstance(envelope.args[0], dict):
        raise ValueError("a packet has one event")
    found: dict[str, Any] = envelope.args[0]
    return found


def sent_event(event: dict[str, Any]) -> str:
    """The packet that delivers an event."""
    return f"5:::{json.dumps({'name': NAMESPACE, 'args': [event]})}"


def acknowledged(packet: Packet, answer: dict[str, Any]) -> str | None:
    """The packet that says what came of one; None where its sender does not want to know."""
    number = packet.id.removesuffix("+")
    if not number:
        return None
    return f"6:::{number}+{json.dumps([answer])}" if packet.id.endswith("+") else f"6:::{number}"


def failed(reason: str) -> str:
    """The packet that tells of an error."""
    return f"7:::{reason}"
