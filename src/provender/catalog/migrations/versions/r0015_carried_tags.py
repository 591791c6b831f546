"""Tags that columns carry from what they were made from, and how each edge anonymises.

Nothing anonymised before this. The tags are made anew when the catalog is opened.
"""

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import (
    drop_aside,
    flag,
    index,
    number,
    primary,
    set_aside,
    small,
    word,
)

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.drop_column("edges", "masking")
    way = sa.Column("way", sa.SmallInteger(), nullable=False, server_default=sa.text("0"))
    op.add_column("edges", way)
    op.create_table(
        "carried",
        number("node"),
        word("tag"),
        number("distance"),
        number("via"),
        primary("carried", "node", "tag"),
    )
    index("carried", "via")
    op.execute("INSERT INTO counters (name, value) VALUES ('carried_stale', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM counters WHERE name = 'carried_stale'")
    op.drop_table("carried")
    set_aside("edges")
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
    op.execute(
        "INSERT INTO edges (upstream, downstream, fact, how, masking) "
        "SELECT upstream, downstream, fact, how, way > 0 FROM old_edges"
    )
    drop_aside("edges")
