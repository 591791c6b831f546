"""Models are called ``project/name``, of the project of their training set.

What audit events say of them stays: they are what was said then.
"""

import json
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from provender.catalog.migrations.tables import in_order, rows

revision = "0020"
down_revision = "0019"

NAMED = (
    "UPDATE nodes SET name = :to WHERE kind = 'model' AND name = :was",
    "UPDATE consumption SET consumer = :to WHERE consumer_kind = 'model' AND consumer = :was",
    "UPDATE facts SET name = 'model:' || :to WHERE name = 'model:' || :was",
)


def upgrade() -> None:
    _rename(lambda name, project: f"{project}/{name}")


def downgrade() -> None:
    """Versions of models that two projects called alike are numbered on: none is lost."""
    _rename(lambda name, _: name.rpartition("/")[2])


def _rename(called: Callable[[str, str], str]) -> None:
    counted: Counter[str] = Counter()
    of_set = "models m JOIN training_sets t ON t.id = m.training_set"
    ordered = f"ORDER BY {in_order('m.name')}, m.number"
    for name, number, value, project in rows(
        f"SELECT m.name, m.number, m.value, t.project FROM {of_set} {ordered}"  # noqa: S608 - our own names
    ):
        new = called(name, project)
        counted[new] += 1
        said = json.loads(value)
        said["number"], said["trained"]["name"] = counted[new], new
        renamed = {
            "new": new,
            "counted": counted[new],
            "said": json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
            "name": name,
            "number": number,
        }
        change = sa.text(
            "UPDATE models SET name = :new, number = :counted, value = :said "
            "WHERE name = :name AND number = :number"
        )
        op.get_bind().execute(change, renamed)
        ends = {"was": f"{name}@{number}", "to": f"{new}@{counted[new]}"}
        for statement in NAMED:
            op.get_bind().execute(sa.text(statement), ends)
