"""What people who extend recordroom test their parts with: contract suites, to be run by pytest.

A suite is a class of tests; a subclass in a test module of yours says by a fixture what is to be tested. It needs pytest
(`recordroom[testing]`), and nothing else in recordroom imports it.
"""

from __future__ import annotations

from ..errors import MissingExtra

try:
    import pytest
except ModuleNotFoundError as error:
    raise MissingExtra(package="pytest", extra="testing") from error

# Before the suites are imported, so that an assertion of theirs that fails shows its values.
pytest.register_assert_rewrite("recordroom.testing.accessors")

from .accessors import AccessorContract  # noqa: E402

__all__ = ["AccessorContract"]
