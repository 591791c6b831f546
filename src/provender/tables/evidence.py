"""What the contract of a dataset wants counted of rows that were just written as its next version.

For those who publish without a profile: what is appended, laid out or logged. Where no contract is
in force nothing is read.
"""

from pathlib import Path

from provender.core.contracts import Contract
from provender.core.datasets import NO_EVIDENCE, Evidence, Manifest
from provender.core.errors import NotFound
from provender.core.names import DatasetRef
from provender.core.protocols import Library
from provender.core.training import Table
from provender.tables import format_for, storage
from provender.tables.arrow import literal
from provender.tables.profile import profile
from provender.tables.session import session


def demanded(catalog: Library, ref: DatasetRef, manifest: Manifest, root: Path) -> Evidence:
    """Return what the contract in force on ``ref`` wants counted of the rows of ``manifest``.

    Raises:
        Corrupt: a file that was just written is gone or changed.
    """
    contract = contract_of(catalog, ref)
    if contract is None:
        return NO_EVIDENCE
    table = Table(
        format=manifest.format,
        location=manifest.location,
        files=tuple(file.path for file in manifest.files),
        snapshot=manifest.native_snapshot,
        schema=manifest.schema,
        version=ref.at(None),
        entries=manifest.files,
    )
    with storage.staging(root) as staged, session() as connection:
        connection.execute(f"SET temp_directory={literal(str(staged / 'spill'))}")
        relation = format_for(table.format).relation(table, root, connection)
        found = profile(
            relation,
            manifest.schema,
            connection,
            keys=contract.unrepeated,
            counted=contract.counted,
        )
    return Evidence(profile=found)


def contract_of(catalog: Library, ref: DatasetRef) -> Contract | None:
    """Return what the contract of a dataset promises; None where there is none."""
    try:
        return catalog.desk.contract(ref.at(None)).contract
    except NotFound:
        return None
