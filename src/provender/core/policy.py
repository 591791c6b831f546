"""May this actor do that to these columns, for this purpose? `decide` is the only answer.

Deny unless allowed. A rule or a grant allows; nothing else does, but that a dataset's owner
and stewards may publish it and decide about access to it. A column with a protected tag is
reached only by a rule that lists the tag or a grant that names the column. Whoever may do
anything to a dataset may discover it; discovering needs no purpose. What is outside the limits
of the token that an actor asks with is closed, whatever a rule or a grant says.

What is given of a column:

1. A rule that denies, denies, whatever else there is. Who may not discover may do nothing.
2. Of the rules about the column the strictest counts: compute before mask before see, of masks
   the one that leaves least (`core.effects`). A rule that masks opens, too: what it masks.
3. A grant gives what it says. One that names the column goes before what rules make of it; one
   for the whole dataset does not. Of what the rules give and each grant gives, the mildest
   counts: having one more never takes away.
4. Every filter of a rule about the column holds, grant or not.

Who does not say what for is held to what closes for any purpose, and helped by what opens for
every one only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from provender.core.datasets import Dataset
from provender.core.decisions import Decision, Permit, Reason
from provender.core.effects import EFFECTS, Effect
from provender.core.people import Actor
from provender.core.rules import (
    EVERY,
    GRANTED,
    ROWS,
    Action,
    ColumnRef,
    Grant,
    Mode,
    Rule,
    mask_of,
)
from provender.core.tags import tag_name

__all__ = [
    "EVERY", "GRANTED", "Action", "ColumnRef", "Decision", "Grant", "Mode", "Permit", "Reason",
    "Rule", "decide",
]  # fmt: skip
OFFICE = (Action.PUBLISH, Action.STEWARD, Action.DISCOVER)
"""What who decides about a dataset may do to it."""
NOTHING = "null"
"""The mask where none is said."""


def decide(
    actor: Actor,
    action: Action,
    columns: Iterable[ColumnRef],
    *,
    purpose: str,
    datasets: Mapping[str, Dataset],
    protected: frozenset[str],
    rules: Sequence[Rule],
    grants: Sequence[Grant],
    now: datetime,
) -> Decision:
    """Return whether ``actor`` may do ``action`` to each of ``columns`` for ``purpose``, and why.

    ``datasets`` holds those that are asked about, by name; ``protected`` the tags that close a
    column. A dataset that is not there is closed. The decision ends when the first grant it
    rests on ends.
    """
    asked = sorted(set(columns))
    question = _Question(actor, action, purpose, protected, datasets)
    about = [rule for rule in rules if question.concerns(rule)]
    enforced = [rule for rule in about if rule.mode is Mode.ENFORCE]
    given = [grant for grant in grants if grant.in_force(now) and question.is_met_by(grant)]
    verdicts = list(question.verdicts(asked, enforced, given))
    would = question.verdicts(asked, about, given) if len(about) > len(enforced) else ()
    deciders = (datasets[c.dataset].who_decides for c in asked if c.dataset in datasets)
    return Decision(
        actor=actor.id,
        action=action,
        purpose=purpose,
        reasons=tuple(verdict.reason for verdict in verdicts),
        who_decides=tuple(dict.fromkeys(name for names in deciders for name in names)),
        decided_at=now,
        expires=min((v.until for v in verdicts if v.until is not None), default=None),
        shadow=tuple(new.reason for new, old in zip(would, verdicts, strict=False) if new != old),
    )


def concerning(actor: Actor, action: Action, rules: Iterable[Rule], *, purpose: str) -> list[Rule]:
    """Return those of ``rules`` that say anything about that: `decide` by these is as by all."""
    question = _Question(actor, action, purpose, frozenset(), {})
    return [rule for rule in rules if question.concerns(rule)]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The reason for one column, and when what it rests on ends."""

    reason: Reason
    until: datetime | None = None

    @property
    def strictness(self) -> tuple[float, ...]:
        return _strictness((self.reason.effect, self.reason.mask))


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags as they are written: a column's, those of them that close it; of a dataset as a whole.

    ``whole`` is a dataset that is to be discovered: there, a tag of any column counts for a mask.
    """

    own: frozenset[str] = frozenset()
    closing: frozenset[str] = frozenset()
    whole: Dataset | None = None

    @classmethod
    def of(cls, dataset: Dataset, column: str, protected: frozenset[str]) -> "Tags":
        """Return the tags in force on a column, and those of them that are ``protected``."""
        own = dataset.written_tags_of(column)
        return cls(own, frozenset(tag for tag in own if tag_name(tag) in protected))

    @property
    def masked(self) -> Iterable[str]:
        return self.own if self.whole is None else map(str, self.whole.assignments)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, but of which columns."""

    actor: Actor
    action: Action
    purpose: str
    protected: frozenset[str]
    datasets: Mapping[str, Dataset]

    def concerns(self, rule: Rule) -> bool:
        """Return whether ``rule`` is about the actor, the action and the purpose."""
        return (
            self._is_act_of(rule)
            and self.actor.is_one_of(rule.actors)
            and (not rule.projects or not self.actor.projects.isdisjoint(rule.projects))
            and (not rule.attributes or self._has(rule.attributes))
            and (self._is_for(rule.purposes) or (not self.purpose and _restricts(rule)))
        )

    def is_met_by(self, grant: Grant) -> bool:
        """Return whether ``grant`` lets the actor do the action for the purpose."""
        return (
            self.action in (Action.DISCOVER, grant.action)
            and grant.effect is not Effect.DENY
            and (grant.effect is Effect.SEE or grant.action in ROWS)
            and self.actor.is_one_of((grant.grantee,))
            and (not grant.through or grant.through in self.actor.projects)
            and self._is_for(grant.purposes)
        )

    def verdicts(
        self, columns: Iterable[ColumnRef], rules: Sequence[Rule], grants: Sequence[Grant]
    ) -> Iterator[_Verdict]:
        """Yield the verdict on each of ``columns``, by rules and grants that may be about it."""
        fitting: dict[str, list[Rule]] = {}
        for column in columns:
            name = column.dataset
            if barred := self.actor.limits.bars(self.action, name, self.purpose):
                yield _Verdict(_closed(column, barred))
                continue
            if name not in self.datasets and name != EVERY:
                yield _Verdict(_closed(column, "not in the catalog"))
                continue
            if name not in fitting:
                fitting[name] = [rule for rule in rules if fits(name, rule.datasets)]
            yield self._verdict(column, fitting[name], grants)

    def _verdict(
        self, column: ColumnRef, rules: Sequence[Rule], grants: Sequence[Grant]
    ) -> _Verdict:
        dataset, tags = self.datasets.get(column.dataset), self._tags(column)
        about = [rule for rule in rules if is_about(rule, tags)]
        denying = next((rule for rule in about if rule.effect is Effect.DENY), None)
        if denying is not None:
            why = f"denied by rule {denying.id}"
            return _Verdict(_closed(column, why, tags.closing, denying.id))
        who = dataset.who_decides if dataset else ()
        if self.action in OFFICE and self.actor.is_one_of(who):
            return _Verdict(_open(column, "owner or steward", tags))
        found = [
            *self._by_rules(column, about, tags),
            *self._by_grants(column, about, grants, tags),
        ]
        if not found:
            return _Verdict(_closed(column, self._lack(tags), tags.closing, who_decides=who))
        mildest = min(found, key=lambda verdict: verdict.strictness)
        return self._filtered(mildest, about) if self.action in ROWS else mildest

    def _by_rules(self, column: ColumnRef, rules: Sequence[Rule], tags: Tags) -> Iterator[_Verdict]:
        """What the rules about a column give of it: nothing, unless one opens it for the purpose."""
        opening = next(
            (rule for rule in rules if self._is_for(rule.purposes) and reaches(rule, tags)), None
        )
        if opening is not None:
            rule = self._strictest(rules) or opening
            because = f"rule {rule.id}"
            yield _Verdict(_open(column, because, tags, self._gives(rule), rule=rule.id))

    def _by_grants(
        self, column: ColumnRef, rules: Sequence[Rule], grants: Sequence[Grant], tags: Tags
    ) -> Iterator[_Verdict]:
        """What each grant gives of a column; of one that does not name it, what rules leave."""
        for grant in grants:
            named = column.column in grant.columns or (
                self.action is Action.DISCOVER and column.column == EVERY and bool(grant.columns)
            )
            if grant.dataset == column.dataset and (named or not (grant.columns or tags.closing)):
                rule = None if named else self._strictest(rules)
                yield _Verdict(self._granted(column, grant, rule, tags), grant.until)

    def _granted(self, column: ColumnRef, grant: Grant, masking: Rule | None, tags: Tags) -> Reason:
        because, given = f"grant {grant.id}", self._gives(grant)
        if masking is None or _strictness(self._gives(masking)) <= _strictness(given):
            return _open(column, because, tags, given, grant=grant.id)
        return _open(
            column,
            f"{because} and rule {masking.id}",
            tags,
            self._gives(masking),
            rule=masking.id,
            grant=grant.id,
        )

    def _filtered(self, verdict: _Verdict, rules: Sequence[Rule]) -> _Verdict:
        """The verdict with every filter of ``rules``; closed, if one needs what the actor has not."""
        reason, has = verdict.reason, dict(self.actor.attributes)
        found: set[str] = set()
        for rule in rules:
            if (rows := rule.rows) is None:
                continue
            if lacking := sorted(rows.attributes - has.keys()):
                why = f"rule {rule.id} shows rows by actor.{lacking[0]}, which {self.actor} has not"
                return _Verdict(_closed(reason.column, why, reason.tags, rule.id))
            found.add(rows.bound(has).text)
        return replace(verdict, reason=replace(reason, filters=tuple(sorted(found))))

    def _has(self, attributes: Mapping[str, Sequence[str]]) -> bool:
        return all(
            any((name, value) in self.actor.attributes for value in values)
            for name, values in attributes.items()
        )

    def _is_act_of(self, rule: Rule) -> bool:
        if rule.effect is Effect.SEE:
            return self.action is Action.DISCOVER or self.action in rule.actions
        if rule.effect is Effect.DENY:
            acts = self.action in rule.actions or Action.DISCOVER in rule.actions
            return acts and self.action is not Action.GOVERN
        return self.action is Action.DISCOVER or self.action in {*ROWS}.intersection(rule.actions)

    def _is_for(self, purposes: Sequence[str]) -> bool:
        return self.action is Action.DISCOVER or EVERY in purposes or self.purpose in purposes

    def _strictest(self, rules: Iterable[Rule]) -> Rule | None:
        """The rule that leaves least of a column; None if all leave it as it is."""
        if self.action not in ROWS:
            return None
        masking = (rule for rule in rules if rule.effect is not Effect.SEE)
        return max(masking, key=lambda rule: _strictness(self._gives(rule)), default=None)

    def _gives(self, said: Rule | Grant) -> tuple[Effect, str]:
        """What a rule or a grant gives of a column, and by which mask; metadata are given whole."""
        if self.action not in ROWS:
            return Effect.SEE, ""
        return said.effect, (said.mask or NOTHING) if said.effect is Effect.MASK else ""

    def _tags(self, column: ColumnRef) -> Tags:
        dataset = self.datasets.get(column.dataset)
        if dataset is None:
            return Tags()
        tags = Tags.of(dataset, column.column, self.protected)
        whole = self.action is Action.DISCOVER and column.column == EVERY
        return replace(tags, whole=dataset) if whole else tags

    def _lack(self, tags: Tags) -> str:
        closing = ", ".join(sorted(tags.closing))
        why = f"tagged {closing}" if closing else "no rule or grant"
        return (
            f"{why}, for purpose {self.purpose}"
            if self.purpose
            else f"{why}, and no purpose is given"
        )


