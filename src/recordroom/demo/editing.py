"""Editing: two people and one record, who did what, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Conflict
from .stage import Stage

if TYPE_CHECKING:
    from ..client.session import Session

__all__ = ["history", "two_sessions"]

BUSIEST = """
select plane.tailnum as tailnum, count() as flights from Flight
where plane.seats > 100 group by plane.tailnum order by flights desc, tailnum limit 1"""


def two_sessions(mine: Session, theirs: Session, stage: Stage) -> Any:
    """Edits of different attributes merge; edits of the same one clash. Gives the aircraft that was edited."""
    tailnum = mine.query(BUSIEST).one()["tailnum"]
    one, other = (session.query("Plane").where(f'tailnum is "{tailnum}"').one() for session in (mine, theirs))
    stage.say(f"{tailnum} ({one['manufacturer']} {one['model']}, {one['seats']} seats) is open in two sessions.")
    seats = one["seats"]

    one["model"] = f"{one['model']} (refitted)"
    other["speed"] = 450
    mine.commit(notes="refitted")
    theirs.commit(notes="speed measured")
    mine.refresh(one)
    stage.say("One sets the model, the other the speed, and both stand:")
    stage.table(["model", "speed", "seats"], [[one["model"], one["speed"], one["seats"]]])

    one["seats"], other["seats"] = seats + 6, seats - 2
    theirs.commit(notes="two seats less")
    try:
        mine.commit(notes="six seats more")
    except Conflict as conflict:
        clash = conflict.attributes["seats"]
        stage.say("Both set the seats: the second commit raises Conflict, and changes nothing.")
        stage.table(["base", "mine", "theirs"], [[clash.base, clash.mine, clash.theirs]])
        mine.commit(notes="the workshop is right", on_conflict="mine")
        stage.say(f'Committed again with on_conflict="mine": {one["seats"]} seats.')
    return one


def history(session: Session, plane: Any, stage: Stage) -> None:
    """What happened to one record; how it was; and undoing the last change."""
    changes = list(session.history(plane))
    ours = [change for change in changes if change.verb == "update"]
    stage.table(
        ["revision", "attribute", "before", "after", "notes"],
        [[str(each.revision), each.attribute, each.before, each.after, each.notes] for each in ours],
    )
    first = ours[-1].revision - 1
    then = session.at(first).query("Plane").where(f'tailnum is "{plane["tailnum"]}"').one()
    stage.say(f"  session.at({first}): {then['model']}, {then['seats']} seats, as it was then")
    session.revert(ours[0].revision)
    session.refresh(plane)
    stage.say(f"  session.revert({ours[0].revision}): {plane['seats']} seats again; the history keeps all of it")
