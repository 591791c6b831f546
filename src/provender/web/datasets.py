"""A dataset's page: verified and stated, versions, columns, checks, lineage, readers, access."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provender.core.datasets import Dataset, DatasetVersion, Entry, Evidence, Release
from provender.core.lineage import Node, NodeKind
from provender.core.names import DatasetRef
from provender.core.travel import ColumnTag
from provender.web import plots
from provender.web.columns import address as column_address
from provender.web.columns import carried, portion, profile_of, tags_of
from provender.web.contracts import attached
from provender.web.drawing import pictured
from provender.web.page import Elsewhere, Page, Visit
from provender.web.reach import may, reach, rules_for
from provender.web.versions import release_facts
from provender.web.wording import dataset_address, reader_address

MOST_RELEASES = 50
"""Versions that the page looks at; the others are on the page of versions."""
LISTED = 5
MOST = 20
"""Readers and grants that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the newest data are, and how old they may be; ``fresh`` is None without a promise."""

    newest: datetime | None
    within: timedelta | None
    fresh: bool | None


def dataset(visit: Visit) -> Page | Elsewhere:
    """What a dataset is, what is known of it, and what the actor may do with it."""
    ref = DatasetRef.parse(visit.part("name"))
    finder, records = visit.catalog.finder, visit.catalog.records
    entry = finder.entry(ref.at(None))
    described = entry.dataset
    if described.ref.dataset != ref.dataset:
        return Elsewhere(dataset_address(described.ref.dataset), permanent=True)
    releases = finder.releases(described.ref, limit=MOST_RELEASES)
    release = _latest(visit, entry, releases.items)
    latest = release.version if release else None
    evidence = finder.evidence(latest.ref) if latest else Evidence()
    columns = portion(visit, described, latest)
    governance = visit.catalog.governance(datasets=False)
    node = Node(NodeKind.DATASET, described.ref.dataset)
    lineage, came = pictured(visit.catalog, node), carried(visit, node)
    contract = attached(visit, described.ref)
    grants = records.grants(described.ref, limit=MOST)
    consumers = finder.consumers(described.ref, limit=MOST)
    return Page(
        template="dataset.html",
        title=f"{described.ref} – dataset",
        facts={
            "dataset": described,
            "urn": entry.urn,
            "revision": entry.revision,
            "former_names": entry.former_names,
            "changed_at": entry.changed_at,
            "versions": [release_facts(one) for one in releases.items],
            "latest": latest.number if latest else None,
            "freshness": freshness(described, latest, now=visit.now),
            "schema": columns.columns,
            "columns": columns.total,
            "carried": [tag for one in columns.columns for tag in came.get(one["name"], ())],
            "run": evidence.run,
            "checks": evidence.checks,
            "contract": contract
            and {"id": contract.contract.id, "status": contract.contract.status},
            "relations": evidence.profile.relations if evidence.profile else (),
            "may": may(visit.catalog, described),
            "reading": reach(visit.catalog, governance, described, latest),
            "rules": rules_for(governance, described.ref.dataset),
            "grants": grants.items,
            "consumers": consumers.items,
            "lineage": lineage.facts,
        },
        shown={
            "release": release,
            "version": latest,
            "listed": LISTED,
            "more_versions": releases.next is not None,
            "readers": [reader_address(one) for one in consumers.items],
            "more_consumers": consumers.next is not None,
            "portion": columns,
            "rows": [
                _row(described, one, evidence, governance.taxonomy.protected, came)
                for one in columns.columns
            ],
            "picture": lineage,
            "timeline": plots.timeline(releases.items, entry.latest),
            "days": plots.days(
                [one.version.published_at.date() for one in releases.items],
                today=visit.now.date(),
            ),
            "profiled": evidence.profile is not None,
            "people": {person.id: person for person in governance.people},
            "protected": governance.taxonomy.protected,
            "tag_meanings": {tag.name: tag.description for tag in governance.tags},
        },
    )


def freshness(dataset: Dataset, latest: DatasetVersion | None, *, now: datetime) -> Freshness:
    """Return how fresh the latest version's data are: by their newest event, else by its date."""
    newest = latest.newest if latest else None
    fresh = dataset.is_fresh(newest, now=now) if newest else None
    return Freshness(newest=newest, within=dataset.fresh_within, fresh=fresh)


def _latest(visit: Visit, entry: Entry, releases: tuple[Release, ...]) -> Release | None:
    """Return the newest version that a reader is given, None if there is none yet."""
    if entry.latest is None:
        return None
    near = next((one for one in releases if one.version.number == entry.latest), None)
    return near or visit.catalog.release(entry.dataset.ref.at(entry.latest))


def _row(
    dataset: Dataset,
    column: dict[str, Any],
    evidence: Evidence,
    protected: Collection[str],
    came: Mapping[str, Sequence[ColumnTag]],
) -> dict[str, Any]:
    """Return what the table of columns shows of one: of the dataset's tags, those that close it."""
    own = {*column["tags"], *(one.tag for one in came.get(column["name"], ()))}
    profile = profile_of(evidence, column["name"])
    nulls = profile.nulls / profile.count if profile and profile.count else None
    return {
        **column,
        "address": column_address(dataset.ref.dataset, column["name"]),
        "tagged": [
            one
            for one in tags_of(dataset, column["name"], came.get(column["name"], ()))
            if one["tag"] in own or one["name"] in protected
        ],
        "profile": profile,
        "spark": plots.spark(profile) if profile else "",
        "null_share": nulls,
        "filled": plots.share(1 - nulls, says=f"{1 - nulls:.1%} filled")
        if nulls is not None
        else "",
    }
