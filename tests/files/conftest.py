"""One S3 on loopback for the tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.files.s3 import S3, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with s3_server() as found:
        found.bucket("bucket")
        yield found
