"""Bytes of others: what people try who may not have them, with ids that they have learned somewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import DATABASES
from tests.server.outsiders import Yard, new, yards


@pytest.fixture(scope="module", params=DATABASES)
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yield from yards(request, tmp_path_factory.mktemp("yard"))


def test_bytes_of_a_deleted_component_are_not_had_by_making_it_anew(yard: Yard) -> None:
    component = yard.component()
    assert yard.commit("administrator", {"op": "Delete", "type": "FileComponent", "ids": [component]}).status == 200

    assert yard.make("mallory", "FileComponent", component, name="mine").status == 403
    assert yard.ask("mallory", "GET", f"/v1/files/{component}").status == 404
    assert yard.make("mallory", "FileComponent", new(), name="mine").status == 200


def test_bytes_that_wait_for_their_commit_are_not_had_by_committing_first(yard: Yard) -> None:
    component = new()
    assert yard.ask("bob", "PUT", f"/v1/files/{component}", b"of bob").status == 200

    assert yard.make("mallory", "FileComponent", component, name="mine").status == 403
    assert yard.make("bob", "FileComponent", component, name="his").status == 200
    assert yard.ask("bob", "GET", f"/v1/files/{component}").data == b"of bob"
    assert yard.ask("mallory", "GET", f"/v1/files/{component}").status == 404
