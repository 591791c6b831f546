"""Projects: whose they are, and what they are for. Known from what is applied."""

from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import access, history
from provender.catalog.changes import Change
from provender.catalog.rows import ProjectRow
from provender.core.errors import Denied
from provender.core.features import RepoSpec
from provender.core.governance import Project
from provender.core.people import Actor
from provender.core.policy import Action


def keep(db: Session, change: Change, repo: RepoSpec) -> None:
    """Write down what ``repo`` says of its project."""
    said = Project(name=repo.project, description=repo.description, owner=repo.owner)
    row = db.get(ProjectRow, repo.project)
    if row is None:
        db.add(ProjectRow(name=repo.project, scope=0, value=said))
    else:
        row.value = said
    history.keep(db, change, "project", repo.project, said)


def check_owner(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> bool:
    """Return whether ``by`` owns the project of ``repo`` already, in person or by a team.

    Raises:
        Denied: ``repo`` gives it to somebody else, and ``by`` neither owns it nor governs.
    """
    row = db.get(ProjectRow, repo.project)
    owner = row.value.owner if row is not None else ""
    if owner in (by.id, *by.teams):
        return True
    if owner and repo.owner != owner:
        asked = [access.EVERYTHING]
        if not access.explain(db, by, Action.GOVERN, asked, purpose="", now=now).allowed:
            raise Denied(
                f"project {repo.project} is {owner}'s, and {by} may not give it to "
                f"{repo.owner or 'nobody'}",
                hint=f"name {owner} as the owner of the project, or ask them to apply it",
            )
    return False
