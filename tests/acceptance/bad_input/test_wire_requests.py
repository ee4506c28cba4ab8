"""Requests that are not what they should be: each is refused in the one shape of errors, and the server is well afterwards."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from recordroom.model import wire
from recordroom.server.limits import Limits
from tests.conftest import Places
from tests.served import Served, served
from tests.server.conftest import SMALL, commit_of, define, task_id, tasks

MSGPACK = {"content_type": "application/msgpack"}


@pytest.fixture
def server(places_sqlite: Places) -> Iterator[Served]:
    """A server with small limits; whatever was done to it, it is well and holds what it held."""
    with served(places_sqlite(), limits=SMALL) as found:
        define(found)
        assert found.request("POST", "/v1/commit", commit_of(2, tasks(1, 3))).status == 200
        yield found
        assert found.request("POST", "/v1/query/count", {"query": "Task"}).json() == 3
        assert found.request("GET", "/readyz").json() == {"status": "ready", "revision": 2}


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The facts of an error, which has the one shape."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer.data[:500]
    error = json.loads(answer.data)["error"]
    assert error["code"] == code
    assert {"code", "message", "details"} <= set(error) <= {"code", "message", "details", "types"}
    assert len(answer.data) < 20_000
    details: dict[str, Any] = error["details"]
    return details


def raw(server: Served, data: bytes, *, half_close: bool = False) -> bytes:
    """What a server says to bytes as they are, until it closes the connection."""
    found = b""
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                found += piece
    return found


def answered(connection: socket.socket) -> bytes:
    """One whole answer, in however many packets it comes."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += received(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length is not None and len(body) < int(length[1]):
        body += received(connection)
    return head + b"\r\n\r\n" + body


def received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    assert piece, "the connection ended in the middle of an answer"
    return piece


def said(answer: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the error of a raw answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def head(server: Served, line: str, *headers: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "host: x", f"authorization: Bearer {server.api_key}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"Task"',
        b"\xff\xfe",
        b'{"query": }',
        b'{"query": "Task"} x',
        b'{"query": 5}',
        b'{"query": null}',
        b'{"query": {"node": "Query"}}',
        b'{"query": {"node": "Nothing", "type": "Task"}}',
        b'{"query": "Task", "size": "many"}',
        b'{"query": "Task", "size": 1e999}',
        b'{"query": "Task", "size": NaN}',
        b'{"query": "Task", "at": true}',
        b'{"query": "Task", "after": {}}',
        b'{"query": "Task", "parameters": []}',
        b'{"database": "main"}',
    ],
)
@pytest.mark.parametrize("path", ["/v1/query", "/v1/query/stream", "/v1/query/count"])
def test_json_that_is_no_query_is_refused(server: Served, path: str, body: bytes) -> None:
    refused(server.request("POST", path, body, content_type="application/json"), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\xde\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x90",
        b"\x81\xa5query\xa1\xff",
        msgspec.msgpack.encode({"query": "Task"}),
        msgspec.msgpack.encode({"query": {"node": "Query", "type": b"Task"}}),
        msgspec.msgpack.encode({"query": {"node": "Query", "type": "Task"}}) + b"\x00",
    ],
)
def test_msgpack_that_is_no_query_is_refused(server: Served, body: bytes) -> None:
    refused(server.request("POST", "/v1/query", body, **MSGPACK), 400, "invalid_request")


@pytest.mark.parametrize("path", ["/v1/query", "/v1/commit", "/v1/members", "/v1/history", "/v1/search", "/v1/preview"])
def test_an_unknown_field_is_refused_by_name(server: Served, path: str) -> None:
    details = refused(server.request("POST", path, {"qury": 1}), 400, "invalid_request")

    assert "`qury`" in details["reason"]


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/v1/commit", commit_of(9, {"op": "Create", "type": "Task", "ids": [], "colums": {}}), "colums"),
        ("/v1/commit", commit_of(9, {"op": "Explode", "type": "Task"}), "$.operations[0]"),
        ("/v1/commit", commit_of(9, {"op": "DefineType", "definition": {"name": "X", "atributes": []}}), "atributes"),
        ("/v1/commit", commit_of(9) | {"on_conflict": "shrug"}, "$.on_conflict"),
        ("/v1/query", {"query": {"node": "Query", "type": "Task", "were": None}}, "were"),
        ("/v1/databases", {"key": "x", "colour": "red"}, "colour"),
        ("/v1/commit", {"id": "not an id"}, "an id"),
        ("/v1/commit", {"id": 5}, "$.id"),
        ("/v1/members", {"type": "Task", "attribute": "children", "owners": ["x"]}, "an id"),
    ],
)
def test_what_is_wrong_deep_inside_is_said(server: Served, path: str, body: Any, where: str) -> None:
    assert where in refused(server.request("POST", path, body), 400, "invalid_request")["reason"]


