"""HTTP around the service: what is negotiated, headers, and the one shape of errors."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
import urllib3
import zstandard

from recordroom.model import wire
from recordroom.query.grammar import parse
from recordroom.query.request import Page, QueryRequest
from recordroom.server.negotiation import chosen_encoding, chosen_type
from recordroom.server.routes import ROUTES
from tests.served import Served
from tests.server.conftest import commit_of, tasks

QUERY = {"query": "Task"}


def fill(server: Served, count: int) -> None:
    assert server.request("POST", "/v1/commit", commit_of(2, tasks(1, count))).status == 200


def error_of(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """The error of an answer, which has the one shape of errors."""
    assert answer.headers["content-type"] == "application/json"
    (name, error) = next(iter(json.loads(answer.data).items()))
    assert name == "error"
    assert {"code", "message", "details"} <= set(error) <= {"code", "message", "details", "types"}
    return dict(error)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (b"", "application/json"),
        (b"*/*", "application/json"),
        (b"application/msgpack", "application/msgpack"),
        (b"application/*", "application/json"),
        (b"application/json;q=0.5, application/msgpack", "application/msgpack"),
        (b"application/json;q=0, */*", "application/msgpack"),
        (b"text/html, */*;q=0.1", "application/json"),
        (b"text/html", None),
        (b"application/json;q=x", None),
        (b"APPLICATION/MSGPACK", "application/msgpack"),
    ],
)
def test_the_content_type_that_a_client_likes_best_is_chosen(accept: bytes, chosen: str | None) -> None:
    assert chosen_type(accept, ("application/json", "application/msgpack")) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (b"gzip", "gzip"),
        (b"zstd, gzip", "zstd"),
        (b"gzip;q=1.0, zstd;q=0.5", "gzip"),
        (b"br", None),
        (b"*", None),
        (b"gzip;q=0", None),
        (b"identity, gzip;q=0.5", None),
    ],
)
def test_answers_are_compressed_as_asked_for(accept: bytes, chosen: str | None) -> None:
    assert chosen_encoding(accept) == chosen


def test_what_is_compressed_is_the_same_when_it_is_not(strict: Served) -> None:
    fill(strict, 100)
    plain = strict.request("POST", "/v1/query", QUERY)

    squeezed = strict.request("POST", "/v1/query", QUERY, accept_encoding="gzip")
    assert (squeezed.headers["content-encoding"], squeezed.headers["vary"]) == ("gzip", "accept-encoding")
    assert squeezed.data == plain.data  # urllib3 decodes it
    assert int(squeezed.headers["content-length"]) < len(plain.data) / 2
    assert "content-encoding" not in plain.headers


def test_small_answers_are_not_compressed(strict: Served) -> None:
    assert "content-encoding" not in strict.request("GET", "/v1/databases", accept_encoding="gzip").headers


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_each_part_of_a_compressed_stream_can_be_read_as_it_comes(strict: Served, encoding: str) -> None:
    fill(strict, 250)
    answer = urllib3.request(
        "POST",
        f"{strict.url}/v1/query/stream",
        json=QUERY,
        headers=strict.headers | {"accept-encoding": encoding, "accept": "application/msgpack"},
        decode_content=False,
    )

    assert answer.headers["content-encoding"] == encoding
    raw = (
        gzip.decompress(answer.data)
        if encoding == "gzip"
        else zstandard.ZstdDecompressor().decompressobj().decompress(answer.data)
    )
    frames = wire.Frames(Page)
    assert [page.count for page in frames.feed(raw)] == [100, 100, 50]
    assert frames.complete


def test_every_answer_names_its_request_and_the_schema(strict: Served) -> None:
    first, second = (strict.request("GET", "/v1/databases") for _ in range(2))

    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-recordroom-schema"] == "2"
    refused = strict.request("GET", "/v1/nothing")
    assert refused.headers["x-recordroom-schema"] == "2"
    assert refused.headers["x-request-id"]


def test_a_clean_request_id_is_kept_and_no_other(strict: Served) -> None:
    assert strict.request("GET", "/healthz", x_request_id="render-7.42").headers["x-request-id"] == "render-7.42"
    for unclean in ("a b", "x" * 65, "ü", "a;b", ""):
        given = unclean.encode().decode("latin-1")
        assert strict.request("GET", "/healthz", x_request_id=given).headers["x-request-id"] != given


def test_a_change_of_the_schema_shows_in_the_header(strict: Served) -> None:
    define = {"op": "DefineType", "definition": {"name": "Shot"}}

    assert strict.request("POST", "/v1/commit", commit_of(5, define)).headers["x-recordroom-schema"] == "3"


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES if not route.open}))
def test_every_route_but_the_open_ones_asks_who_it_is(strict: Served, path: str) -> None:
    methods = [route.method for route in ROUTES if route.path == path and not route.open]
    for method in methods:
        for headers in ({}, {"authorization": "Bearer rrk_no"}, {"authorization": "Basic abc"}):
            answer = urllib3.request(method, strict.url + path.replace("{", "").replace("}", ""), headers=headers)

            assert answer.status == 401
            assert error_of(answer)["code"] == "not_authenticated"
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs", "/"])
def test_open_routes_ask_for_nothing(strict: Served, path: str) -> None:
    assert urllib3.request("GET", strict.url + path).status == 200


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/schema", "/v1/schema/", "/v1/schema/main/x", "/v2/query", "/v1/query/", "/V1/query"],
)
def test_a_path_that_is_not_there_is_said(strict: Served, path: str) -> None:
    answer = strict.request("GET", path)

    assert (answer.status, error_of(answer)["code"]) == (404, "no_such_path")


def test_a_method_that_a_path_does_not_take_is_said(strict: Served) -> None:
    answer = strict.request("DELETE", "/v1/databases")

    assert (answer.status, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_says_what_a_path_takes(strict: Served) -> None:
    answer = strict.request("OPTIONS", "/v1/query")

    assert (answer.status, answer.headers["allow"], answer.data) == (204, "OPTIONS, POST", b"")


def test_head_is_get_without_the_body(strict: Served) -> None:
    got, headed = strict.request("GET", "/v1/databases"), strict.request("HEAD", "/v1/databases")

    assert headed.data == b""
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_what_cannot_be_given_is_refused(strict: Served) -> None:
    answer = strict.request("POST", "/v1/query", QUERY, accept="text/html")

    assert (answer.status, error_of(answer)["code"]) == (406, "not_acceptable")
    assert error_of(answer)["details"]["offered"] == "application/json or application/msgpack"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_cannot_be_read_is_refused(strict: Served, kind: str) -> None:
    answer = strict.request("POST", "/v1/query", b"x=1", content_type=kind)

    assert (answer.status, error_of(answer)["code"]) == (415, "unsupported_content")


def test_compressed_bodies_are_refused(strict: Served) -> None:
    answer = strict.request("POST", "/v1/query", zlib.compress(b"{}"), content_encoding="deflate")

    assert (answer.status, error_of(answer)["code"]) == (415, "unsupported_content")


def test_an_error_of_the_service_is_the_same_class_with_the_same_facts(strict: Served) -> None:
    answer = strict.request("POST", "/v1/query", {"query": "Tsk"})
    error = wire.decode_error(answer.data, answer.status)

    assert (answer.status, type(error).__name__) == (404, "UnknownType")
    assert (error.name, error.suggestions) == ("Tsk", ["Task"])


def test_what_nobody_meant_to_raise_says_nothing_about_itself(
    strict: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the password is swordfish")

    monkeypatch.setattr(strict.service, "query", broken)
    answer = strict.request("POST", "/v1/query", QUERY, x_request_id="find-me")

    assert (answer.status, error_of(answer)["code"]) == (500, "error")
    assert b"swordfish" not in answer.data
    assert any("find-me" in record.getMessage() for record in caplog.records)


def test_metrics_count_what_was_done(strict: Served) -> None:
    fill(strict, 3)
    strict.request("POST", "/v1/query", QUERY)
    strict.request("POST", "/v1/query", {"query": "Nothing"})

    text = strict.request("GET", "/metrics").data.decode()
    assert 'recordroom_requests_total{method="POST",route="/v1/query",status="200"} 1.0' in text
    assert 'recordroom_requests_total{method="POST",route="/v1/query",status="404"} 1.0' in text
    assert "recordroom_commits_total 2.0" in text
    assert "recordroom_rows_total 3.0" in text
    assert "recordroom_revision 2.0" in text
    assert "recordroom_streams 0.0" in text


def test_unknown_paths_do_not_make_metrics_grow(strict: Served) -> None:
    for number in range(20):
        strict.request("GET", f"/v1/{number}")

    assert strict.request("GET", "/metrics").data.decode().count("recordroom_requests_total{") < 5


def test_msgpack_under_its_other_names(strict: Served) -> None:
    body = wire.encode(QueryRequest(query=parse("Task")))

    for name in ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack"):
        assert strict.request("POST", "/v1/query", body, content_type=name).status == 200
