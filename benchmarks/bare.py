"""A bare ASGI handler that runs the SQL of a small read and a small commit, and nothing else: no checks, no accounts.

`python -m benchmarks.bare FILE` serves an SQLite file of a room on a free port of loopback and prints the port. What
it leaves out is what recordroom adds: who asks, what they may, whether the request makes sense, conflicts,
references, unique values, repeats, and the journal's before-values.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import msgspec

ROWS = 100
COLUMNS = (
    "id", "number", "revision", "created_revision", "name", "status", "note", "priority", "size", "length", "weight",
    "done", "due",
)  # fmt: skip
READ = f'SELECT {", ".join(COLUMNS)} FROM "main.Record" ORDER BY id LIMIT ? OFFSET 0'
START = (
    "SELECT r.revision, (SELECT time FROM rr_commit WHERE revision = r.revision),"
    " (SELECT result FROM rr_commit WHERE actor = ? AND id = ?) FROM rr_room AS r"
)
NUMBER = 'SELECT "next" FROM rr_counter WHERE "table" = ?'
CREATE = f'INSERT INTO "main.Record" ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})'
COUNTER = 'INSERT INTO rr_counter ("table", "next") VALUES (?, ?) ON CONFLICT ("table") DO UPDATE SET "next" = excluded."next"'
JOURNAL = "INSERT INTO rr_journal (revision, types, operations) VALUES (?, ?, ?)"
HEADER = "INSERT INTO rr_commit (revision, id, database, actor, time, notes, result) VALUES (?, ?, ?, ?, ?, ?, ?)"
ROOM = "UPDATE rr_room SET revision = ?"

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Bare:
    """POST /read answers a page of rows as columns, POST /commit creates the record of its body."""

    def __init__(self, file: str) -> None:
        self.reader = apsw.Connection(file)
        self.writer = apsw.Connection(file)
        for connection in (self.reader, self.writer):
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = self.read() if scope["path"] == "/read" else self.commit(body)
        headers = [(b"content-type", b"application/msgpack"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def read(self) -> bytes:
        rows = self.reader.execute(READ, (ROWS,)).fetchall()
        return msgspec.msgpack.encode(dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))

    def commit(self, body: bytes) -> bytes:
        commit = msgspec.msgpack.decode(body)
        [operation] = commit["operations"]
        execute = self.writer.execute
        execute("BEGIN IMMEDIATE")
        [(revision, time, _)] = execute(START, ("owner", commit["id"])).fetchall()
        found = execute(NUMBER, ("main.Record",)).fetchall()
        number = found[0][0] if found else 1
        revision += 1
        values = [operation["columns"][name][0] for name in COLUMNS[4:]]
        execute(CREATE, (operation["ids"][0], number, revision, revision, *values))
        execute(COUNTER, ("main.Record", number + 1))
        execute(JOURNAL, (revision, '["Record"]', msgspec.msgpack.encode([operation])))
        result = msgspec.msgpack.encode({"revision": revision, "numbers": [number]})
        execute(HEADER, (revision, commit["id"], "main", "owner", time or 0, None, result))
        execute(ROOM, (revision,))
        execute("COMMIT")
        return result


def main() -> None:
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(Bare(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