@pytest.mark.parametrize("depth", [200, 5_000, 100_000])
def test_deep_nesting_is_refused(server: Served, depth: int) -> None:
    lists = b"[" * depth + b"]" * depth
    body = b'{"query": "Task where name is $x", "parameters": {"x": %s}}' % lists
    answer = server.request("POST", "/v1/query", body, content_type="application/json")
    assert 400 <= answer.status < 500

    packed = b"\x82\xa5query\x82\xa4node\xa5Query\xa4type\xa4Task\xaaparameters\x81\xa1x" + b"\x91" * depth + b"\xc0"
    assert 200 <= server.request("POST", "/v1/query", packed, **MSGPACK).status < 500
    conditions: Any = b'{"node":"Not","condition":' * depth + b'{"node":"Constant","holds":true}' + b"}" * depth
    tree = b'{"query": {"node": "Query", "type": "Task", "where": %s}}' % conditions
    if len(tree) < SMALL.body:
        assert server.request("POST", "/v1/query", tree, content_type="application/json").status == 400


@pytest.mark.parametrize("size", [0, -1, -(2**63)])
def test_a_page_of_no_rows_is_refused(server: Served, size: int) -> None:
    refused(server.request("POST", "/v1/query", {"query": "Task", "size": size}), 400, "invalid_query")


def test_a_page_of_a_billion_rows_is_as_large_as_pages_are(server: Served) -> None:
    answer = server.request("POST", "/v1/query", {"query": "Task", "size": 10**9})

    assert (answer.status, answer.json()["count"]) == (200, 3)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 10**30, -(10**30)])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/query", '{"query": "Task", "at": NUMBER}'),
        ("/v1/query", '{"query": {"node": "Query", "type": "Task", "limit": NUMBER}}'),
        ("/v1/query", '{"query": {"node": "Query", "type": "Task", "offset": NUMBER}}'),
        ("/v1/query", '{"query": "Task order by number", "after": [NUMBER, NUMBER, NUMBER]}'),
        ("/v1/query", '{"query": "Task where number is $n", "parameters": {"n": NUMBER}}'),
        ("/v1/members", '{"type": "Task", "attribute": "children", "owners": [], "at": NUMBER}'),
        ("/v1/history", '{"type": "Task", "id": "ID", "before": NUMBER}'),
        ("/v1/search", '{"text": "nothing", "offset": NUMBER}'),
        ("/v1/revert", '{"revision": NUMBER, "commit": {"id": "ID"}}'),
        (
            "/v1/commit",
            '{"id": "ID", "operations": [{"op": "Delete", "type": "Task", "ids": ["ID"], "base": [NUMBER]}]}',
        ),
    ],
)
def test_numbers_beyond_all_numbers_break_nothing(server: Served, path: str, body: str, number: int) -> None:
    body = body.replace("NUMBER", str(number)).replace("ID", task_id(77))
    answer = server.request("POST", path, body.encode(), content_type="application/json")

    assert answer.status < 500, answer.data


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/history", {"type": "Task", "id": task_id(1), "limit": 10**9}),
        ("/v1/search", {"text": "task", "limit": 10**9}),
        ("/v1/history", {"type": "Task", "id": task_id(1), "limit": -5}),
    ],
)
def test_a_list_of_a_billion_is_refused(server: Served, path: str, body: Any) -> None:
    refused(server.request("POST", path, body), 400, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        "limit=1000000000",
        "limit=-1",
        "after=x",
        "after=1&after=2",
        "since=1",
        "after=%00",
        "&&&",
        "after=99999999999999999999",
    ],
)
def test_parameters_that_make_no_sense_are_refused(server: Served, query: str) -> None:
    refused(server.request("GET", f"/v1/journal?{query}"), 400, "invalid_request")


