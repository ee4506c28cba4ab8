"""A process that has everything imported and forks writers, so that a new one writes within milliseconds.

Run as a program by `test_kill`. On stdin a line of JSON (`where`, `seed`, `done`) starts a writer, the line
`kill` kills it; each is answered by a line on stdout. What the writer is about to do, and what it was
told, it writes to the pipe of descriptor EVENTS; a line of that survives it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from recordroom.store.room import Room
from tests.proof.script import State

COMPACT_EVERY, REOPEN_EVERY = 40, 6


def write(where: str, state: State, say: Callable[[str], None]) -> None:
    """Commit for ever; close and open the room, or compact it, now and then."""
    while True:
        say("opening")
        with Room.open(where) as room:
            say("open")
            while True:
                commit = state.next_commit()
                say(f"send {state.done}")
                result = room.commit(commit)
                if state.done % 5 == 0:
                    time.sleep(0.02)  # committed, and nobody knows: as when the answer is lost on its way
                say(f"done {state.done} {result.revision}")
                state.apply(commit)
                if state.done % COMPACT_EVERY == 0:
                    say("compacting")
                    room.compact()
                if state.done % REOPEN_EVERY == 0:
                    break
            say("closing")
        say("closed")


def writer(where: str, state: State, events: int) -> None:
    """The life of a forked writer; it ends only by a kill or by an error."""

    def say(text: str) -> None:
        os.write(events, f"{text}\n".encode())

    try:
        write(where, state, say)
    except BaseException as error:
        say(f"failed {error!r}")
        raise
    finally:
        os._exit(1)


def main(events: int) -> None:
    state = State(seed=-1)
    for line in sys.stdin:
        order = json.loads(line)
        if state.seed != order["seed"]:
            state = State(seed=order["seed"])
        state.advance(order["done"])
        child = os.fork()
        if child == 0:
            writer(order["where"], state, events)
        print("started", flush=True)
        assert sys.stdin.readline() == "kill\n"
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "had ended", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
