"""Projects: whose they are, and what they are for. Known from what is applied."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from provender.catalog import access, epoch, history
from provender.catalog.changes import Change
from provender.catalog.rows import GrantRow, PersonRow, ProjectRow, TeamRow
from provender.core.errors import Denied, InvalidInput
from provender.core.features import RepoSpec
from provender.core.governance import Project
from provender.core.names import suggest
from provender.core.people import PROJECT, Actor
from provender.core.policy import Action


class NotToBeHad(Denied):
    """A project has the name that the actor may not know of; whose it is they are not told."""

    def __init__(self, project: str) -> None:
        super().__init__(
            f"the project name {project} is not to be had", hint="take another project name"
        )


def keep(db: Session, change: Change, repo: RepoSpec) -> None:
    """Write down what ``repo`` says of its project."""
    said = Project(name=repo.project, description=repo.description, owner=repo.owner)
    row = db.get(ProjectRow, repo.project)
    if repo.owner != (row.value.owner if row else ""):
        epoch.bump(db)  # who is in a project may be let more
    if row is None:
        db.add(ProjectRow(name=repo.project, scope=0, value=said))
    else:
        row.value = said
    history.keep(db, change, "project", repo.project, said)


def owner_of(db: Session, project: str) -> str:
    """Return who owns ``project``; empty if nobody does."""
    row = db.get(ProjectRow, project)
    return row.value.owner if row is not None else ""


def check_scope(by: Actor, project: str) -> None:
    """Return if the token of ``by`` is for ``project``, or for any; Denied, if not."""
    if by.limits.project not in ("", project):
        raise Denied(
            f"outside the token's scope: it is for project {by.limits.project}, not {project}",
            hint="ask with a token for that project",
        )


def check_owner(
    db: Session, by: Actor, repo: RepoSpec, *, last_by: str | None, now: datetime
) -> bool:
    """Return whether ``by``, who may know it, owns the project of ``repo`` already, in person or by a team.

    ``last_by`` is who recorded it last; None: nobody yet.

    Raises:
        Denied: it is somebody else's, or was recorded last by somebody else if nobody owns it,
            and ``by`` does not govern.
            Or nobody owns it, and rules or grants name it: who owns it is let what they say.
        InvalidInput: ``repo`` gives it to somebody who is not declared.
    """
    _check_declared(db, repo)
    owner = owner_of(db, repo.project)
    if owner and owner in (by.id, *by.teams):
        return True
    whose = owner or last_by
    if whose not in (None, by.id) and not access.governs(db, by, now=now):
        raise _not_theirs(by, repo.project, owner=owner, last_by=last_by)
    claims = not owner and (last_by is None or repo.owner)
    if claims and _is_named(db, repo.project) and not access.governs(db, by, now=now):
        raise Denied(
            f"rules or grants name project {repo.project}, which nobody owns: not for {by} to claim",
            hint="ask who governs to apply it first, with its owner",
        )
    return False


def check_may_found(db: Session, by: Actor, repo: RepoSpec, *, now: datetime) -> None:
    """Return if ``by`` may make the project of ``repo``, which is not there yet.

    Over data that is governed that is asked of the data. Over files alone it takes a right to
    define something, or to govern: what is defined is found by everybody.

    Raises:
        Denied: rules give ``by`` neither.
    """
    if repo.datasets or repo.kept or not epoch.policy(db).rules:
        return
    some = access.visible(db, by, Action.DEFINE, now=now).limit(1)
    if db.scalar(some) is None and not access.governs(db, by, now=now):
        raise Denied(
            f"{by} may define features over no dataset, and so make no project",
            hint="ask who governs for a rule to define features over a dataset",
        )


def _is_named(db: Session, project: str) -> bool:
    """Whether being in a project lets anybody anything, by rules or by grants that were not revoked."""
    if any(project in rule.of_projects for rule in epoch.policy(db).rules):
        return True
    party = f"{PROJECT}{project}"
    given = db.scalars(select(GrantRow.value).where(GrantRow.revoked_at.is_(None)))
    return any(party == grant.grantee or project == grant.through for grant in given)


def _not_theirs(by: Actor, project: str, *, owner: str, last_by: str | None) -> Denied:
    if owner:
        return Denied(
            f"project {project} is {owner}'s, not {by}'s",
            hint=f"ask {owner} to apply it, or take another project name",
        )
    return Denied(
        f"project {project} was applied last by {last_by}, and has no owner: not by {by}",
        hint=f"ask {last_by} to apply it with an owner, or take another project name",
    )


def _check_declared(db: Session, repo: RepoSpec) -> None:
    """Where nobody is declared anybody may own: there is no one to ask instead."""
    declared = [*db.scalars(select(PersonRow.id)), *db.scalars(select(TeamRow.id))]
    if repo.owner and declared and repo.owner not in declared:
        raise InvalidInput(
            f"owner {repo.owner!r} of project {repo.project} is not declared",
            hint=suggest(repo.owner, declared),
        )
