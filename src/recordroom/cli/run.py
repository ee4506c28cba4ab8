"""Runs one command line: parses it, calls the command, and turns what went wrong into a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cyclopts import App, CycloptsError, Group

from ..errors import Error
from . import (
    accounts,
    copying,
    demo,
    files,
    jobs,
    login,
    profiles,
    records,
    rows,
    schema,
    serve,
    templates,
    upkeep,
    webhooks,
)
from .output import complain, complain_with_facts
from .rooms import STREAM, UsageError

__all__ = ["make_app", "run"]

FAILED, WRONG_USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141

_ABOUT = "Keep structured records, ask about them, and never lose what was there before."
_HELP = "Exit codes and more: recordroom --help"
_MORE = f"""\
A room is a folder, postgresql://user@host/database, or a server, https://host.
Give it as the first argument, with --room, in RECORDROOM_URL, or in a profile.

For example:
  recordroom demo
  recordroom init studio.room --schema studio.toml
  recordroom import studio.room Task tasks.csv --key name
  recordroom query studio.room 'Task where project.name is "Bunny" and bid > 5'

With --json, results on stdout are one JSON document, or for query, history and
search one JSON object a line. An error is one line on stderr; with --json a
line of JSON with its code, message and details follows it.

Exit codes:
  0  it worked               2  wrong usage             130  interrupted
  {FAILED}  the work failed         {upkeep.FOUND_PROBLEMS}  check found problems  141  output not read
"""


def _version() -> str:
    from importlib import metadata

    return metadata.version("recordroom")


def make_app() -> App:
    """The commands."""
    app = App(
        name="recordroom",
        help=_ABOUT,
        help_epilogue=_MORE,
        help_format="plaintext",
        version=_version,
        suppress_keyboard_interrupt=False,
    )
    groups = ("Begin", "Servers", "Accounts", "Schema", "Rows and records", "Upkeep")
    start, far, people, shape, data, care = map(Group.create_ordered, groups)
    schema.schema_app.group = (shape,)
    templates.template_app.group = (shape,)
    profiles.profile_app.group = (far,)
    webhooks.webhook_app.group = (care,)
    jobs.job_app.group = (care,)
    files.files_app.group = (data,)
    app.command(files.files_app)
    app.command(profiles.profile_app)
    for each in accounts.account_apps:
        each.group = (people,)
        app.command(each)
    app.command(webhooks.webhook_app)
    app.command(jobs.job_app)
    app.command(schema.schema_app)
    app.command(templates.template_app)
    commands: tuple[tuple[Group, str, Callable[..., object], str], ...] = (
        (start, "demo", demo.demo, ""),
        (start, "init", upkeep.init, "[ROOM]"),
        (far, "login", login.login, "[URL]"),
        (far, "logout", login.logout, "[URL]"),
        (far, "whoami", login.whoami, "[URL]"),
        (shape, "types", schema.types, "[ROOM]"),
        (data, "query", rows.query, "[ROOM] QUERY"),
        (data, "import", rows.import_, "[ROOM] TYPE FILE"),
        (data, "export", rows.export, "[ROOM] QUERY FILE"),
        (data, "history", records.history, "[ROOM] TYPE WHICH"),
        (data, "search", records.search, "[ROOM] TEXT"),
        (care, "serve", serve.serve, "[ROOM]"),
        (care, "config", serve.config, "[ROOM]"),
        (care, "worker", jobs.worker, "[ROOM]"),
        (care, "check", upkeep.check, "[ROOM]"),
        (care, "compact", upkeep.compact, "[ROOM]"),
        (care, "backup", copying.backup, "[ROOM] FOLDER"),
        (care, "restore", copying.restore, "BACKUP ROOM"),
        (care, "copy", copying.copy, "SOURCE TARGET"),
        (care, "databases", upkeep.databases, "[ROOM]"),
        (care, "settings", upkeep.settings, "[ROOM]"),
    )
    for position, (group, name, command, words) in enumerate(commands):
        usage = f"Usage: recordroom {name} {words} [OPTIONS]".replace("  ", " ")
        app.command(command, name=name, group=group, usage=usage, sort_key=position, help_epilogue=_HELP)
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; Python must not complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def _run(given: list[str]) -> int:
    as_json = "--json" in given
    tokens = [STREAM if token == "-" else token for token in given]
    try:
        result = make_app()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError) as error:
        return _wrong_usage(error, given)
    except Error as error:
        complain(error.message)
        if as_json:
            complain_with_facts(error)
        return FAILED
    return result if isinstance(result, int) else 0


def _wrong_usage(error: CycloptsError | UsageError, given: list[str]) -> int:
    command = " ".join(["recordroom", *_command(given)])
    complain(f"{str(error).strip()} (see {command} --help)")
    return WRONG_USAGE


def _command(given: list[str]) -> list[str]:
    names = [name for name in given if not name.startswith("-")]
    known = {"schema": 2, "template": 2, "profile": 2, "webhook": 2, "job": 2, "files": 2} | {
        each.name[0]: 2 for each in accounts.account_apps
    }
    if not names or names[0] not in set(make_app()):
        return []
    return names[: known.get(names[0], 1)]
