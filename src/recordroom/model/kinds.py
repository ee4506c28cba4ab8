"""Kinds: what the values of one attribute may be.

A kind checks a Python value (`check`), turns it into the raw scalar that the wire and the store keep
(`dump`), turns that back (`load`), reads it from text (`parse`) and checks whole columns of raw
scalars at once (`wrong_at`). Kinds are open: add an instance to `KINDS`. Storage classes are closed:
the store and the query compiler know only those of `Storage`.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from .ids import as_id

if TYPE_CHECKING:
    from .schema import Attribute

__all__ = ["KINDS", "Kind", "RelationKind", "Storage", "WrongValue", "check", "dump_column", "load_column"]

_NONE = type(None)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_MICROSECOND = dt.timedelta(microseconds=1)
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MIN_DATETIME = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
MAX_DATETIME = (dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
MIN_DATE, MAX_DATE = 1 - _EPOCH_DAY, dt.date(9999, 12, 31).toordinal() - _EPOCH_DAY


class Storage(StrEnum):
    """How raw scalars lie in the store. Raw Python types: see `RAW`."""

    TEXT = "text"  # str without NUL or lone surrogates
    INTEGER = "integer"  # int of 64 bits
    REAL = "real"  # finite float
    BOOLEAN = "boolean"  # bool
    BYTES = "bytes"  # bytes, 16 long
    DECIMAL = "decimal"  # canonical str, e.g. "-12.5"
    JSON = "json"  # canonical JSON text: sorted keys, no spaces


RAW: dict[Storage, type] = {
    Storage.TEXT: str,
    Storage.INTEGER: int,
    Storage.REAL: float,
    Storage.BOOLEAN: bool,
    Storage.BYTES: bytes,
    Storage.DECIMAL: str,
    Storage.JSON: str,
}


class WrongValue(ValueError):
    """A value is not of its kind; the text says what was expected."""


def text_is_clean(value: str) -> bool:
    """Whether a text has neither NUL nor lone surrogates."""
    if "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical_json(value: Any) -> str:
    """`value` as JSON text with sorted keys and no spaces; WrongValue where it is not JSON."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongValue(f"a JSON value ({error})") from None
    if not text_is_clean(text):
        raise WrongValue("a JSON value whose texts have no lone surrogates")
    return text


class Kind:
    """A scalar kind. `exact` lists the Python types whose values need no conversion."""

    name: str
    storage: Storage
    exact: frozenset[type] = frozenset()
    python: type = object  # what reading an attribute gives; `str`, `int`, …
    example: str = ""  # as it would be written in a query or a file
    plain = False  # True where the raw scalar is the Python value
    ordered = True  # True where < and > mean something
    textual = False  # True where like, contains, starts_with … apply
    relation = False

    def check(self, value: Any, attribute: Attribute) -> Any:
        """The Python value in its normal form; WrongValue, saying what was expected."""
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        """The raw scalar of a checked, non-None Python value."""
        return value

    def load(self, raw: Any) -> Any:
        """The Python value of a non-None raw scalar."""
        return raw

    def parse(self, text: str, attribute: Attribute) -> Any:
        """The Python value that `text` (from a file, a query or a command line) stands for."""
        return self.check(text, attribute)

    def wrong_at(self, raws: Sequence[Any], attribute: Attribute) -> tuple[int, str] | None:
        """Position of the first raw scalar that is not of this kind, and what was expected; or None.

        `raws` may hold None anywhere. Cost is a few tens of nanoseconds a value when all is well.
        """
        if self._column_is_right(raws, attribute):
            return None
        raw_type = RAW[self.storage]
        for position, raw in enumerate(raws):
            if raw is None:
                continue
            if type(raw) is not raw_type:
                return position, f"{self.name} as {raw_type.__name__} on the wire"
            try:
                if self.dump(self.check(self.load(raw), attribute)) != raw:
                    return position, f"{self.name} in its normal form"
            except WrongValue as error:
                return position, str(error)
            except (ValueError, ArithmeticError, RecursionError):
                return position, self.expected(attribute)
        return None

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        """A fast test by whole column; False means "look closer"."""
        return False

    def expected(self, attribute: Attribute) -> str:
        """In words, what a value must be."""
        return self.name


