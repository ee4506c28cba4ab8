"""Passwords: argon2id, off the event loop, a few at a time.

A password is compared in Unicode normal form NFKC, whole: it has a least length and a most length, and is never cut.
Looking for one that is not there takes as long as for one that is wrong.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ...errors import InvalidValue, TooManyAttempts

__all__ = ["PASSWORD", "Passwords", "check_new", "hashed", "is_right", "is_stale"]

PASSWORD = "password"  # the kind of secret
MOST = 1024
_hasher = PasswordHasher()  # argon2id with the parameters of RFC 9106, low memory: 3 passes over 64 MiB
T = TypeVar("T")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def check_new(text: str, name: str, least: int) -> str:
    """The normal form of a new password; InvalidValue, which does not show it, unless it is a good one."""
    normal = _normal(text) if len(text) <= MOST else text
    reason = ""
    if not least <= len(normal) <= MOST:
        reason = f"{least} to {MOST:,} characters"
    elif any("\ud800" <= each <= "\udfff" for each in normal):
        reason = "text without lone surrogates"
    elif normal.casefold() == _normal(name).casefold() or len(set(normal)) < 4:
        reason = "something harder to guess: not the user's name, and not the same few characters"
    if reason:
        message = f"This password cannot be taken: expected {reason}."
        raise InvalidValue(message, type="User", attribute="password", value="a password", expected=reason)
    return normal


def hashed(text: str) -> str:
    """The hash of a password: slow on purpose."""
    return _hasher.hash(_normal(text))


@cache
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")


def is_right(kept: str | None, text: str) -> bool:
    """Whether `text` is the password with the hash `kept`; without one it takes as long: slow on purpose."""
    nobodys = _nobodys()
    try:
        normal = _normal(text) if len(text) <= MOST else ""
        _hasher.verify(kept or nobodys, normal)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return kept is not None


def is_stale(kept: str) -> bool:
    """Whether a hash was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


class Passwords:
    """Slow work with passwords in threads: `workers` at a time, and at most `queue` that wait."""

    def __init__(self, workers: int, queue: int) -> None:
        self._workers = workers
        self._most = workers + queue
        self._under_way = 0
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """The result of `work`; TooManyAttempts where too many wait already."""
        if self._under_way >= self._most:
            raise TooManyAttempts(
                "Too many people are logging in at this moment: try again in 2 seconds.", retry_after=2
            )
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="passwords")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Stop the threads, when they are done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)
