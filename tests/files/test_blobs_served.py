"""A served room whose files lie in an object store, which several servers share."""

from __future__ import annotations

import uuid
from base64 import b64encode
from pathlib import Path

import pytest

from recordroom.model.operations import Commit, Create, DefineType
from recordroom.store.room import Room
from tests.conftest import Places
from tests.files.s3 import S3
from tests.served import served
from tests.server.test_files import COMPONENT
from tests.server.test_uploads import OCTETS


def test_files_lie_in_an_object_store(
    places_postgres: Places, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where, address = places_postgres(), f"s3://bucket/{tmp_path.name}-served"
    for name, value in (
        ("AWS_ENDPOINT_URL", s3.endpoint), ("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nothing"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    component, data = uuid.uuid4(), bytes(range(256)) * 50_000
    with Room.open(where, files=address) as room:
        operations = [DefineType(COMPONENT), Create("Component", [component.bytes], {"name": ["x"]})]
        room.commit(Commit(id=uuid.uuid4().bytes, operations=operations))
    with served(where) as one, served(where) as other:
        place = one.request("POST", "/v1/uploads", Upload_Length=str(len(data)), Upload_Metadata=_named(str(component)))
        piece = {"Content_Type": OCTETS}
        half = len(data) // 2
        assert one.request("PATCH", place.headers["location"], data[:half], Upload_Offset="0", **piece).status == 204
        sent = other.request("PATCH", place.headers["location"], data[half:], Upload_Offset=str(half), **piece)
        assert sent.status == 204, sent.data
        assert one.request("GET", f"/v1/files/{component}").data == data
        assert (
            one.request("GET", f"/v1/files/{component}", Range="bytes=9999999-10000001").data == data[9999999:10000002]
        )


def _named(component: str) -> str:

    return f"component {b64encode(component.encode()).decode()}"
