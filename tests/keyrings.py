"""A keyring for tests: a real backend, in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

__all__ = ["MemoryKeyring", "keyring_in_memory"]


class MemoryKeyring(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """What is kept, or None."""
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Keep it no longer."""
        if (service, username) not in self.entries:
            raise PasswordDeleteError(username)
        del self.entries[service, username]


@contextlib.contextmanager
def keyring_in_memory() -> Iterator[MemoryKeyring]:
    """An empty keyring that is the machine's while the block runs."""
    before = keyring.get_keyring()
    found = MemoryKeyring()
    keyring.set_keyring(found)
    try:
        yield found
    finally:
        keyring.set_keyring(before)
