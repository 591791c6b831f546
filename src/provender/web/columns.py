"""The columns of a dataset: in portions on its page, and each on a page of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from provender.core.datasets import Dataset, DatasetVersion, Evidence
from provender.core.differences import INSTANTS
from provender.core.errors import NotFound
from provender.core.lineage import Node, NodeKind, impact
from provender.core.names import DatasetRef, unknown
from provender.core.profiles import QUANTILES, ColumnProfile, Profile, Relation
from provender.core.tags import Assignment
from provender.core.travel import ColumnTag
from provender.web import plots
from provender.web.page import Page, Visit
from provender.web.wording import address as page_address
from provender.web.wording import dataset_address

AT_A_TIME = 20
SHOWN = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles of a page; all of them are in its JSON."""
MOST_BINS = 32
HOPS = 8
MOST_BROKEN = 40


@dataclass(frozen=True, slots=True)
class Portion:
    """Columns from number ``first`` on, of ``total``."""

    columns: list[dict[str, Any]]
    first: int
    total: int

    @property
    def last(self) -> int:
        return self.first + len(self.columns) - 1

    @property
    def before(self) -> int | None:
        """The first column of the portion before, None if this is the first."""
        return max(1, self.first - AT_A_TIME) if self.first > 1 else None

    @property
    def after(self) -> int | None:
        """The first column of the portion after, None if this is the last."""
        return self.last + 1 if self.last < self.total else None


def portion(visit: Visit, dataset: Dataset, version: DatasetVersion | None) -> Portion:
    """Return the columns that the address asks for: from ``columns=``, or around ``column=``."""
    every = list(_known(dataset, version))
    first = min(visit.number("columns") or 1, max(1, len(every)))
    if wanted := visit.asked("column"):
        at = next((at for at, one in enumerate(every) if one["name"] == wanted), 0)
        first = at - at % AT_A_TIME + 1
    return Portion(every[first - 1 :][:AT_A_TIME], first, len(every))


def column(visit: Visit) -> Page:
    """One column of the latest version: what it means, what it holds, how that changed."""
    ref = DatasetRef.parse(visit.part("name"))
    finder = visit.catalog.finder
    entry = finder.entry(ref)
    described, name = entry.dataset, visit.asked("name")
    version = visit.catalog.resolve(described.ref.at(entry.latest)) if entry.latest else None
    every = {one["name"]: one for one in _known(described, version)}
    if name not in every:
        raise unknown(f"column of {described.ref}", name, every)
    now, before = _evidence(visit, version), None
    if version and version.parent:
        before = profile_of(_evidence(visit, version, number=version.parent), name)
    found = profile_of(now, name)
    breaks, cut = _breaks(visit, described, name)
    came = carried(visit, Node(NodeKind.DATASET, described.ref.dataset)).get(name, [])
    return Page(
        template="column.html",
        title=f"{name} – column of {described.ref}",
        facts={
            "dataset": described.ref.dataset,
            "version": version.number if version else None,
            "column": every[name],
            "profile": found,
            "before": before,
            "relations": relations(now.profile, name) if now else [],
            "breaks": breaks[:MOST_BROKEN],
            "truncated": cut,
            "carried": came,
        },
        shown={
            "profiled": now is not None and now.profile is not None,
            "tagged": tags_of(described, name, came),
            "plot": plots.histogram(found, before, kind=every[name]["type"]) if found else "",
            "levels": _levels(found) if found else [],
            "instants": INSTANTS,
            "bins": _bins(found, every[name]["type"]) if found else [],
            "parent": version.parent if version else None,
            "more_broken": len(breaks) - MOST_BROKEN,
            "meanings": tag_meanings(visit),
            "protected": visit.catalog.governance(datasets=False).taxonomy.protected,
        },
    )


def address(name: str, column_name: str) -> str:
    """Return the address of a column's page."""
    return f"{dataset_address(name)}/column?{urlencode({'name': column_name})}"


