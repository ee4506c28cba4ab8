"""Runs one command line: parses it, calls the command, and turns what went wrong into a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from cyclopts import App, CycloptsError, Group

from ..errors import Error
from . import (
    copying,
    demo,
    files,
    groups,
    jobs,
    login,
    profiles,
    records,
    rows,
    schema,
    serve,
    templates,
    tokens,
    upkeep,
    users,
    webhooks,
)
from .apps import EPILOGUE, usage
from .output import complain, complain_with_facts
from .rooms import STREAM, UsageError

__all__ = ["make_app", "run"]

FAILED, WRONG_USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141

_ABOUT = "Keep structured records, ask about them, and never lose what was there before."
_MORE = f"""\
A room is a folder, postgresql://user@host/database, or a server, https://host.
Give it as the first argument, with --room, in RECORDROOM_URL, or in a profile.

For example:
  recordroom demo
  recordroom init studio.room --schema studio.toml
  recordroom import studio.room Task tasks.csv --key name
  recordroom query studio.room 'Task where project.name is "Bunny" and bid > 5'

With --json, results on stdout are one JSON document, or for query, history,
search, files list and job list one JSON object a line. An error is one line on
stderr; with --json a line of JSON with its code, message and details follows it.

Exit codes:
  0  it worked               2  wrong usage           {INTERRUPTED}  interrupted
  {FAILED}  the work failed         {upkeep.FOUND_PROBLEMS}  check found problems  {PIPE_CLOSED}  output not read
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
    app["--help"].group = app["--version"].group = Group("About", sort_key=-1)
    titles = ("Begin", "Rows and records", "Schema", "Servers and profiles", "Serving others", "Accounts", "Upkeep")
    start, data, shape, far, near, people, care = map(Group.create_ordered, titles)
    commands: tuple[tuple[Group, str, Callable[..., object] | App, str], ...] = (
        (start, "demo", demo.demo, ""),
        (start, "init", upkeep.init, "[ROOM]"),
        (data, "query", rows.query, "[ROOM] QUERY"),
        (data, "search", records.search, "[ROOM] TEXT"),
        (data, "history", records.history, "[ROOM] TYPE WHICH"),
        (data, "import", rows.import_, "[ROOM] TYPE FILE"),
        (data, "export", rows.export, "[ROOM] QUERY FILE"),
        (data, "files", files.files_app, ""),
        (shape, "schema", schema.schema_app, ""),
        (shape, "template", templates.template_app, ""),
        (shape, "types", schema.types, "[ROOM]"),
        (far, "login", login.login, "[URL]"),
        (far, "logout", login.logout, "[URL]"),
        (far, "whoami", login.whoami, "[URL]"),
        (far, "profile", profiles.profile_app, ""),
        (near, "serve", serve.serve, "[ROOM]"),
        (near, "config", serve.config, "[ROOM]"),
        (near, "worker", jobs.worker, "[ROOM]"),
        (near, "job", jobs.job_app, ""),
        (near, "webhook", webhooks.webhook_app, ""),
        (people, "user", users.user_app, ""),
        (people, "group", groups.group_app, ""),
        (people, "role", groups.role_app, ""),
        (people, "rule", groups.rule_app, ""),
        (people, "token", tokens.token_app, ""),
        (care, "check", upkeep.check, "[ROOM]"),
        (care, "compact", upkeep.compact, "[ROOM]"),
        (care, "backup", copying.backup, "[ROOM] FOLDER"),
        (care, "restore", copying.restore, "BACKUP ROOM"),
        (care, "copy", copying.copy, "SOURCE TARGET"),
        (care, "databases", upkeep.databases, "[ROOM]"),
        (care, "settings", upkeep.settings, "[ROOM]"),
    )
    for position, (group, name, command, words) in enumerate(commands):
        if isinstance(command, App):
            command.group, command.sort_key = (group,), position
            app.command(command)
        else:
            line = usage(name, words, room="")
            app.command(command, name=name, group=group, usage=line, sort_key=position, help_epilogue=EPILOGUE)
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
    complain(f"{_reason(str(error).strip())} (see {command} --help)")
    return WRONG_USAGE


def _reason(text: str) -> str:
    """What is wrong; the list of commands only where it is whole and no name is close."""
    reason, _, listed = text.partition(" Available commands:")
    return reason if "Did you mean" in reason or "..." in listed else text


def _command(given: list[str]) -> list[str]:
    """The command that was meant, as far as it is one."""
    app, found = make_app(), []
    for name in (each for each in given if not each.startswith("-")):
        if name not in set(app):
            break
        found.append(name)
        app = app[name]
    return found