@pytest.mark.parametrize("at", ["tomorrow", "2026-13-01", "9" * 30, "", "٣"])
def test_a_moment_that_is_none_is_refused(server: Served, at: str) -> None:
    answer = server.request("GET", f"/v1/revision?at={at.encode().hex('%') if not at.isascii() else at}")

    assert answer.status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/schema/../../etc/passwd",
        "/v1/schema/..%2f..%2fetc%2fpasswd",
        "/v1/schema/%2e%2e",
        "/v1/schema/%00",
        "/v1/databases/..",
        "/../../etc/passwd",
        "//etc/passwd",
        "/docs/../../app.py",
        "/v1/headers/%ff",
        "/v1/schema/" + "x" * 5000,
    ],
)
def test_a_path_that_climbs_leads_nowhere(server: Served, path: str) -> None:
    answer = raw(server, head(server, f"GET {path}", "connection: close"))

    status, error = said(answer)
    assert status in (400, 404, 405)
    assert b"root:" not in answer
    assert error["code"] in ("no_such_path", "unknown_database", "invalid_request", "method_not_allowed")


# --- sizes ----------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(server: Served) -> None:
    length = f"content-length: {SMALL.body + 1}"
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(head(server, "POST /v1/commit", "content-type: application/json", length))
        status, error = said(answered(connection))

    assert (status, error["code"], error["details"]["limit"]) == (413, "request_too_large", SMALL.body)


def test_a_chunked_body_is_refused_once_it_is_too_large(server: Served) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(head(server, "POST /v1/commit", "transfer-encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(SMALL.body // 0x10000 + 2):
                connection.sendall(chunk)
        status, error = said(answered(connection))

    assert (status, error["code"]) == (413, "request_too_large")


def test_a_commit_of_100_mb_costs_little_memory(server: Served) -> None:
    piece = b"x" * 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(head(server, "POST /v1/commit", f"content-length: {100 * 2**20}"))
        sent = 0
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(piece)
                sent += 1
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = answered(connection)

    assert said(answer)[0] == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_a_body_of_the_largest_size_is_taken(server: Served) -> None:
    body = json.dumps({"query": "Task"}).encode().ljust(SMALL.body)

    assert server.request("POST", "/v1/query", body, content_type="application/json").status == 200


@pytest.mark.parametrize(
    "header", ["x-large: " + "x" * SMALL.head, "\r\n".join(f"x-{number}: {'y' * 50}" for number in range(400))]
)
def test_headers_that_are_too_large_are_refused(server: Served, header: str) -> None:
    status, error = said(raw(server, head(server, "GET /v1/databases", header)))

    assert (status, error["code"]) == (431, "headers_too_large")


def test_an_endless_header_is_refused(server: Served) -> None:
    status, error = said(raw(server, b"GET / HTTP/1.1\r\nx-endless: " + b"x" * (2 * SMALL.head)))

    assert (status, error["code"]) == (431, "headers_too_large")


def test_an_endless_address_is_refused(server: Served) -> None:
    status, error = said(raw(server, head(server, f"GET /v1/databases?{'x' * 2 * SMALL.head}")))

    assert (status, error["code"]) in ((431, "headers_too_large"), (400, "invalid_request"))


def test_headers_behind_a_body_are_dropped(server: Served) -> None:
    body = b'11\r\n{"query": "Task"}\r\n0\r\n'
    trailers = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 100) for number in range(1000))
    start = head(server, "POST /v1/query", "transfer-encoding: chunked", "connection: close")

    assert raw(server, start + body + trailers + b"\r\n").startswith(b"HTTP/1.1 200")


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_one_shape(server: Served, data: bytes) -> None:
    answer = raw(server, data)

    assert said(answer)[0] in (400, 404)


