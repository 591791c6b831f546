"""Contracts of datasets: attached, shown, and what they say of a version."""

from pathlib import Path

from provender.core.clock import utc_now
from provender.core.contracts import CheckResult, ContractText
from provender.core.errors import InvalidInput
from provender.core.names import DatasetRef
from provender.offline.answer import Progress
from provender.sdk import measuring
from provender.sdk.arguments import checked
from provender.sdk.desk import Desk


class Contracts(Desk):
    """What an actor can do with contracts."""

    @checked
    def contract(self, name: str) -> ContractText:
        """Return the contract of dataset ``name``, as it was written and as it was read.

        Raises:
            NotFound: it has none.
        """
        return self.catalog.desk.contract(DatasetRef.parse(name))

    @checked
    def attach(
        self, name: str, contract: bytes | str | Path, *, expected: int | None = None
    ) -> ContractText:
        """Let ``contract``, an ODCS text or the path of one, judge the versions of ``name`` from now on.

        ``expected`` is the revision that was looked at before, 0 where there was none. Versions
        that are published already stay as they are; `check` says what would become of them.

        Raises:
            Denied: the actor is not a steward of the dataset.
            InvalidInput, Problems: the text is not as ODCS has it.
            PreconditionFailed: another contract was attached meanwhile.
        """
        return self.catalog.desk.attach(
            DatasetRef.parse(name).at(None), text_of(contract), expected=expected
        )

    @checked
    def check(
        self,
        name: str,
        contract: bytes | str | Path | None = None,
        *,
        purpose: str | None = None,
        rows: bool = True,
        progress: Progress = lambda stage, done: None,
    ) -> tuple[CheckResult, ...]:
        """Return what a contract says of a version: the dataset's, or one that is not attached yet.

        Nothing is changed by it. Where what was measured at publishing is not enough, the rows
        are read, unless ``rows`` is False.

        Raises:
            NotFound: there is no version, or no contract.
            Denied: rows have to be read, and a column is closed to the actor.
        """
        from provender.catalog import odcs

        ref = DatasetRef.parse(name)
        if contract is None:
            promised = self.contract(name).contract
        else:
            promised = odcs.read(text_of(contract), (ref.dataset,))
        return measuring.judged(
            self.catalog,
            self.settings,
            self.catalog.resolve(ref),
            promised,
            purpose=self._purpose(purpose),
            is_read=rows,
            progress=progress,
            now=utc_now(),
        )


def text_of(contract: bytes | str | Path) -> bytes:
    """Return the bytes of a contract: given, or those of the file at the path.

    Raises:
        InvalidInput: there is no such file.
    """
    if isinstance(contract, bytes):
        return contract
    try:
        return Path(contract).read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"the contract {contract} cannot be read: {error.strerror}",
            hint="give the path of a YAML file, or its bytes",
        ) from error
