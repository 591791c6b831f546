"""The lineage of one node on a page of its own: drawn, listed, by column, and what a change reaches."""

from collections import Counter
from typing import Any

from provender.core.lineage import ColumnEdge, Node
from provender.web.drawing import pictured
from provender.web.page import Page, Visit
from provender.web.wording import address

MOST_COLUMNS = 100
MOST_LISTED = 100


def lineage(visit: Visit) -> Page:
    """What a node was made from and what was made from it, with the columns where they are known."""
    node = Node.parse(visit.asked("node"))
    picture = pictured(visit.catalog, node)
    around = visit.catalog.finder.lineage(node, depth=1, columns=True)
    reached = Counter(str(one["kind"]) for one in picture.listed["downstream"])
    return Page(
        template="lineage.html",
        title=f"Lineage of {node.name}",
        facts={
            "node": {"kind": node.kind, "name": node.name, "address": address(node)},
            "upstream": picture.listed["upstream"][:MOST_LISTED],
            "downstream": picture.listed["downstream"][:MOST_LISTED],
            "reaches": dict(sorted(reached.items())),
            "columns": [_told(edge) for edge in around.columns[:MOST_COLUMNS]],
            "truncated": picture.cut or around.truncated,
        },
        shown={
            "picture": picture,
            "more": {side: len(listed) - MOST_LISTED for side, listed in picture.listed.items()},
            "more_columns": len(around.columns) - MOST_COLUMNS,
        },
    )


def _told(edge: ColumnEdge) -> dict[str, Any]:
    return {
        "upstream": edge.upstream.name,
        "upstream_address": address(edge.upstream),
        "column": edge.column,
        "downstream": edge.downstream.name,
        "downstream_address": address(edge.downstream),
        "to": edge.to,
        "how": edge.how,
        "way": edge.way,
    }
