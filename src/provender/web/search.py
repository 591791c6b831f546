"""The first page, search results and the list of datasets."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from provender.core.datasets import DatasetSummary, whole
from provender.core.finding import KINDS, PARTS, Hit, Question
from provender.core.lineage import NodeKind
from provender.core.names import unknown
from provender.web.definitions import defined
from provender.web.page import Page, Visit
from provender.web.wording import address

SHOWN = 6
MOST_HITS = 40
AT_A_TIME = 200
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def home(visit: Visit) -> Page:
    """The search box, what is used most and what was published last."""
    datasets = _every_dataset(visit)
    projects = defined(visit.catalog)
    records = visit.catalog.records
    training_sets = whole(lambda after: records.training_sets(limit=AT_A_TIME, after=after))
    uses = Counter(pin.dataset for manifest in training_sets for pin in manifest.pins)
    uses.update(v.dataset.dataset for p in projects for v in p.views if v.dataset)
    used = [s for s in sorted(datasets, key=lambda s: (-uses[s.name], s.name)) if uses[s.name]]
    recent = sorted(datasets, key=lambda s: (s.published_at or BEFORE_ALL, s.name), reverse=True)
    return Page(
        template="home.html",
        title="Provender",
        facts={
            "counts": {
                "datasets": len(datasets),
                "feature_views": sum(len(p.views) + len(p.on_demand) for p in projects),
                "feature_services": sum(len(p.services) for p in projects),
                "training_sets": len(training_sets),
            },
            "most_used": [{"dataset": s, "uses": uses[s.name]} for s in used[:SHOWN]],
            "published_last": [s for s in recent if s.latest][:SHOWN],
        },
    )


def results(visit: Visit) -> Page:
    """What fits the words, best first, with why; narrowed to one kind if asked."""
    text, kind = visit.asked("q"), visit.asked("kind")
    if kind and kind not in (*KINDS, *PARTS):
        raise unknown("kind", kind, (*KINDS, *PARTS))
    everything = _hits(visit, text)
    found = _hits(visit, text, kind) if kind else everything
    return Page(
        template="search.html",
        title=f"{text} – search" if text else "Search",
        facts={"q": text, "kind": kind, "hits": found},
        shown={"kinds": _counted(everything), "addresses": [_hit_address(hit) for hit in found]},
    )


def datasets(visit: Visit) -> Page:
    """Every dataset, narrowed by domain, tag or owner if asked."""
    everything = _every_dataset(visit)
    wanted = {name: visit.asked(name) for name in ("domain", "tag", "owner")}
    shown = [summary for summary in everything if _fits(summary, wanted)]
    return Page(
        template="datasets.html",
        title="Datasets",
        facts={"filter": {k: v for k, v in wanted.items() if v}, "datasets": shown},
        shown={
            "choices": {
                "domain": _counts(summary.name.partition(".")[0] for summary in everything),
                "tag": _counts(tag for summary in everything for tag in summary.tags),
                "owner": _counts(summary.owner for summary in everything),
            },
            "wanted": wanted,
            "total": len(everything),
        },
    )


def _every_dataset(visit: Visit) -> list[DatasetSummary]:
    finder = visit.catalog.finder
    return whole(lambda after: finder.entries({}, limit=AT_A_TIME, after=after))


def _hits(visit: Visit, text: str, *kinds: str) -> list[Hit]:
    if not text:
        return []
    question = Question(text=text, filters={"type": kinds} if kinds else {})
    return list(visit.catalog.finder.search(question, limit=MOST_HITS).hits)


def _fits(summary: DatasetSummary, wanted: dict[str, str]) -> bool:
    domain = summary.name.partition(".")[0]
    return (
        wanted["domain"] in ("", domain)
        and wanted["owner"] in ("", summary.owner)
        and (not wanted["tag"] or wanted["tag"] in summary.tags)
    )


def _counts(values: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(values).items())


def _counted(hits: list[Hit]) -> list[tuple[str, int]]:
    found = Counter(hit.kind for hit in hits)
    return [(kind, found[kind]) for kind in KINDS if found[kind]]


def _hit_address(hit: Hit) -> str:
    """The page of what was found, at the column or feature that made it a hit."""
    part = f"#{hit.parts[0].kind}-{hit.parts[0].name}" if hit.parts else ""
    return f"{address(hit.node)}{part}" if hit.node.kind in NodeKind else "/"
