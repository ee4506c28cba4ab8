"""Where a hub is, as scripts ask it."""

from __future__ import annotations

from collections import namedtuple
from urllib.parse import urlsplit

__all__ = ["Server", "ServerDetails"]

ServerDetails = namedtuple("ServerDetails", ["scheme", "hostname", "port"])


class Server:
    """The parts of an address; of an embedded room they are empty."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        self.server = ServerDetails(parts.scheme, parts.hostname, parts.port)
        self._server_url = server_url

    def get_server_url(self) -> str:
        """The address of the server; the path of an embedded room."""
        return f"{self.server.scheme}://{self.get_network_location()}" if self.server.hostname else self._server_url

    def get_network_location(self) -> str:
        """The host, and the port if there is one."""
        return f"{self.server.hostname}:{self.server.port}" if self.server.port else str(self.server.hostname or "")

    @property
    def secure(self) -> bool:
        """Whether what is sent is encrypted."""
        return bool(self.server.scheme == "https")