def is_about(rule: Rule, tags: Tags) -> bool:
    """Return whether a rule, whose patterns fit, is about a column with these tags."""
    if rule.effect is Effect.SEE or not rule.tags:
        return True
    return any(
        _names(rule, tag) for tag in (tags.own if rule.effect is Effect.DENY else tags.masked)
    )


def reaches(rule: Rule, tags: Tags) -> bool:
    """Return whether a rule about a column with these tags names all that close it."""
    return all(_names(rule, tag) for tag in tags.closing)


def _names(rule: Rule, tag: str) -> bool:
    return tag in rule.tags or tag_name(tag) in rule.tags


def _restricts(rule: Rule) -> bool:
    return rule.effect is not Effect.SEE or bool(rule.filter)


def fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _strictness(given: tuple[Effect, str]) -> tuple[float, ...]:
    """What is sorted by: the more, the less is left of a column."""
    effect, written = given
    mask = mask_of(written)
    left = mask.strictness if mask is not None else (0, 0.0)
    return EFFECTS.index(effect), -left[0], -left[1]


def _open(
    column: ColumnRef,
    because: str,
    tags: Tags,
    given: tuple[Effect, str] = (Effect.SEE, ""),
    *,
    rule: str = "",
    grant: str = "",
) -> Reason:
    effect, mask = given
    how = {Effect.MASK: f": masked, {mask}", Effect.COMPUTE: ": for computing only"}
    return Reason(
        column=column,
        allowed=True,
        because=because + how.get(effect, ""),
        effect=effect,
        mask=mask,
        rule=rule,
        grant=grant,
        tags=tuple(sorted(tags.closing)),
    )


def _closed(
    column: ColumnRef,
    because: str,
    tags: Iterable[str] = (),
    rule: str = "",
    who_decides: tuple[str, ...] = (),
) -> Reason:
    return Reason(
        column=column,
        allowed=False,
        because=because,
        effect=Effect.DENY,
        rule=rule,
        tags=tuple(sorted(tags)),
        who_decides=who_decides,
    )
