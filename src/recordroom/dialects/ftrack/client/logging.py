"""What scripts use for their own logs: messages that are made when somebody reads them, and marks of what is going away."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["LazyLogMessage", "deprecation_warning"]

P = ParamSpec("P")
T = TypeVar("T")


class LazyLogMessage:
    """A message with `{}` places, put together when it is written: `logger.debug(LazyLogMessage("Hello {0}", name))`."""

    def __init__(self, message: str, *args: Any, **kwargs: Any) -> None:
        self.message = message
        self.args = args
        self.kwargs = kwargs

    def __str__(self) -> str:
        return self.message.format(*self.args, **self.kwargs)


def deprecation_warning(message: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: whoever calls the function is warned."""

    def decorator(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            warnings.warn(message, PendingDeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return wrapper

    return decorator