def _limits(attribute: Attribute) -> str:
    if attribute.min is not None and attribute.max is not None:
        return f" from {attribute.min} to {attribute.max}"
    if attribute.min is not None:
        return f" of at least {attribute.min}"
    if attribute.max is not None:
        return f" of at most {attribute.max}"
    return ""


class Text(Kind):
    storage = Storage.TEXT
    exact = frozenset({str})
    python = str
    plain = True
    textual = True
    example = '"anim"'

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, value: Any, attribute: Attribute) -> Any:
        if not isinstance(value, str):
            raise WrongValue(self.expected(attribute))
        if not text_is_clean(value):
            raise WrongValue("text without NUL and without lone surrogates")
        if attribute.max_length is not None and len(value) > attribute.max_length:
            raise WrongValue(f"text of at most {attribute.max_length} characters (this has {len(value)})")
        if attribute.pattern is not None and not re.fullmatch(attribute.pattern, value):
            raise WrongValue(f"text that matches {attribute.pattern}")
        return value if type(value) is str else str(value)

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        types = set(map(type, raws))
        if not types <= {str, _NONE} or attribute.pattern is not None:
            return False
        whole = "".join(filter(None, raws) if _NONE in types else raws)
        if not text_is_clean(whole):
            return False
        limit = attribute.max_length
        return limit is None or all(len(raw) <= limit for raw in raws if raw is not None)

    def expected(self, attribute: Attribute) -> str:
        return "text"


class Integer(Kind):
    name = "integer"
    storage = Storage.INTEGER
    exact = frozenset({int})
    python = int
    plain = True
    example = "42"

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise WrongValue(self.expected(attribute))
        number = value.__index__()
        low, high = self._range(attribute)
        if not low <= number <= high:
            raise WrongValue(self.expected(attribute))
        return number

    def parse(self, text: str, attribute: Attribute) -> Any:
        try:
            return self.check(int(text.strip()), attribute)
        except ValueError:
            raise WrongValue(self.expected(attribute)) from None

    def _range(self, attribute: Attribute) -> tuple[int, int]:
        low = MIN_INTEGER if attribute.min is None else max(math.ceil(attribute.min), MIN_INTEGER)
        high = MAX_INTEGER if attribute.max is None else min(math.floor(attribute.max), MAX_INTEGER)
        return low, high

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        types = set(map(type, raws))
        if not types <= {int, _NONE}:
            return False
        present = [raw for raw in raws if raw is not None] if _NONE in types else raws
        if not present:
            return True
        low, high = self._range(attribute)
        return bool(low <= min(present) and max(present) <= high)

    def expected(self, attribute: Attribute) -> str:
        return f"an integer{_limits(attribute) or ' of 64 bits'}"


class Number(Kind):
    name = "number"
    storage = Storage.REAL
    exact = frozenset({float})
    python = float
    plain = True
    example = "2.5"

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, (bool, str, bytes)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
            raise WrongValue(self.expected(attribute))
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise WrongValue(self.expected(attribute)) from None
        if not math.isfinite(number):
            raise WrongValue(self.expected(attribute))
        if attribute.min is not None and number < attribute.min:
            raise WrongValue(self.expected(attribute))
        if attribute.max is not None and number > attribute.max:
            raise WrongValue(self.expected(attribute))
        return number

    def parse(self, text: str, attribute: Attribute) -> Any:
        try:
            return self.check(float(text.strip()), attribute)
        except ValueError:
            raise WrongValue(self.expected(attribute)) from None

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        types = set(map(type, raws))
        if not types <= {float, _NONE}:
            return False
        present = [raw for raw in raws if raw is not None] if _NONE in types else raws
        # A NaN or an infinity makes the sum not finite; so may an honest overflow, which is looked at closer.
        if not math.isfinite(sum(present)):
            return False
        if not present:
            return True
        return (attribute.min is None or min(present) >= attribute.min) and (
            attribute.max is None or max(present) <= attribute.max
        )

    def expected(self, attribute: Attribute) -> str:
        return f"a finite number{_limits(attribute)}"


