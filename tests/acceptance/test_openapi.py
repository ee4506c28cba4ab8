"""The OpenAPI document and the server agree, operation by operation; the page that shows it needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from recordroom.server.openapi import document
from recordroom.server.routes import ROUTES
from tests.acceptance.openapi import LEFT_OUT, operations, tried
from tests.served import Served, served
from tests.server.conftest import commit_of, define, tasks

EXAMPLES = 5
LABELS = sorted(f"{route.method} {route.path}" for route in ROUTES)
DOCUMENT = json.loads(document(ROUTES))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a room with accounts and a few tasks."""
    with served(str(tmp_path_factory.mktemp("openapi") / "a.room"), accounts=True) as found:
        define(found)
        assert found.request("POST", "/v1/commit", commit_of(2, tasks(1, 3))).status == 200
        yield found


def test_no_request_that_the_document_describes_breaks_the_server_or_the_document(server: Served) -> None:
    sent = {operation.label: tried(server, operation, EXAMPLES, same=True) for operation in operations(server)}

    assert set(sent) <= set(LABELS)
    assert set(LABELS) - set(sent) <= {"GET /openapi.json", *(f"{verb} {path}" for verb, path in LEFT_OUT)}
    assert all(sent.values())


def test_every_route_is_described_with_its_statuses() -> None:
    assert sorted(f"{verb.upper()} {path}" for path, verbs in DOCUMENT["paths"].items() for verb in verbs) == LABELS
    assert DOCUMENT["openapi"] == "3.1.0"
    for verbs in DOCUMENT["paths"].values():
        for operation in verbs.values():
            assert operation["summary"]
            assert any(status < "300" for status in operation["responses"])
            if operation["security"]:
                assert "401" in operation["responses"]


def test_every_reference_leads_somewhere() -> None:
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', document(ROUTES).decode())):
        found = DOCUMENT
        for name in reference.split("/"):
            found = found[name]


def test_operations_have_names_of_their_own() -> None:
    names = [each["operationId"] for verbs in DOCUMENT["paths"].values() for each in verbs.values()]

    assert len(names) == len(set(names))


def test_the_page_needs_nothing_from_elsewhere(server: Served) -> None:
    answer = urllib3.request("GET", f"{server.url}/docs")
    page = answer.data.decode()

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
    assert "@import" not in page
    assert (Path(__file__).parents[2] / "src/recordroom/server/web/docs.html").read_text() == page
