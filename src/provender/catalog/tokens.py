"""API tokens: made by whom they are for, or for services by who governs; known by their secrets.

The secret of one is in no row, no event and no log: what is kept is its digest.
"""

from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from secrets import token_urlsafe

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provender.catalog import access, changes
from provender.catalog.changes import Change
from provender.catalog.rows import PersonRow, PurposeRow, TokenRow
from provender.core.audit import EventKind
from provender.core.bounds import PATTERNS, TOKENS
from provender.core.errors import Conflict, Denied, InvalidInput, NotFound, Unauthenticated
from provender.core.identity import How, Identity
from provender.core.limits import EVERY, NO_LIMITS, Limits
from provender.core.names import suggest, unknown
from provender.core.people import SERVICE, Actor, check_actor_id, is_service
from provender.core.policy import Action
from provender.core.tokens import (
    PREFIX,
    SECRET,
    SECRET_BYTES,
    IssuedToken,
    Token,
    check_terms,
    sealed,
)

USED = timedelta(minutes=5)
"""How exactly it is known when a token was used last: writing that down takes the writer's turn."""
PORTION = 100
"""Tokens that are read at once."""
ASKING = frozenset({Action.SERVE, Action.PUBLISH})
"""What a token has to name, for servers to know it."""


def create(
    db: Session,
    by: Actor,
    *,
    name: str,
    actor: str,
    limits: Limits = NO_LIMITS,
    until: datetime | None = None,
    within: Identity | None = None,
    change: Change,
) -> IssuedToken:
    """Return a new token for ``actor`` and its secret, that nothing keeps.

    ``within`` is the identity that asks for it: it is given no more, and not for longer.

    Raises:
        Denied: it is for somebody else who is no service, or ``by`` does not govern, or it would
            let its holder do more than who asks for it.
        NotFound: the service or the purpose is not declared.
        InvalidInput: it has no name, or lasts for too long.
    """
    _check_whose(db, by, actor, change=change)
    _check_limits(db, limits)
    _check_few(db, actor, change=change)
    ends = check_terms(name, until, now=change.at)
    if within is not None and within.until is not None and until is None:
        ends = min(ends, within.until)
    _check_within(by, limits, ends, within)
    issued = _add(db, name.strip(), actor, limits, until=ends, by=by, replaces="", change=change)
    _tell(db, change, EventKind.TOKEN_CREATE, issued.token)
    return issued


def listed(
    db: Session,
    by: Actor,
    *,
    within: Identity | None = None,
    limit: int | None = None,
    after: str = "",
    now: datetime,
) -> list[Token]:
    """Return the tokens that ``by`` may see, oldest first: their own; all, for who governs.

    Of those, what asks within limits sees itself, and what reaches no further, if it may end it.
    """
    wanted = select(TokenRow).where(TokenRow.number > _number(after))
    if not access.governs(db, by, now=now):
        wanted = wanted.where(TokenRow.actor == by.id)
    in_portions = wanted.order_by(TokenRow.number).execution_options(yield_per=PORTION)
    with closing(db.scalars(in_portions)) as rows:
        shown = (row for row in rows if _shows(row, within))
        return [_token(row) for row in islice(shown, limit)]


def alike(db: Session, who: str, others: Collection[str]) -> frozenset[str]:
    """Return those of ``others`` that may be the same person as ``who``, by tokens that were made.

    Whoever made a token of a service has had its secret: they can ask as it does. What takes two
    people is not for a person and such a service, nor for two services of theirs, nor is what is
    for a team for a service of who is in it. Tokens may have been made by such services in turn.
    """
    if not others:
        return frozenset()
    made: dict[str, set[str]] = {}
    new = {who, *others}
    while new:
        made |= {name: set() for name in new}
        asked = select(TokenRow.actor, TokenRow.created_by).where(TokenRow.actor.in_(new))
        for actor, by in db.execute(asked.distinct()):
            made[actor].add(by)
        new = {by for makers in made.values() for by in makers} - made.keys()
    hands = {one: _behind(one, made) for one in (who, *others)}
    teams = {team for one in hands[who] for team in access.actor(db, one).teams}
    return frozenset(
        one
        for one in others
        if one != who and (one in teams or not hands[who].isdisjoint(hands[one]))
    )


def _behind(name: str, made: Mapping[str, Collection[str]]) -> set[str]:
    """An actor with all who made tokens of theirs, and tokens of these."""
    found, new = set[str](), {name}
    while new:
        found |= new
        new = {by for one in new for by in made[one]} - found
    return found


