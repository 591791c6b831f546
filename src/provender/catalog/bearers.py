"""Who may ask online servers, by the API tokens in force that are for serving, and what they may.

A token is for serving if it names `serve` or `publish` among its actions: then, and only then, what
is kept of its secret goes to the online store with the policy lease.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from provender.catalog import access, serving, tokens
from provender.core.digest import digest, short
from provender.core.features import RepoSpec, ViewSpec
from provender.core.identity import acting
from provender.core.leases import Bearer, Ruling
from provender.core.limits import Limits
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef
from provender.core.serving import PURPOSE

Rulings = dict[str, Ruling]


def compile_bearers(
    db: Session, repo: RepoSpec, server: Ruling, *, now: datetime
) -> tuple[dict[str, Bearer], Rulings]:
    """Return whoever may ask, by what is kept of their secrets, and what each holder may be served.

    That is never more than the ``server`` may serve. Tokens of one actor with the same limits
    are one holder.
    """
    bearers: dict[str, Bearer] = {}
    rulings: Rulings = {}
    for sealed, identity in tokens.for_serving(db, repo.project, now=now):
        if identity.until is None:
            continue
        holder = f"{identity.actor} {short(digest(identity.limits), length=16)}"
        bearers[sealed] = Bearer(holder=holder, until=identity.until)
        if holder not in rulings:
            who = acting(access.actor(db, identity.actor), identity)
            rulings[holder] = _Asker(db, who, repo, now).ruling(server)
    return bearers, rulings


@dataclass(frozen=True, slots=True)
class _Asker:
    """Somebody with a token, and the definitions of the project they ask for."""

    db: Session
    who: Actor
    repo: RepoSpec
    now: datetime

    @property
    def limits(self) -> Limits:
        return self.who.limits

    @property
    def purpose(self) -> str:
        """What they ask for: what their token is for, else what servers serve for."""
        return self.limits.purpose or PURPOSE

    def ruling(self, server: Ruling) -> Ruling:
        """Return the part of what the ``server`` may serve that is theirs, too."""
        mine = serving.opened(
            self.db, self.who, self.repo, purpose=self.purpose, parted=True, now=self.now
        )
        closed = {str(ref): why for ref, why in mine.closed.items()}
        ends = {str(ref): until for ref, until in mine.open_until.items()}
        hints = {str(ref): hint for ref, hint in mine.hints.items()}
        closed |= self._files()
        hidden = self._hidden()
        shown = [ref for ref in (*server.opened, *server.closed) if not _is_of(ref, hidden)]
        both = {
            ref: _first(server.opened[ref], ends.get(ref))
            for ref in shown
            if ref in server.opened and ref not in closed
        }
        return Ruling(
            opened=both,
            closed={ref: closed.get(ref) or server.closed[ref] for ref in shown if ref not in both},
            public=tuple(ref for ref in server.public if ref in both),
            parts=server.parts.within(mine.parts),
            written=tuple(
                view.name
                for view in self.repo.views
                if view.online and view.name not in hidden and self._writes(view)
            ),
            absent=True,
            hints={
                ref: hint
                for ref in shown
                if (hint := (hints if ref in closed else server.hints).get(ref)) and ref not in both
            },
            actor=self.who.id,
            purpose=self.purpose,
            reasons=mine.reasons,
        )

    def _files(self) -> dict[str, str]:
        """Features of files, which no catalog governs: closed to a token that is for less."""
        why = self.limits.bars(Action.SERVE, "", self.purpose)
        ungoverned = [view for view in self.repo.views if view.dataset is None]
        names = [f"{view.name}:{feature.name}" for view in ungoverned for feature in view.features]
        return dict.fromkeys(names, why) if why else {}

    def _hidden(self) -> frozenset[str]:
        """The views that they may not know of, and what is computed from those."""
        hidden = {
            view.name
            for view in self.repo.views
            if view.dataset is not None and not self._may(Action.DISCOVER, view.dataset.dataset)
        }
        for computed in self.repo.on_demand:
            if any(needed.view in hidden for needed in computed.inputs):
                hidden.add(computed.name)
        return frozenset(hidden)

    def _writes(self, view: ViewSpec) -> bool:
        if view.dataset is None:
            return not self.limits.bars(Action.PUBLISH, "", "")
        return self._may(Action.PUBLISH, view.dataset.dataset)

    def _may(self, action: Action, dataset: str) -> bool:
        asked = [ColumnRef(dataset)]
        found = access.weigh(self.db, self.who, action, asked, purpose="", now=self.now)
        return found.allowed and (action is Action.DISCOVER or found.expires is None)


def _is_of(ref: str, views: frozenset[str]) -> bool:
    return ref.partition(":")[0] in views


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    ends = [end for end in (one, other) if end is not None]
    return min(ends, default=None)