def test_header_values_cannot_add_headers_to_the_answer(server: Served) -> None:
    for given in ("a\nx-evil: 1", "a\rx-evil: 1", "a%0d%0ax-evil: 1"):
        answer = raw(server, head(server, "GET /v1/databases", f"x-request-id: {given}", "connection: close"))
        names = {line.partition(b":")[0].lower() for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")}

        assert b"x-evil" not in names


def test_an_address_cannot_add_headers_to_the_answer(server: Served) -> None:
    answer = raw(server, head(server, "GET /v1/schema/a%0d%0ax-evil:%201", "connection: close"))

    assert not re.search(rb"^x-evil", answer.partition(b"\r\n\r\n")[0], re.MULTILINE | re.IGNORECASE)


def test_headers_that_come_too_slowly_are_not_waited_for(server: Served) -> None:
    status, error = said(raw(server, b"GET /healthz HTTP/1.1\r\nhost: x\r\n"))

    assert (status, error["code"]) == (408, "request_timeout")


def test_a_body_that_comes_too_slowly_is_not_waited_for(server: Served) -> None:
    answer = raw(server, head(server, "POST /v1/query", "content-length: 100") + b'{"query":')

    assert said(answer)[0] == 408


def test_a_connection_that_says_nothing_is_closed(server: Served) -> None:
    assert said(raw(server, b""))[0] == 408


@pytest.mark.parametrize("part", [10, 60, 150])
def test_a_request_that_breaks_off_changes_nothing(server: Served, part: int) -> None:
    body = json.dumps(commit_of(3, tasks(50, 3))).encode()
    whole = head(server, "POST /v1/commit", f"content-length: {len(body)}") + body
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(whole[:-part])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_connection_half_closed_in_the_middle_changes_nothing(server: Served) -> None:
    body = json.dumps(commit_of(3, tasks(50, 3))).encode()

    raw(server, head(server, "POST /v1/commit", f"content-length: {len(body) + 1}") + body, half_close=True)


def test_requests_behind_each_other_are_answered_in_order(server: Served) -> None:
    first = head(server, "GET /v1/databases", "x-request-id: one")
    second = head(server, "GET /v1/nothing", "x-request-id: two", "connection: close")
    answers = raw(server, first + second)

    assert [line.strip() for line in re.findall(rb"x-request-id: (\w+)", answers)] == [b"one", b"two"]


def test_a_connection_goes_on_after_a_refusal(server: Served) -> None:
    body = b'{"query": "Nothing"}'
    wrong = head(server, "POST /v1/query", "content-type: application/json", f"content-length: {len(body)}") + body
    answers = raw(server, wrong + head(server, "GET /v1/databases", "connection: close"))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"404", b"200"]


# --- commits that are refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "Create", "type": "Task", "ids": [task_id(9)], "columns": {"name": ["a", "b"]}}],
        [{"op": "Create", "type": "Task", "ids": [task_id(9), task_id(9)], "columns": {"name": ["a", "b"]}}],
        [{"op": "Create", "type": "Task", "ids": [task_id(1)], "columns": {"name": ["a"]}}],
        [{"op": "Create", "type": "Task", "ids": [task_id(9)], "columns": {"nmae": ["a"]}}],
        [{"op": "Update", "type": "Task", "ids": [task_id(9)], "columns": {"name": ["a"]}}],
        [{"op": "Create", "type": "rr_secret", "ids": [task_id(9)], "columns": {}}],
        [{"op": "SetKeys", "type": "Task", "attribute": "meta", "ids": [], "keys": ["a"], "values": []}],
        [tasks(9, 1), {"op": "Delete", "type": "Task", "ids": [task_id(77)]}],
    ],
)
@pytest.mark.parametrize("as_msgpack", [False, True])
def test_a_commit_that_is_wrong_anywhere_changes_nothing(
    server: Served, operations: list[dict[str, Any]], as_msgpack: bool
) -> None:
    body: Any = commit_of(3, *operations)
    headers = {}
    if as_msgpack:
        body, headers = msgspec.msgpack.encode(with_ids(body)), MSGPACK
    answer = server.request("POST", "/v1/commit", body, **headers)

    assert 400 <= answer.status < 500
    assert wire.decode_error(answer.data, answer.status).code != "error"


def with_ids(tree: Any) -> Any:
    """The same with ids as msgpack has them."""
    if isinstance(tree, dict):
        return {name: with_ids(each) for name, each in tree.items()}
    if isinstance(tree, list):
        return list(map(with_ids, tree))
    if isinstance(tree, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tree):
        return bytes.fromhex(tree.replace("-", ""))
    return tree


# --- time -----------------------------------------------------------------------------------------


def test_a_query_that_would_run_for_minutes_is_ended_with_a_clear_error(places: Places) -> None:
    with served(places(), limits=Limits(query_seconds=0.3)) as server:
        define(server)
        assert server.request("POST", "/v1/commit", commit_of(2, tasks(1, 2000))).status == 200
        conditions = " or ".join(f"lower(name) like '%{number}%x%y%'" for number in range(2000))
        for path in ("/v1/query", "/v1/query/count", "/v1/query/stream"):
            answer = server.request("POST", path, {"query": f"Task where {conditions}"})

            assert refused(answer, 503, "query_timeout") == {"seconds": 0.3}
        assert server.request("POST", "/v1/query/count", {"query": "Task"}).json() == 2000
