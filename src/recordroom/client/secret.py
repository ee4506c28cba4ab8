"""A text that shows itself to nobody who does not ask for it by name."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn

from ..errors import InvalidValue

__all__ = ["Secret", "secret"]

_MASK = "•••"


class Secret:
    """A text that `repr`, `str`, formatting and logging show as dots. `reveal()` is the text.

    It can be neither pickled nor copied into JSON: a secret that travels is named where it does.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, seen: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a secret cannot be pickled; give it to the other process by its environment or a profile")


def secret(text: object, what: str) -> Secret:
    """A key or a token that can stand in a header; InvalidValue, which does not show it, where it cannot."""
    if isinstance(text, Secret):
        return text
    plain = text.strip() if isinstance(text, str) else ""
    if not plain or not plain.isascii() or not plain.isprintable() or " " in plain:
        raise InvalidValue(
            f"{what}: expected printable letters without spaces; what was given is not shown",
            type="Credentials", attribute=what, value=_MASK, expected="printable letters without spaces",
        )  # fmt: skip
    return Secret(plain)