def tag_meanings(visit: Visit) -> dict[str, str]:
    """Return what each tag means."""
    return {tag.name: tag.description for tag in visit.catalog.governance(datasets=False).tags}


def carried(visit: Visit, node: Node) -> dict[str, list[ColumnTag]]:
    """Return the tags that came to columns of ``node``, by column."""
    found: dict[str, list[ColumnTag]] = {}
    for one in visit.catalog.finder.tags(node):
        if one.carried:
            found.setdefault(one.column, []).append(one)
    return found


def tags_of(dataset: Dataset, name: str, came: Iterable[ColumnTag] = ()) -> list[dict[str, str]]:
    """Return the tags in force on a column, each with where it was put or ``came`` from."""
    here = [(text, "put on this column") for text in dataset.column_tags.get(name, ())]
    above = (*dataset.column_tags.get("*", ()), *dataset.tags)
    there = [(text, "put on the dataset, so on every column") for text in above]
    travelled = [(one.tag, one.why) for one in came]
    return [
        {"tag": text, "name": Assignment.parse(text).tag, "why": why}
        for text, why in dict(reversed([*here, *there, *travelled])).items()
    ][::-1]


def profile_of(evidence: Evidence | None, name: str) -> ColumnProfile | None:
    """Return what was measured of a column, None if nothing was."""
    if evidence is None or evidence.profile is None:
        return None
    return next((one for one in evidence.profile.columns if one.column == name), None)


def relations(profile: Profile | None, name: str) -> list[Relation]:
    """Return the exact relations that a column has to others."""
    found = profile.relations if profile else ()
    return [relation for relation in found if name in (relation.column, relation.of)]


def _breaks(visit: Visit, dataset: Dataset, name: str) -> tuple[list[dict[str, Any]], bool]:
    """Return what breaks if the column goes, the nearest first, and whether more may."""
    node = Node(NodeKind.DATASET, dataset.ref.dataset)
    around = visit.catalog.finder.lineage(node, depth=HOPS, columns=True)
    reached = impact(node, name, around.columns)
    nearest = sorted(reached.items(), key=lambda item: (item[1], item[0]))
    told = [
        {
            "kind": place.kind,
            "name": place.name,
            "column": column,
            "steps": steps,
            "address": page_address(place),
        }
        for (place, column), steps in nearest
    ]
    return told, around.truncated


def _evidence(
    visit: Visit, version: DatasetVersion | None, *, number: int | None = None
) -> Evidence | None:
    if version is None:
        return None
    try:
        return visit.catalog.finder.evidence(version.ref.at(number or version.number))
    except NotFound:
        return None


def _known(dataset: Dataset, version: DatasetVersion | None) -> Iterator[dict[str, Any]]:
    """What a version verifies of its columns (type, nulls), and what people say of them."""
    if version is None:
        names = dict.fromkeys((*dataset.column_descriptions, *dataset.column_tags))
        known = [(name, "", True) for name in names if name != "*"]
    else:
        known = [(c.name, c.type, c.nullable) for c in version.manifest.schema.columns]
    for name, kind, nullable in known:
        yield {
            "name": name,
            "type": kind,
            "nullable": nullable,
            "tags": sorted(dataset.column_tags.get(name, ())),
            "description": dataset.column_descriptions.get(name, ""),
        }


def _levels(profile: ColumnProfile) -> list[tuple[str, float]]:
    """The quantiles that are shown, each with the part of the values below it, in percent."""
    every = zip(QUANTILES, profile.quantiles, strict=False)
    return [(f"{100 * share:.0f}", value) for share, value in every if share in SHOWN]


def _bins(profile: ColumnProfile, kind: str) -> list[tuple[str, str, int]]:
    words = [plots.edge(value, kind) for value in profile.edges]
    return list(zip(words, words[1:], profile.counts, strict=False))[:MOST_BINS]
