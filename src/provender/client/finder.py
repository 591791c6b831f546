"""What is there and where it comes from, asked over HTTP."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from provender.client.wire import PAGE, Wire
from provender.core.audit import ChangeRecord
from provender.core.datasets import DatasetSummary, Entry, Evidence, Listed, Release
from provender.core.finding import FACETS, FacetValue, Found, Hit, Question
from provender.core.lineage import Consumer, Neighbourhood, Node, check_now
from provender.core.names import DatasetRef
from provender.core.travel import ColumnTag


class HttpFinder:
    """`core.protocols.Finder` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def search(self, question: Question, *, limit: int = 20, after: str = "") -> Found:
        """Return what may be discovered and fits the question, best first, with why."""
        asked = _asked(question) | {
            "explain": question.explain,
            "typing": question.typing,
            "facets": question.facets or None,
        }
        whole: Found | None = None
        while True:
            wanted = min(limit - (len(whole.hits) if whole else 0), PAGE)
            part = self._wire.get(Found, "search", limit=wanted, after=after or None, **asked)
            whole = replace(part, hits=(*whole.hits, *part.hits)) if whole else part
            if part.next is None or len(whole.hits) >= limit:
                return whole
            after = part.next

    def suggest(self, text: str, *, limit: int = 8) -> tuple[Hit, ...]:
        """Return what a text that is not whole yet may become."""
        return self._wire.listed(Hit, "suggest", q=text, limit=limit).items

    def facets(
        self, question: Question, *, among: Collection[str] = FACETS
    ) -> dict[str, tuple[FacetValue, ...]]:
        """Return how much of what fits there is by type, project, owner and so on."""
        every = self._wire.get(dict[str, tuple[FacetValue, ...]], "facets", **_asked(question))
        return {name: values for name, values in every.items() if name in among}

    def entry(self, ref: DatasetRef, *, as_of: datetime | None = None) -> Entry:
        """Return a dataset as it is in the catalog, with its URN and its revision."""
        return self._wire.get(Entry, "datasets", ref.dataset, as_of=as_of)

    def entries(
        self,
        filters: Mapping[str, tuple[str, ...]],
        *,
        as_of: datetime | None = None,
        limit: int = 50,
        after: str = "",
    ) -> Listed[DatasetSummary]:
        """Return the datasets that may be discovered and that fit, by name."""
        return self._wire.listed(
            DatasetSummary, "datasets", limit=limit, after=after, as_of=as_of, **filters
        )

    def releases(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Release]:
        """Return the versions of a dataset, the newest first; after a number, those before it."""
        parts = ("datasets", ref.dataset, "versions")
        below = after if after.isascii() and after.isdecimal() else None
        begin = "" if below else after
        return self._wire.listed(Release, *parts, limit=limit, after=begin, below=below)

    def evidence(self, ref: DatasetRef) -> Evidence:
        """Return what the publisher of a version measured."""
        number = ref.version
        if number is None:
            latest = self._wire.get(Release, "resolve", name=ref.dataset)
            number = latest.version.number
        return self._wire.get(Evidence, "datasets", ref.dataset, "versions", number, "evidence")

    def lineage(
        self,
        node: Node,
        *,
        depth: int = 3,
        columns: bool = False,
        as_of: datetime | None = None,
    ) -> Neighbourhood:
        """Return the edges within ``depth`` steps up and down from ``node``."""
        check_now(as_of)
        asked = {"node": str(node), "depth": depth, "columns": columns}
        return self._wire.get(Neighbourhood, "lineage", **asked)

    def tags(self, node: Node) -> tuple[ColumnTag, ...]:
        """Return the tags on the columns of ``node``: put there, or carried, and where from."""
        return self._wire.get(tuple[ColumnTag, ...], "lineage", "tags", node=str(node))

    def consumers(self, ref: DatasetRef, *, limit: int = 50, after: str = "") -> Listed[Consumer]:
        """Return who reads a dataset, or one version of it, by kind and name."""
        parts = ("datasets", ref.dataset, "consumers")
        return self._wire.listed(Consumer, *parts, limit=limit, after=after, version=ref.version)

    def changes(self, *, after: int = 0, limit: int = 100) -> Listed[ChangeRecord]:
        """Return what happened after the event numbered ``after``, as far as it may be read."""
        return self._wire.listed(ChangeRecord, "changes", limit=limit, after=str(after))


def _asked(question: Question) -> dict[str, object]:
    return {**question.filters, "q": question.text, "as_of": question.as_of}