class DecimalKind(Kind):
    """Exact decimals of up to 65 digits, at most 30 of them after the point; equal values are one value (1.50 is 1.5)."""

    name = "decimal"
    storage = Storage.DECIMAL
    exact = frozenset()
    python = Decimal
    example = "19.99"

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, (bool, float)):
            raise WrongValue(self.expected(attribute) + " (a float is not exact; give text or a decimal.Decimal)")
        try:
            number = value if isinstance(value, Decimal) else Decimal(value)
        except (InvalidOperation, TypeError, ValueError):
            raise WrongValue(self.expected(attribute)) from None
        if not number.is_finite():
            raise WrongValue(self.expected(attribute))
        sign, digits, exponent = number.as_tuple()
        kept = list(digits)
        assert isinstance(exponent, int)
        while len(kept) > 1 and kept[-1] == 0 and exponent < 0:
            kept.pop()
            exponent += 1
        if exponent < -30 or len(kept) + max(exponent, 0) > 65 or len(kept) + exponent > 35:
            raise WrongValue(self.expected(attribute))
        if exponent > 0:
            kept += [0] * exponent
            exponent = 0
        if not any(kept):
            return Decimal(0)
        number = Decimal((sign, tuple(kept), exponent))
        if attribute.min is not None and number < Decimal(str(attribute.min)):
            raise WrongValue(self.expected(attribute))
        if attribute.max is not None and number > Decimal(str(attribute.max)):
            raise WrongValue(self.expected(attribute))
        return number

    def dump(self, value: Any) -> Any:
        return format(value, "f")

    def load(self, raw: Any) -> Any:
        return Decimal(raw)

    def parse(self, text: str, attribute: Attribute) -> Any:
        return self.check(text.strip(), attribute)

    def expected(self, attribute: Attribute) -> str:
        return f"a decimal{_limits(attribute)} of at most 35 digits before and 30 after the point"


