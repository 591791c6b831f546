"""What who looks after the catalog does for its audit trail: sign for it now, change the key."""

from provender.catalog import audit, changes, checkpoints
from provender.catalog.checkpoints import Sealing
from provender.catalog.door import Door
from provender.catalog.operators import check_operates
from provender.core.audit import EventKind
from provender.core.checkpoints import Checkpoint
from provender.core.errors import Misconfigured
from provender.core.policy import Action


def checkpoint(door: Door) -> Checkpoint | None:
    """Return the checkpoint of all events there are, made if need be; None: there are none.

    Raises:
        Denied: the actor may not govern.
        Misconfigured, Corrupt, Unavailable: as `checkpoints.make`.
    """
    with door.writing(Action.GOVERN) as (db, change):
        check_operates(db, door.who(db), doing="sign the audit trail", now=change.at)
        ending = audit.last(db)
        return checkpoints.make(db, _sealing(door), ending) if ending else None


def rotate(door: Door) -> str:
    """Sign with a new key from now on, and return its id; that is an event, signed with it.

    Raises:
        Denied: the actor may not govern.
        Misconfigured: the folder of keys cannot be written.
    """
    with door.writing(Action.GOVERN) as (db, change):
        check_operates(db, door.who(db), doing="change the key of the audit trail", now=change.at)
        sealing = _sealing(door)
        made = sealing.keys.rotate()
        event = changes.tell(db, change, EventKind.AUDIT_ROTATE_KEY, "catalog", {"key": made})
        checkpoints.make(db, sealing, event)
        return made


def _sealing(door: Door) -> Sealing:
    found: Sealing | None = door.engine.get_execution_options().get(checkpoints.SEALING)
    if found is None:
        raise Misconfigured(
            "the audit trail of this catalog is sealed elsewhere",
            hint="do it where its keys are: with PROVENDER_HOME or PROVENDER_AUDIT_KEYS",
        )
    return found
