"""Versions stand somewhere; profiles, checks, contracts, representations, retention, consumers."""

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import (
    index,
    instant,
    is_postgresql,
    number,
    of_dataset,
    of_version,
    primary,
    rows,
    text,
    word,
)
from provender.core.errors import Conflict

revision = "0004"
down_revision = "0003"

TABLES = (
    "consumption",
    "retentions",
    "holds",
    "representations",
    "version_checks",
    "contracts",
    "profiles",
)


def upgrade() -> None:
    added = (
        word("state", default="published"),
        word("severity", default="warn"),
        text("state_reason", default=""),
        instant("state_at", null=True),
        word("state_by", default=""),
        number("replacement", null=True),
        text("run", null=True),
        instant("data_gone_at", null=True),
        text("data_gone_why", default=""),
    )
    for column in added:
        op.add_column("versions", column)
    index("versions", "dataset", "state", "number")
    by = "value::json ->> 'published_by'" if is_postgresql() else "value ->> '$.published_by'"
    op.execute(f"UPDATE versions SET state_at = published_at, state_by = {by}")  # noqa: S608 - our own names
    _of_versions()
    _of_datasets()


def downgrade() -> None:
    _check_readable()
    for table in TABLES:
        op.drop_table(table)
    op.drop_index("ix_versions_dataset_state_number", "versions")
    for column in (
        *("state", "severity", "state_reason", "state_at", "state_by"),
        *("replacement", "run", "data_gone_at", "data_gone_why"),
    ):
        op.drop_column("versions", column)


def _check_readable() -> None:
    """Refuse to forget that readers do not get a version: without states they would.

    Where no table is left, as before a restore, nobody reads.
    """
    if op.get_context().opts.get("destination_rev") == "base":
        return
    found = rows(
        "SELECT d.name, v.number, v.state FROM versions v JOIN datasets d ON d.id = v.dataset "
        "WHERE v.state NOT IN ('published', 'deprecated') OR v.data_gone_at IS NOT NULL "
        "ORDER BY d.name, v.number LIMIT 1"
    )
    for name, version, state in found:
        kept = "gone" if state in ("published", "deprecated") else state
        raise Conflict(
            f"{name}@{version} is {kept}, which tables of before revision 0004 cannot say: "
            "readers would get it",
            hint="stay at 0004, or restore a backup of before",
        )


def _of_versions() -> None:
    op.create_table(
        "profiles",
        number("dataset"),
        number("number"),
        word("column_name"),
        text("value"),
        of_version("profiles"),
        primary("profiles", "dataset", "number", "column_name"),
    )
    op.create_table(
        "version_checks",
        number("dataset"),
        number("number"),
        number("position"),
        number("contract", null=True),
        word("name"),
        word("column_name"),
        word("outcome"),
        word("severity"),
        text("detail"),
        of_version("version_checks"),
        primary("version_checks", "dataset", "number", "position"),
    )
    op.create_table(
        "representations",
        number("dataset"),
        number("number"),
        word("format"),
        text("manifest"),
        instant("made_at"),
        word("made_by"),
        of_version("representations"),
        primary("representations", "dataset", "number", "format"),
    )


def _of_datasets() -> None:
    op.create_table(
        "contracts",
        number("id"),
        number("dataset"),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        word("sha256"),
        word("contract_id"),
        word("contract_version"),
        word("status"),
        instant("at"),
        word("by"),
        instant("until_at", null=True),
        of_dataset("contracts"),
        primary("contracts", "id"),
    )
    index("contracts", "dataset")
    op.create_table(
        "holds",
        number("id"),
        number("dataset"),
        text("reason"),
        word("by"),
        instant("at"),
        instant("until_at", null=True),
        of_dataset("holds"),
        primary("holds", "id"),
    )
    index("holds", "dataset")
    op.create_table(
        "retentions",
        number("dataset"),
        text("value"),
        of_dataset("retentions"),
        primary("retentions", "dataset"),
    )
    op.create_table(
        "consumption",
        number("dataset"),
        number("number"),
        word("consumer_kind"),
        word("consumer"),
        instant("first_at"),
        instant("last_at"),
        number("times"),
        of_dataset("consumption"),
        primary("consumption", "dataset", "number", "consumer_kind", "consumer"),
    )
    index("consumption", "consumer")