class Boolean(Kind):
    name = "boolean"
    storage = Storage.BOOLEAN
    exact = frozenset({bool})
    python = bool
    plain = True
    ordered = False
    example = "True"
    _words: ClassVar[dict[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, bool):
            return value
        if type(value).__name__ in ("bool", "bool_") and type(value).__module__ == "numpy":
            return bool(value)
        raise WrongValue(self.expected(attribute))

    def parse(self, text: str, attribute: Attribute) -> Any:
        try:
            return self._words[text.strip().lower()]
        except KeyError:
            raise WrongValue(self.expected(attribute)) from None

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return set(map(type, raws)) <= {bool, _NONE}

    def expected(self, attribute: Attribute) -> str:
        return "True or False"


class Date(Kind):
    """Days of the proleptic Gregorian calendar, years 1 to 9999; raw: days since 1970-01-01."""

    name = "date"
    storage = Storage.INTEGER
    exact = frozenset({dt.date})
    python = dt.date
    example = '"2026-11-21"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, str):
            try:
                return dt.date.fromisoformat(value.strip())
            except ValueError:
                raise WrongValue(self.expected(attribute)) from None
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
        raise WrongValue(self.expected(attribute))

    def dump(self, value: Any) -> Any:
        return value.toordinal() - _EPOCH_DAY

    def load(self, raw: Any) -> Any:
        return dt.date.fromordinal(raw + _EPOCH_DAY)

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return _integers_within(raws, MIN_DATE, MAX_DATE)

    def expected(self, attribute: Attribute) -> str:
        return "a date from 0001-01-01 to 9999-12-31, as datetime.date or YYYY-MM-DD"


class DateTime(Kind):
    """Moments with microseconds in UTC, years 1 to 9999; raw: microseconds since 1970-01-01T00:00Z."""

    name = "datetime"
    storage = Storage.INTEGER
    exact = frozenset()
    python = dt.datetime
    example = '"2026-11-21T10:30:00Z"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, str):
            try:
                value = dt.datetime.fromisoformat(value.strip())
            except ValueError:
                raise WrongValue(self.expected(attribute)) from None
        if not isinstance(value, dt.datetime) or value.tzinfo is None:
            raise WrongValue(self.expected(attribute))
        try:
            return dt.datetime.fromtimestamp(0, dt.UTC) + (value - _EPOCH)
        except OverflowError:
            raise WrongValue(self.expected(attribute)) from None

    def parse(self, text: str, attribute: Attribute) -> Any:
        """Files and queries may leave the zone out: it is UTC then."""
        try:
            value = dt.datetime.fromisoformat(text.strip())
        except ValueError:
            raise WrongValue(self.expected(attribute)) from None
        return self.check(value if value.tzinfo else value.replace(tzinfo=dt.UTC), attribute)

    def dump(self, value: Any) -> Any:
        return (value - _EPOCH) // _MICROSECOND

    def load(self, raw: Any) -> Any:
        return _EPOCH + dt.timedelta(microseconds=raw)

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return _integers_within(raws, MIN_DATETIME, MAX_DATETIME)

    def expected(self, attribute: Attribute) -> str:
        return "a datetime with a time zone, as datetime.datetime or 2026-11-21T10:30:00Z, from year 1 to 9999"


def _integers_within(raws: Sequence[Any], low: int, high: int) -> bool:
    types = set(map(type, raws))
    if not types <= {int, _NONE}:
        return False
    present = [raw for raw in raws if raw is not None] if _NONE in types else raws
    return not present or (low <= min(present) and max(present) <= high)


def _ids_only(raws: Sequence[Any]) -> bool:
    types = set(map(type, raws))
    if not types <= {bytes, _NONE}:
        return False
    return {len(raw) for raw in raws if raw is not None} <= {16}


class Choice(Kind):
    """One of a list of texts; < and > follow the order of the list."""

    name = "choice"
    storage = Storage.TEXT
    exact = frozenset()
    python = str
    plain = True
    textual = True
    example = '"open"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        if isinstance(value, str) and value in attribute.choices:
            return str(value)
        raise WrongValue(self.expected(attribute))

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        try:
            return set(raws) <= {*attribute.choices, None}
        except TypeError:
            return False

    def expected(self, attribute: Attribute) -> str:
        return f"one of {', '.join(map(repr, attribute.choices))}"


class Json(Kind):
    name = "json"
    storage = Storage.JSON
    exact = frozenset()
    python = object
    ordered = False
    example = '"{}"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        return json.loads(canonical_json(value))

    def dump(self, value: Any) -> Any:
        return canonical_json(value)

    def load(self, raw: Any) -> Any:
        return json.loads(raw)

    def parse(self, text: str, attribute: Attribute) -> Any:
        try:
            return self.check(json.loads(text), attribute)
        except (ValueError, RecursionError):
            raise WrongValue(self.expected(attribute)) from None

    def expected(self, attribute: Attribute) -> str:
        return "a JSON value"


class Uuid(Kind):
    name = "uuid"
    storage = Storage.BYTES
    exact = frozenset({uuid.UUID})
    python = uuid.UUID
    example = '"01890a5d-ac96-774b-bcce-b302099a8057"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        try:
            return uuid.UUID(bytes=as_id(value))
        except ValueError:
            raise WrongValue(self.expected(attribute)) from None

    def dump(self, value: Any) -> Any:
        return value.bytes

    def load(self, raw: Any) -> Any:
        return uuid.UUID(bytes=raw)

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return _ids_only(raws)

    def expected(self, attribute: Attribute) -> str:
        return "a UUID"


_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f]+")
_COLOR = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{8})")


class Hyperlink(Text):
    example = '"https://example.org"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        text = super().check(value, attribute)
        if not _LINK.fullmatch(text):
            raise WrongValue(self.expected(attribute))
        return text

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return super()._column_is_right(raws, attribute) and all(_LINK.fullmatch(r) for r in raws if r is not None)

    def expected(self, attribute: Attribute) -> str:
        return "a link with a scheme and no spaces, such as https://example.org/a"


class Color(Text):
    example = '"#1e90ff"'

    def check(self, value: Any, attribute: Attribute) -> Any:
        text = super().check(value, attribute).lower()
        if not _COLOR.fullmatch(text):
            raise WrongValue(self.expected(attribute))
        return text

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return super()._column_is_right(raws, attribute) and all(_COLOR.fullmatch(r) for r in raws if r is not None)

    def expected(self, attribute: Attribute) -> str:
        return "a color as #rrggbb or #rrggbbaa"


