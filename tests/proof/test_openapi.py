"""Schemathesis over the OpenAPI document, at length, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.openapi import operations, tried
from tests.conftest import Places
from tests.served import served
from tests.server.conftest import commit_of, define, tasks


@pytest.mark.proof
def test_no_request_that_the_document_describes_breaks_the_server_or_the_document(
    places: Places, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    with served(places(), accounts=True) as server:
        define(server)
        assert server.request("POST", "/v1/commit", commit_of(2, tasks(1, 3))).status == 200
        sent = {operation.label: tried(server, operation, rounds(100)) for operation in operations(server)}
        assert server.request("GET", "/readyz").status == 200

    with capsys.disabled():
        print(f"\nOpenAPI: {sum(sent.values())} requests to {len(sent)} operations")
