"""What clients send to log in, read with care: no message ever shows a secret."""

from __future__ import annotations

import datetime as dt
from typing import Any, NoReturn

from ...errors import InvalidValue, NotAuthenticated
from ...model.actor import SCOPES
from ...model.kinds import text_is_clean

__all__ = ["Fields", "not_right", "read_expiry", "read_scopes"]

_LONGEST = 20_000  # characters; tokens of providers that name many groups are long
_LATEST = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


def not_right(reason: str = "what was given to prove who you are is not right") -> NoReturn:
    """The one answer for whatever is wrong with a credential."""
    raise NotAuthenticated(where="The room", reason=reason)


class Fields:
    """The fields of a request, each asked for by name; `done` refuses those that nobody asked for."""

    def __init__(self, request: Any, what: str) -> None:
        self._what = what
        if not isinstance(request, dict) or not all(isinstance(name, str) for name in request):
            self.wrong("grant", request, "an object with names")
        self._request: dict[str, Any] = request
        self._asked: set[str] = set()

    def wrong(self, name: str, value: Any, expected: str) -> NoReturn:
        """InvalidValue for the field `name`."""
        # Never the value: it may be a secret.
        given = "nothing" if value is None else f"a {type(value).__name__}"
        message = f"{self._what}.{name}: expected {expected}, got {given}."
        raise InvalidValue(message, type=self._what, attribute=name, value=given, expected=expected)

    def any(self, name: str) -> Any:
        """The value as it is; None where it is missing."""
        self._asked.add(name)
        return self._request.get(name)

    def text(self, name: str) -> str:
        """A text that has to be there."""
        value = self.any(name)
        if not isinstance(value, str) or not value or len(value) > _LONGEST:
            self.wrong(name, value, f"a text of 1 to {_LONGEST:,} characters")
        return value

    def maybe(self, name: str) -> str | None:
        """A text, or None where it is missing."""
        return None if self.any(name) is None else self.text(name)

    def clean(self, name: str) -> str:
        """A text without NUL and lone surrogates, which the room can keep."""
        text = self.text(name)
        if not text_is_clean(text) or len(text) > 1000:
            self.wrong(name, text, "a text of at most 1,000 characters without NUL and without lone surrogates")
        return text

    def done(self) -> None:
        """InvalidValue where there are fields that nobody asked for."""
        for name in self._request.keys() - self._asked:
            expected = f"one of {', '.join(sorted(self._asked))}"
            message = f"{self._what}: there is no field {name[:50]!r}; there are {', '.join(sorted(self._asked))}."
            raise InvalidValue(message, type=self._what, attribute=name[:50], value="a field", expected=expected)


def read_scopes(fields: Fields, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes that are asked for, none of them more than `allowed`; none asked for: those."""
    value = fields.any("scopes")
    if value is None or value == []:
        return allowed
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each in SCOPES for each in value):
        fields.wrong("scopes", value, f"a list of some of {', '.join(SCOPES)}")
    most = max(map(SCOPES.index, allowed), default=len(SCOPES))
    if max(map(SCOPES.index, value)) > most:
        fields.wrong("scopes", value, f"no more than the own: {', '.join(allowed)}")
    return tuple(name for name in SCOPES if name in value)


def read_expiry(fields: Fields, now: int, latest: int | None = None) -> int | None:
    """When a key ends, from `expires` (ISO 8601) or `expires_in` (seconds); None: never. Not after `latest`."""
    found = _expiry(fields, now)
    if latest is not None and found is not None and found > latest:
        fields.wrong("expires", found, "no later than the key that makes it")
    return latest if found is None else found


def _expiry(fields: Fields, now: int) -> int | None:
    text, seconds = fields.any("expires"), fields.any("expires_in")
    if text is not None and seconds is not None:
        fields.wrong("expires", text, "either expires or expires_in")
    if seconds is not None:
        if type(seconds) not in (int, float) or not 0 < seconds <= 1e10:
            fields.wrong("expires_in", seconds, "a number of seconds above 0")
        return now + int(seconds * 1_000_000)
    return None if text is None else _moment(fields, text, now)


def _moment(fields: Fields, text: Any, now: int) -> int:
    expected = "a moment to come, such as 2031-12-31T00:00:00Z"
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment > _LATEST:
        fields.wrong("expires", text, expected)
    found = round((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
    if found <= now:
        fields.wrong("expires", text, expected)
    return found