class RelationKind(Kind):
    """A relation: its values are entities. Raw: the 16-byte id for `reference`; the others have no column."""

    storage = Storage.BYTES
    ordered = False
    relation = True

    def __init__(self, name: str, *, many: bool, stored: bool) -> None:
        self.name = name
        self.many = many
        self.stored = stored

    def _column_is_right(self, raws: Sequence[Any], attribute: Attribute) -> bool:
        return _ids_only(raws)

    def wrong_at(self, raws: Sequence[Any], attribute: Attribute) -> tuple[int, str] | None:
        """As `Kind.wrong_at`: raw scalars are ids."""
        if self._column_is_right(raws, attribute):
            return None
        wrong = next(i for i, raw in enumerate(raws) if raw is not None and (type(raw) is not bytes or len(raw) != 16))
        return wrong, self.expected(attribute)

    def expected(self, attribute: Attribute) -> str:
        """In words, which entities."""
        return f"{'entities' if self.many else 'an entity'} of type {attribute.target}"


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Text("text"),
        Text("long_text"),
        Integer(),
        Number(),
        DecimalKind(),
        Boolean(),
        Date(),
        DateTime(),
        Choice(),
        Json(),
        Uuid(),
        Hyperlink("hyperlink"),
        Color("color"),
        RelationKind("reference", many=False, stored=True),
        RelationKind("collection", many=True, stored=False),
        RelationKind("links", many=True, stored=False),
        RelationKind("mapping", many=True, stored=False),
    )
}


def check(value: Any, attribute: Attribute) -> Any:
    """The normal form of a scalar or multi-valued `value`; None stays None; WrongValue otherwise."""
    if value is None:
        return None
    kind = KINDS[attribute.kind]
    if not attribute.multi:
        return kind.check(value, attribute)
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        raise WrongValue(f"a list, each item {kind.expected(attribute)}")
    items = []
    for item in value:
        if item is None:
            raise WrongValue(f"a list without None, each item {kind.expected(attribute)}")
        items.append(kind.check(item, attribute))
    return tuple(items)


# A multi-valued attribute is stored as one JSON array of raw scalars; bytes are written as hex.


def dump_multi(kind: Kind, values: Sequence[Any]) -> str:
    raws: list[Any] = [kind.dump(value) for value in values]
    if kind.storage is Storage.BYTES:
        raws = [raw.hex() for raw in raws]
    return canonical_json(raws)


def load_multi(kind: Kind, raw: str) -> tuple[Any, ...]:
    raws = json.loads(raw)
    if kind.storage is Storage.BYTES:
        raws = [bytes.fromhex(item) for item in raws]
    elif kind.storage is Storage.REAL:
        raws = [float(item) for item in raws]
    return tuple(map(kind.load, raws))


def raw_dumper(attribute: Attribute) -> Callable[[Any], Any] | None:
    """The function from a non-None value of `attribute` to its raw scalar; None where both are the same."""
    kind = KINDS[attribute.kind]
    if attribute.multi:
        return lambda values: dump_multi(kind, values)
    return None if kind.plain else kind.dump


def raw_loader(attribute: Attribute) -> Callable[[Any], Any] | None:
    """The function from a non-None raw scalar of `attribute` to its value; None where both are the same."""
    kind = KINDS[attribute.kind]
    if attribute.multi:
        return lambda raw: load_multi(kind, raw)
    return None if kind.plain else kind.load


def dump_column(values: Sequence[Any], attribute: Attribute) -> list[Any]:
    """Checked Python values (or None) as raw scalars."""
    dump = raw_dumper(attribute)
    if dump is None:
        return values if type(values) is list else list(values)
    return [None if value is None else dump(value) for value in values]


def load_column(raws: Sequence[Any], attribute: Attribute) -> list[Any]:
    """Raw scalars (or None) as Python values."""
    load = raw_loader(attribute)
    if load is None:
        return raws if type(raws) is list else list(raws)
    return [None if raw is None else load(raw) for raw in raws]


def wrong_at(raws: Sequence[Any], attribute: Attribute) -> tuple[int, str] | None:
    """As `Kind.wrong_at`, also for multi-valued attributes."""
    kind = KINDS[attribute.kind]
    if not attribute.multi:
        return kind.wrong_at(raws, attribute)
    for position, raw in enumerate(raws):
        if raw is None:
            continue
        try:
            values = check(load_multi(kind, raw), attribute)
            if dump_multi(kind, values) != raw:
                return position, f"a list of {kind.name} in its normal form"
        except WrongValue as error:
            return position, str(error)
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            return position, f"a list, each item {kind.expected(attribute)}"
    return None
