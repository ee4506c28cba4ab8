"""Doing something as an account that file permissions bind, also where the tests run as root."""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recordroom.errors import Error

NOBODY = 65534


def as_nobody(action: Callable[[], Any]) -> Any:
    """What `action` gives in a child process of an account without rights; its Error, as a value, if it raises one."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        # The child only runs the action and ends; no other thread holds what it needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(receive)
        _run(action, send)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


def _run(action: Callable[[], Any], send: int) -> None:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            result = action()
        except Error as error:
            result = error
        with os.fdopen(send, "wb") as pipe:
            pipe.write(pickle.dumps(result))
    finally:
        # Whatever happens, a child does not go on with the tests. Nothing in the pipe is an error there.
        os._exit(0)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that every account can read and only its owner can write."""
    with tempfile.TemporaryDirectory(prefix="recordroom-test-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        # Not only root must be able to remove what is in it.
        for each in folder.rglob("*"):
            if each.is_dir():
                each.chmod(0o755)
