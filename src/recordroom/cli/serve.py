"""recordroom serve: one room, over the network."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ..errors import MissingExtra
from .output import note
from .rooms import Room, Words, placed

__all__ = ["serve"]


def serve(
    *words: Words,
    room: Room = None,
    host: Annotated[str, Parameter(name="--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(name="--port", help="The port to listen on; 0 is any that is free.")] = 8000,
) -> None:
    """Serve a room over HTTP until it is stopped by Ctrl-C or SIGTERM."""
    where, _ = placed(words, room, ())
    try:
        from ..server import run
        from ..server.auth.accounts import Accounts
    except ImportError as error:
        raise MissingExtra(package=str(error.name), extra="server") from error
    listening = run.bound_socket(host, port)
    told = f"Serving {where} at http://{host}:{listening.getsockname()[1]} (stop with Ctrl-C)"
    run.run(run.serve(where, listening, Accounts, started=lambda *_: note(told)))
