"""An object store that speaks S3, on loopback."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import urllib3

from recordroom.files import Accessor, open_location

__all__ = ["S3", "s3_server"]


@dataclass(frozen=True)
class S3:
    """Where it listens."""

    endpoint: str

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        answer = urllib3.request("PUT", f"{self.endpoint}/{escape(name)}", retries=False)
        assert answer.status == 200, answer.data

    def options(self) -> dict[str, Any]:
        """What `open_location("s3://…", **options)` needs."""
        return {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "nobody",
            "secret_access_key": "nothing",
        }

    def location(self, where: str) -> Accessor:
        """The accessor for `s3://bucket/prefix`."""
        return open_location(where, **self.options())


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """Runs while the block does."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