def revoke(
    db: Session, by: Actor, identity: str, *, within: Identity | None = None, change: Change
) -> Token:
    """Return a token that is over as of ``change``, or since it was revoked first.

    Raises:
        NotFound: there is none of that id among those that ``by`` may see.
    """
    row = _seen(db, by, identity, within=within, change=change)
    _end(db, row, change=change)
    return _token(row)


def rotate(
    db: Session, by: Actor, identity: str, *, within: Identity | None = None, change: Change
) -> IssuedToken:
    """Return a token for the same, for as long as the old one was for, which is over now.

    A token may be rotated by itself, as long as it is in force. Nothing that asks makes one that
    outlives it: what rotates itself ends when it would have, also where a sign-in clamped that.

    Raises:
        NotFound: there is none of that id among those that ``by`` may see.
        Denied: it is somebody else's, and no service's, or reaches further than what asks.
        Conflict: it is over already.
    """
    row = _seen(db, by, identity, within=within, change=change)
    old = _token(row)
    _check_whose(db, by, old.actor, change=change)
    if not old.in_force(change.at):
        raise Conflict(f"the token {old.id} is over", hint="make a new one: provender token create")
    if within is None or within.token != old.id:
        _check_within(by, old.limits, old.until, within)
    row.revoked_at = change.at
    until = change.at + (old.until - old.created_at)
    if within is not None and within.until is not None:
        until = min(until, within.until)
    issued = _add(
        db, old.name, old.actor, old.limits, until=until, by=by, replaces=old.id, change=change
    )
    _tell(db, change, EventKind.TOKEN_ROTATE, issued.token)
    return issued


def revoke_all(db: Session, change: Change, actor: str = "") -> None:
    """End every token of an actor who is gone; without one, every token there is."""
    wanted = select(TokenRow).where(TokenRow.revoked_at.is_(None))
    if actor:
        wanted = wanted.where(TokenRow.actor == actor)
    for row in db.scalars(wanted.order_by(TokenRow.number)).all():
        _end(db, row, change=change)


def identified(db: Session, secret: str, *, now: datetime) -> tuple[Identity, bool]:
    """Return who holds ``secret``, and whether it should be written down that it was used.

    Raises:
        Unauthenticated: it is no secret of a token in force.
    """
    found = select(TokenRow).where(TokenRow.sealed == sealed(secret))
    row = db.scalar(found) if SECRET.match(secret) else None
    if row is None:
        raise Unauthenticated(
            "that token is not known here",
            hint=f"tokens begin with {PREFIX}; make one: provender token create",
        )
    token = _token(row)
    token.check(now)
    return _identity(token), token.used_at is None or now - token.used_at >= USED


def for_serving(db: Session, project: str, *, now: datetime) -> list[tuple[str, Identity]]:
    """Return whoever may ask servers of ``project``: what is kept of their secrets, and who they are.

    Those of tokens that name one of the actions `ASKING`: one that is for everything stays here.
    """
    wanted = select(TokenRow).where(TokenRow.revoked_at.is_(None), TokenRow.until > now)
    rows = db.scalars(wanted.order_by(TokenRow.number)).all()
    return [
        (row.sealed, _identity(_token(row)))
        for row in rows
        if not ASKING.isdisjoint(row.limits.actions) and row.limits.project in ("", project)
    ]


def state(db: Session) -> list[int]:
    """Return what changes with each token that is made or revoked."""
    last, revoked = func.max(TokenRow.number), func.count(TokenRow.revoked_at)
    return [count or 0 for count in db.execute(select(last, revoked)).one()]


def used(db: Session, identity: str, *, at: datetime) -> None:
    """Write down that a token was used."""
    row = db.get(TokenRow, _number(identity))
    if row is not None:
        row.used_at = at


def _check_whose(db: Session, by: Actor, actor: str, *, change: Change) -> None:
    check_actor_id(actor)
    if actor == by.id:
        return
    if not is_service(actor):
        raise Denied(
            f"{by} cannot make a token for {actor}: people and teams are not others' to be",
            hint=f"{actor} can make one, signed in",
        )
    access.check(
        db, by, Action.GOVERN, [access.EVERYTHING], now=change.at, doing="make tokens for services"
    )
    if db.get(PersonRow, actor) is None:
        known = db.scalars(select(PersonRow.id).where(PersonRow.id.startswith(SERVICE))).all()
        raise NotFound(
            f"{actor} is not declared",
            hint=f"{suggest(actor, known)} Services are declared in catalog/people.yml",
            what="person",
        )


