"""Schemathesis over the OpenAPI document of a real server: no failure of the server, no answer that the document does not tell."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.served import Served

__all__ = ["CHECKS", "LEFT_OUT", "operations", "tried"]

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
)
# What has no end is tested by itself; a log-out would end the test.
LEFT_OUT = (("GET", "/v1/events/stream"), ("POST", "/v1/logout"))


def operations(server: Served) -> list[Any]:
    """Every operation of the server's document that is to be tried."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    found = [each.ok() for each in schema.get_all_operations()]
    return [each for each in found if (each.method.upper(), each.path) not in LEFT_OUT]


def tried(server: Served, operation: Any, examples: int, *, same: bool = False) -> int:
    """Try one operation with as many generated requests, right ones and wrong ones; how many were sent.

    `same`: they are the same in each run.
    """
    kind = "application/json" if operation.body else None
    requests = st.one_of(*(operation.as_strategy(mode, media_type=kind) for mode in GenerationMode))
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=same,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def send(case: Any) -> None:
        nonlocal sent
        sent += 1
        if case.path == "/v1/follow" and isinstance(case.body, dict):
            # Waiting is what it is for, and is tested by itself.
            case.body["wait"] = 0
        case.call_and_validate(headers={"Authorization": f"Bearer {server.api_key}"}, checks=list(CHECKS))

    send()
    return sent
