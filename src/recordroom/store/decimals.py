"""Decimals as text that sorts like the numbers: how SQLite keeps them.

`encode` takes the canonical text of a decimal ("-12.5"), `decode` gives it back. Texts compare like the
numbers, and equal numbers have equal texts.

The form: "1" is zero; a positive number is "2", its exponent E as two digits (50 + E, for 0.d1d2… · 10^E)
and its digits without zeros at the end. A negative one is "0", then every digit subtracted from 9, then "~",
which sorts after any digit, so that longer (more negative) numbers come first.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["decode", "decode_column", "encode", "encode_column"]

_NINES = str.maketrans("0123456789", "9876543210")
_BIAS = 50


def encode(text: str) -> str:
    """The sortable form of a decimal's canonical text."""
    negative = text[0] == "-"
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = whole + fraction
    kept = digits.lstrip("0")
    if not kept:
        return "1"
    exponent = len(whole) - (len(digits) - len(kept))
    magnitude = f"{exponent + _BIAS:02d}{kept.rstrip('0')}"
    return f"0{magnitude.translate(_NINES)}~" if negative else f"2{magnitude}"


def decode(form: str) -> str:
    """The canonical text that `encode` was given."""
    if form == "1":
        return "0"
    negative = form[0] == "0"
    magnitude = form[1:-1].translate(_NINES) if negative else form[1:]
    exponent, digits = int(magnitude[:2]) - _BIAS, magnitude[2:]
    if exponent <= 0:
        text = f"0.{'0' * -exponent}{digits}"
    elif exponent >= len(digits):
        text = digits + "0" * (exponent - len(digits))
    else:
        text = f"{digits[:exponent]}.{digits[exponent:]}"
    return f"-{text}" if negative else text


def encode_column(texts: Sequence[str | None]) -> list[str | None]:
    """`encode` for each; None stays None."""
    return [None if text is None else encode(text) for text in texts]


def decode_column(forms: Sequence[str | None]) -> list[str | None]:
    """`decode` for each; None stays None."""
    return [None if form is None else decode(form) for form in forms]
