"""Streams of pages: frames, lines and Arrow; what ends them, and what they cost."""

from __future__ import annotations

import io
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.ipc
import pytest

from recordroom.errors import PastPruned
from recordroom.model import wire
from recordroom.query.request import Page
from tests.served import Served
from tests.server.conftest import commit_of, tasks

BODY = {"query": "Task order by number"}


def fill(server: Served, count: int) -> None:
    due = ["2026-11-21" if number % 2 else None for number in range(count)]
    assert server.request("POST", "/v1/commit", commit_of(2, tasks(1, count, due=due))).status == 200


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_frames_hold_every_page_and_say_that_they_are_all(server: Served) -> None:
    fill(server, 250)
    answer = server.request("POST", "/v1/query/stream", BODY | {"size": 100}, accept="application/msgpack")

    frames = wire.Frames(Page)
    pages = list(frames.feed(answer.data))
    assert [page.count for page in pages] == [100, 100, 50]
    assert [name for page in pages for name in page.columns["name"]] == [f"task {number}" for number in range(1, 251)]
    assert frames.complete


def test_lines_hold_values_as_people_read_them(server: Served) -> None:
    fill(server, 3)
    answer = server.request("POST", "/v1/query/stream", BODY | {"size": 2})

    assert answer.headers["content-type"] == "application/x-ndjson"
    first, second, last = map(json.loads, answer.data.splitlines())
    assert (first["columns"]["due"], second["columns"]["due"]) == ([None, "2026-11-21"], [None])
    assert last == {"complete": True}


def test_arrow_has_the_types_of_the_schema(server: Served) -> None:
    fill(server, 150)
    answer = server.request("POST", "/v1/query/stream", BODY | {"size": 100}, accept=wire.ARROW)

    table = pyarrow.ipc.open_stream(io.BytesIO(answer.data)).read_all()
    assert table.num_rows == 150
    assert table.schema.field("due").type == pa.date32()
    assert table.column_names[:2] == ["id", "name"]
    assert table["name"][149].as_py() == "task 150"


def test_an_empty_result_is_whole_too(server: Served) -> None:
    frames = wire.Frames(Page)
    answer = server.request("POST", "/v1/query/stream", BODY, accept="application/msgpack")
    assert [page.count for page in frames.feed(answer.data)] in ([], [0])
    assert frames.complete

    table = pyarrow.ipc.open_stream(
        io.BytesIO(server.request("POST", "/v1/query/stream", BODY, accept=wire.ARROW).data)
    )
    assert table.read_all().num_rows == 0


@pytest.mark.parametrize("kind", ["application/msgpack", "application/x-ndjson", wire.ARROW])
def test_what_is_wrong_with_a_query_is_an_answer_like_any_other(server: Served, kind: str) -> None:
    answer = server.request("POST", "/v1/query/stream", {"query": "Nothing"}, accept=kind)

    assert answer.status == 404
    assert wire.decode_error(answer.data).code == "unknown_type"


def test_pages_of_a_stream_are_no_larger_than_pages_may_be(strict: Served) -> None:
    fill(strict, 250)
    answer = strict.request("POST", "/v1/query/stream", BODY | {"size": 10**9}, accept="application/msgpack")

    assert [page.count for page in wire.Frames(Page).feed(answer.data)] == [100, 100, 50]


def test_an_error_in_the_middle_ends_the_stream_with_its_class(strict: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(strict, 250)
    real = strict.service.stream

    async def breaking(*given: object) -> object:
        async for page in real(*given):
            yield page
            raise PastPruned(revision=1, oldest=7)

    monkeypatch.setattr(strict.service, "stream", breaking)
    frames = wire.Frames(Page)
    answer = strict.request("POST", "/v1/query/stream", BODY, accept="application/msgpack")
    pages = frames.feed(answer.data)
    assert next(pages).count == 100
    with pytest.raises(PastPruned) as caught:
        next(pages)
    assert caught.value.oldest == 7
    assert not frames.complete
    lines = strict.request("POST", "/v1/query/stream", BODY).data.splitlines()
    assert wire.decode_error(lines[-1]).code == "past_pruned"


def opened(server: Served) -> socket.socket:
    """A connection that has asked for a stream and reads nothing."""
    body = json.dumps(BODY).encode()
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect((server.host, server.port))
    found.sendall(
        b"POST /v1/query/stream HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        + f"authorization: Bearer {server.api_key}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return found


def whole(connection: socket.socket) -> bool:
    """Whether all of an answer can be read."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found = found[-20:] + piece
    except ConnectionError:
        pass
    return found.endswith(b"0\r\n\r\n")


@pytest.fixture
def long(strict: Served) -> Iterator[Served]:
    """A server with more rows than buffers hold."""
    for number in range(10):
        columns = {"extra": [{"text": "x" * 4000}] * 150}
        answer = strict.request("POST", "/v1/commit", commit_of(10 + number, tasks(1 + 150 * number, 150, **columns)))
        assert answer.status == 200, answer.data
    return strict


def test_a_client_that_never_reads_is_cut_off(long: Served) -> None:
    with opened(long) as connection:
        until(lambda: long.service.streams == 1)
        until(lambda: long.service.streams == 0)
        assert not whole(connection)
    assert long.request("POST", "/v1/query/count", BODY).json() == 1500


def test_a_client_that_goes_away_gives_its_stream_back(long: Served) -> None:
    with opened(long) as connection:
        until(lambda: long.service.streams == 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    until(lambda: long.service.streams == 0)


def test_one_actor_reads_only_so_many_streams_at_once(long: Served) -> None:
    with opened(long), opened(long):
        until(lambda: long.service.streams == 2)
        answer = long.request("POST", "/v1/query/stream", BODY)

        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0
        assert wire.decode_error(answer.data).code == "too_many_attempts"
    until(lambda: long.service.streams == 0)
    assert long.request("POST", "/v1/query/stream", BODY).status == 200


def test_others_are_served_while_a_stream_waits(long: Served) -> None:
    with opened(long):
        until(lambda: long.service.streams == 1)
        assert long.request("POST", "/v1/query/count", BODY).json() == 1500
        assert long.request("POST", "/v1/commit", commit_of(99, tasks(9000, 1))).status == 200
