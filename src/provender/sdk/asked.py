"""What is asked for: a service or a list of features, and what may be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from provender.bootstrap import mask_key
from provender.core.clock import utc_now
from provender.core.errors import Denied, InvalidInput
from provender.core.features import RepoSpec, ServiceSpec, resolve
from provender.core.leases import Ruling
from provender.core.names import FeatureRef
from provender.core.parted import found_by, made_of, permitted
from provender.core.policy import Action, ColumnRef
from provender.core.serving import PURPOSE, SERVER
from provender.core.tally import Matter, matter_of
from provender.online.plan import LookupPlan, compile_plan
from provender.online.veil import Veil, Veils
from provender.settings import Settings
from provender.transforms import load_transform

if TYPE_CHECKING:
    from provender.core.protocols import Library


def asked_of(repo: RepoSpec, service: str | None, features: Sequence[str]) -> ServiceSpec:
    """Return the service that is asked for, or one without a name of the ``features``.

    Raises:
        NotFound: there is no such service.
        InvalidInput: both are asked for, or neither is.
    """
    if (service is None) == (not features):
        raise InvalidInput(
            "say which features: a service, or a list of features, and not both",
            hint=f"services are {', '.join(s.name for s in repo.services) or 'none yet'}",
        )
    if service is not None:
        return repo.service(service)
    return ServiceSpec(name="", features=tuple(FeatureRef.parse(text) for text in features))


@dataclass(frozen=True, slots=True)
class Lookable:
    """A plan, what lies over the rows that it reads, and what is written down of its lookups."""

    plan: LookupPlan
    veils: tuple[Veil | None, ...] = ()
    matter: Matter | None = None


def lookable(
    catalog: "Library", settings: Settings, repo: RepoSpec, asked: ServiceSpec, *, full: bool
) -> Lookable:
    """Return the plan of looking up what is ``asked``, with ``full`` names or short ones.

    It ends when the actor's permit does, or the server's. Of the rows there is what both leave.

    Raises:
        NotFound: a name is unknown.
        Denied: a feature is closed for serving, or to the actor.
    """
    columns = served_columns(repo, asked.own_features)
    permit = catalog.permit(Action.SERVE, columns, purpose=PURPOSE)
    permit.cover(columns, now=utc_now(), shielded=True)
    manifest = catalog.records.serving_manifest(repo.project)
    is_live = settings.online_policy == "live"
    needed = {ref.view for ref in asked.own_features}
    plan = compile_plan(
        manifest.left_to_leases if is_live else manifest,
        asked.features,
        full_feature_names=full,
        transforms={
            spec.name: load_transform(spec, settings.feature_repo)
            for spec in manifest.on_demand
            if spec.name in needed
        },
        projections=asked.projections,
        service=asked.name,
    )
    parts, tags = permitted(permit, repo, plan.used), {}
    if is_live:
        lease = catalog.records.policy_lease(repo.project)
        ruling, tags = lease.verdict(SERVER), lease.tags
        plan, parts = _leased(plan, ruling), parts.within(ruling.parts)
    if never := parts.refusal(plan.given):
        raise Denied(never, hint="ask for a feature that is computed from it")
    plan = plan if permit.expires is None else _until(permit.expires, plan, asked)
    veils = Veils(parts, lambda: mask_key(settings, repo.project)).over(plan)
    told = {"project": repo.project, "service": asked.name}
    return Lookable(plan, veils, matter_of(permit, **told, views=plan.versions, tags=tags))


def _leased(plan: LookupPlan, ruling: Ruling) -> LookupPlan:
    """Return the plan as far as servers may answer it by the policy of now."""
    standing = ruling.standing(plan.used, plan.given)
    standing.require(utc_now())
    ends = {standing.ending: standing.until} if standing.until is not None else {}
    return replace(plan, open_until=ends, is_public=standing.is_public)


def _until(end: datetime, plan: LookupPlan, asked: ServiceSpec) -> LookupPlan:
    """Return the plan, open until ``end`` at the latest: then the actor's own permit is over."""
    ends = {str(ref): end for ref in asked.features}
    ends |= {ref: min(until, end) for ref, until in plan.open_until.items()}
    return replace(plan, open_until=ends)


def served_columns(repo: RepoSpec, asked: tuple[FeatureRef, ...]) -> list[ColumnRef]:
    """Return the governed columns that a lookup of the ``asked`` features reads, and finds rows by."""
    views = {ref: repo.view(ref.view) for ref in resolve(repo, asked).stored}
    given = {made_of(view, ref.feature) for ref, view in views.items() if view.dataset}
    return sorted(given.union(*map(found_by, views.values())))