def _check_within(by: Actor, limits: Limits, until: datetime, asking: Identity | None) -> None:
    """Check that a token of ``limits`` lets nobody do more, or longer, than what asks for it."""
    if asking is None:
        return
    if not (limits.within(asking.limits) and (asking.until is None or until <= asking.until)):
        raise Denied(
            f"{by} asks with a token that does not reach as far, or as long, as the new one would",
            hint="ask for less, or sign in without that token",
        )


def _check_few(db: Session, actor: str, *, change: Change) -> None:
    """Check that ``actor`` has not as many tokens in force as one may have."""
    in_force = TokenRow.revoked_at.is_(None) & (TokenRow.until > change.at)
    there = select(func.count()).where(TokenRow.actor == actor, in_force)
    if db.scalars(there).one() >= TOKENS:
        raise Conflict(
            f"{actor} has {TOKENS} tokens in force already",
            hint="revoke those that are not used: provender token list",
        )


def _check_limits(db: Session, limits: Limits) -> None:
    if len(limits.datasets) > PATTERNS:
        raise InvalidInput(
            f"a token is for at most {PATTERNS} patterns of datasets, not {len(limits.datasets):,}",
            hint="write stars, such as domain.*",
        )
    for action in limits.actions:
        if action != EVERY and action not in set(Action):
            raise InvalidInput(
                f"{action!r} is not an action", hint=f"actions are {', '.join(Action)}"
            )
    if limits.purpose and db.get(PurposeRow, limits.purpose) is None:
        raise unknown("purpose", limits.purpose, db.scalars(select(PurposeRow.name)).all())


def _add(
    db: Session,
    name: str,
    actor: str,
    limits: Limits,
    *,
    until: datetime,
    by: Actor,
    replaces: str,
    change: Change,
) -> IssuedToken:
    secret = PREFIX + token_urlsafe(SECRET_BYTES)
    row = TokenRow(
        number=(db.scalar(select(func.max(TokenRow.number))) or 0) + 1,
        sealed=sealed(secret),
        actor=actor,
        name=name,
        limits=limits,
        created_at=change.at,
        created_by=by.id,
        until=until,
        revoked_at=None,
        used_at=None,
        replaces=replaces,
    )
    db.add(row)
    db.flush()
    return IssuedToken(token=_token(row), secret=secret)


def _end(db: Session, row: TokenRow, *, change: Change) -> None:
    if row.revoked_at is None:
        row.revoked_at = change.at
        _tell(db, change, EventKind.TOKEN_REVOKE, _token(row))


def _tell(db: Session, change: Change, kind: EventKind, token: Token) -> None:
    said = {"actor": token.actor, "name": token.name, "limits": token.limits, "until": token.until}
    changes.tell(db, change, kind, token.id, said | {"replaces": token.replaces})


def _seen(
    db: Session, by: Actor, identity: str, *, within: Identity | None, change: Change
) -> TokenRow:
    row = db.get(TokenRow, _number(identity))
    theirs = row is not None and (row.actor == by.id or access.governs(db, by, now=change.at))
    if row is None or not theirs or not _shows(row, within):
        own = select(TokenRow).where(TokenRow.actor == by.id).order_by(TokenRow.number)
        near = [f"t{row.number}" for row in db.scalars(own) if _shows(row, within)]
        raise unknown("token", identity, near)
    return row


def _shows(row: TokenRow, within: Identity | None) -> bool:
    """Whether what asks may see a token of those whom it asks for: without limits each of them."""
    if within is None or within.limits == NO_LIMITS or within.token == f"t{row.number}":
        return True
    return EVERY in within.limits.actions and row.limits.within(within.limits)


def _number(identity: str) -> int:
    """The number of a token called ``t7``; 0 for what is none."""
    number = identity.removeprefix("t")
    fits = number.isascii() and number.isdecimal() and len(number) < 10
    return int(number) if fits and identity.startswith("t") else 0


def _identity(token: Token) -> Identity:
    return Identity(
        actor=token.actor, how=How.TOKEN, limits=token.limits, token=token.id, until=token.until
    )


def _token(row: TokenRow) -> Token:
    return Token(
        id=f"t{row.number}",
        actor=row.actor,
        name=row.name,
        created_at=row.created_at,
        created_by=row.created_by,
        until=row.until,
        limits=row.limits,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
        replaces=row.replaces,
    )
