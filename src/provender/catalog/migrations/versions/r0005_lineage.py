"""Lineage by numbers: a node's name is kept once, its columns are nodes, edges know how and why."""

from alembic import op

from provender.catalog.migrations.tables import (
    count_on,
    drop_aside,
    flag,
    in_order,
    index,
    name,
    number,
    place,
    primary,
    set_aside,
    small,
    unique,
    word,
)

revision = "0005"
down_revision = "0004"

OBSERVED, DECLARED = 0, 1


def upgrade() -> None:
    set_aside("lineage_edges", "rests_on")
    _create()
    _fill()
    drop_aside("lineage_edges", "rests_on")
    count_on("node", "nodes")
    count_on("fact", "facts")


def downgrade() -> None:
    op.execute("DELETE FROM counters WHERE name IN ('node', 'fact')")
    set_aside("edges", "rests_on", "nodes", "facts")
    _create_by_text()
    op.execute(
        "INSERT INTO lineage_edges (upstream, downstream, source) "
        "SELECT u.kind || ':' || u.name, d.kind || ':' || d.name, f.name FROM old_edges e "
        "JOIN old_nodes u ON u.id = e.upstream AND u.column_name = '' "
        "JOIN old_nodes d ON d.id = e.downstream AND d.column_name = '' "
        "JOIN old_facts f ON f.id = e.fact"
    )
    op.execute(
        "INSERT INTO rests_on (node, dataset) "
        "SELECT n.kind || ':' || n.name, d.name FROM old_rests_on r "
        "JOIN old_nodes n ON n.id = r.node AND n.column_name = '' "
        "JOIN datasets d ON d.id = r.dataset"
    )
    drop_aside("edges", "rests_on", "nodes", "facts")


def _create() -> None:
    op.create_table(
        "nodes",
        number("id"),
        word("kind"),
        name("name"),
        word("column_name"),
        number("dataset", null=True),
        number("scope"),
        primary("nodes", "id"),
        unique("nodes", "kind", "name", "column_name"),
    )
    index("nodes", "dataset")
    op.create_table(
        "facts", number("id"), word("name"), primary("facts", "id"), unique("facts", "name")
    )
    op.create_table(
        "edges",
        number("upstream"),
        number("downstream"),
        number("fact"),
        small("how"),
        flag("masking"),
        primary("edges", "upstream", "downstream", "fact"),
    )
    index("edges", "downstream", "upstream")
    index("edges", "fact")
    op.create_table(
        "rests_on", number("node"), number("dataset"), primary("rests_on", "node", "dataset")
    )
    index("rests_on", "dataset")


def _fill() -> None:
    op.execute(
        "CREATE TABLE old_nodes AS "  # noqa: S608 - our own names
        f"SELECT ROW_NUMBER() OVER (ORDER BY {in_order('text')}) AS id, text, "
        f"substr(text, 1, {place(':', 'text')} - 1) AS kind, "
        f"substr(text, {place(':', 'text')} + 1) AS name FROM ("
        "SELECT upstream AS text FROM old_lineage_edges UNION "
        "SELECT downstream FROM old_lineage_edges UNION "
        "SELECT node FROM old_rests_on UNION SELECT node FROM search_documents) AS every"
    )
    op.execute("CREATE INDEX old_nodes_text ON old_nodes (text)")
    at = "n.name || '@'"
    unversioned = f"substr({at}, 1, {place('@', at)} - 1)"
    op.execute(
        "INSERT INTO nodes (id, kind, name, column_name, dataset, scope) "  # noqa: S608 - our own names
        "SELECT n.id, n.kind, n.name, '', d.id, 0 FROM old_nodes n "
        f"LEFT JOIN datasets d ON n.kind = 'dataset' AND d.name = {unversioned}"
    )
    op.execute(
        "INSERT INTO facts (id, name) "  # noqa: S608 - our own names
        f"SELECT ROW_NUMBER() OVER (ORDER BY {in_order('source')}), source "
        "FROM (SELECT DISTINCT source FROM old_lineage_edges) AS every"
    )
    op.execute(
        "INSERT INTO edges (upstream, downstream, fact, how, masking) "  # noqa: S608 - our own names
        "SELECT u.id, d.id, f.id, "
        f"CASE WHEN f.name LIKE 'repo:%' THEN {DECLARED} ELSE {OBSERVED} END, FALSE "
        "FROM old_lineage_edges e JOIN old_nodes u ON u.text = e.upstream "
        "JOIN old_nodes d ON d.text = e.downstream JOIN facts f ON f.name = e.source"
    )
    op.execute(
        "INSERT INTO rests_on (node, dataset) SELECT n.id, d.id FROM old_rests_on r "
        "JOIN old_nodes n ON n.text = r.node JOIN datasets d ON d.name = r.dataset"
    )
    drop_aside("nodes")


def _create_by_text() -> None:
    op.create_table(
        "lineage_edges",
        word("upstream"),
        word("downstream"),
        word("source"),
        primary("lineage_edges", "upstream", "downstream", "source"),
    )
    index("lineage_edges", "downstream")
    index("lineage_edges", "source")
    op.create_table(
        "rests_on", word("node"), word("dataset"), primary("rests_on", "node", "dataset")
    )
