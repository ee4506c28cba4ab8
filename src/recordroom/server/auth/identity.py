"""Identity: who shows a credential, and which."""

from __future__ import annotations

import msgspec

from ...model.actor import Actor

__all__ = ["Identity"]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An actor, and the Token entity that the credential belongs to.

    `token` is None for an owner without accounts. `kind` is "api_key", "session" or "owner"; `expires` is when the
    credential itself ends (microseconds since 1970, UTC), None: never.
    """

    actor: Actor
    token: bytes | None = None
    kind: str = "owner"
    expires: int | None = None
