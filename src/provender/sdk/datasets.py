"""Datasets: published, laid out, checked, read and searched for."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.core.cautions import heeded
from provender.core.datasets import Dataset, DatasetVersion
from provender.core.differences import Difference
from provender.core.erasure import Erased, Erasure, Readers
from provender.core.names import DatasetRef
from provender.core.policy import EVERY, Action, ColumnRef
from provender.core.profiles import Profile
from provender.offline.answer import Progress
from provender.sdk import erasing, measuring, publishing, upkeep
from provender.sdk.arguments import checked
from provender.sdk.getting import Getting
from provender.sdk.publishing import Offer
from provender.sdk.rows import Rows, arrow_table
from provender.tables.arrow import Naive
from provender.tables.versions import verify_version

if TYPE_CHECKING:
    from provender.core.finding import Hit


class Datasets(Getting):
    """What an actor can do with datasets."""

    @checked
    def publish(
        self,
        name: str,
        rows: Rows,
        *,
        inputs: Sequence[str] = (),
        producer: str = "",
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
        draft: bool = False,
        assume_utc: bool = False,
        profile: bool = True,
        progress: Progress = lambda stage, done: None,
    ) -> DatasetVersion:
        """Return the version of dataset ``name`` that holds ``rows``: a new one, or the one that already does.

        ``inputs`` are the dataset versions the rows were computed from (lineage). A ``draft``
        has a number, and readers get it once it is published: by a step, or as the same rows. Unless
        ``profile`` is False the rows are profiled for whoever looks at the version;
        ``progress`` is told what is being done and how much of it is.

        Raises:
            NotFound: the dataset is not declared, or an input does not exist.
            Denied: the actor may not publish it.
            Incompatible: the schema breaks readers and no ``breaking_reason`` is given.
            InvalidInput: the rows do not fit the dataset's declaration, or have timestamps
                without a zone (say ``assume_utc=True`` if they are UTC).
        """
        ref = DatasetRef.parse(name)
        dataset = self.catalog.dataset(ref)
        self.catalog.permit(Action.PUBLISH, [ColumnRef(dataset.ref.dataset, EVERY)], purpose="")
        sources = tuple(self.catalog.resolve(DatasetRef.parse(text)).ref for text in inputs)
        offer = Offer(
            ref=ref,
            rows=arrow_table(rows, lake=self.settings.lake),
            inputs=sources,
            producer=producer,
            parent=parent,
            breaking_reason=breaking_reason,
            note=note,
            draft=draft,
            naive=Naive.UTC if assume_utc else Naive.REFUSE,
            is_profiled=profile,
            progress=progress,
        )
        return publishing.publish(self.catalog, self.settings, offer)

    @checked
    def profile(
        self,
        name: str,
        *,
        purpose: str | None = None,
        progress: Progress = lambda stage, done: None,
    ) -> Profile:
        """Return what the columns of a version hold, as counted when it was published, else now.

        Raises:
            Denied: it has to be counted now, and a column is closed to the actor.
        """
        return measuring.profile_of(
            self.catalog,
            self.settings,
            self.version(name),
            purpose=self._purpose(purpose),
            progress=progress,
        )

    @checked
    def diff(
        self,
        one: str,
        other: str,
        *,
        purpose: str | None = None,
        progress: Progress = lambda stage, done: None,
    ) -> Difference:
        """Return what is different in version ``other`` against ``one``, the weightiest first.

        Raises:
            InvalidInput: they are versions of two datasets.
            Denied: a version has no profile, and a column of it is closed to the actor.
        """
        return measuring.difference(
            self.catalog,
            self.settings,
            one,
            other,
            purpose=self._purpose(purpose),
            progress=progress,
        )

    @checked
    def optimize(
        self,
        name: str,
        *,
        keys: Sequence[str] = (),
        progress: Progress = lambda stage, done: None,
    ) -> DatasetVersion:
        """Return the version of dataset ``name`` with the rows of the latest, sorted by key and time.

        ``keys`` are the columns that the rows are looked up by; without any, those by which the
        feature views over the dataset are joined. A latest version that lies so already is
        returned as it is. ``progress`` is told what is being done and how much of it is.

        Raises:
            Denied: the actor may not publish the dataset.
            InvalidInput: it is not kept as Parquet, or the views disagree about its keys.
            Corrupt: a file of the latest version is gone or changed.
            Conflict: somebody published meanwhile.
        """
        ref = DatasetRef.parse(name)
        return upkeep.optimize(self.catalog, self.settings, ref, keys, progress)

    @checked
    def fsck(
        self,
        *,
        remove: bool = False,
        repair: bool = False,
        again: bool = False,
        spills: Sequence[str | Path] = (),
        progress: Progress = lambda stage, done: None,
    ) -> upkeep.Report:
        """Return what is wrong with the catalog's database, and with the lake.

        In the lake: files of versions that are gone or changed, and orphans.
        Orphans are what killed processes left; ``remove`` removes them, and nothing else.
        ``repair``: write anew what in the catalog follows from other rows, such as its index.
        ``again``: hash also the files that were hashed before and not touched since.
        ``spills`` are the folders that stores have as ``temp_directory``; what retrievals left
        in them is looked for, too.

        Raises:
            Denied: the actor may not govern.
            NotFound: one of ``spills`` is no folder.
            Conflict: a publisher is at work for more than a minute.
        """
        return upkeep.check(
            self.catalog,
            self.settings,
            remove=remove,
            repair=repair,
            again=again,
            spills=[Path(folder) for folder in spills],
            progress=progress,
        )

    @checked
    def expire(self, name: str, *, dry_run: bool = False) -> upkeep.Expired:
        """Let the data of versions go that the retention of dataset ``name`` does not keep.

        Manifests stay, and all that is known of the versions; reading them raises Gone. Then
        the files go that no other version has. With ``dry_run`` nothing goes: that is what would.

        Raises:
            Denied: the actor does not steward the dataset.
            Conflict: a publisher is at work for more than a minute; try again, to remove files
                of what is gone.
        """
        return upkeep.expire(self.catalog, self.settings, DatasetRef.parse(name), dry_run=dry_run)

    @checked
    def erase(
        self,
        *subjects: str,
        reason: str = "",
        datasets: Sequence[str] = (),
        resume: str = "",
        progress: Progress = lambda stage, done: None,
    ) -> Erasure:
        """Return the certificate that ``subjects``, such as ``driver_id=17``, were erased.

        They are of one join key. Every version that holds one goes, with its files; what readers got comes
        again without them; their keys go from the online store. In ``datasets`` only, where some are named. ``resume`` is the id of an erasure to go on with,
        which was killed, or undone by a restore: the value is not needed for that.

        Raises:
            Denied: the actor does not govern.
            InvalidInput: those are no subjects, or the reason names one.
            Conflict: a dataset is on hold, or somebody published meanwhile: go on with its id.
            Corrupt: a file is gone or changed.
        """
        if resume:
            begun = self.catalog.erasures.erasure(resume)
        else:
            begun = erasing.begin(self.catalog, self.settings, subjects, reason, datasets)
        return erasing.go_on(self.catalog, self.settings, begun, progress)

    @checked
    def foresee_erasure(self, *subjects: str, datasets: Sequence[str] = ()) -> list[Erased]:
        """Return what erasing ``subjects`` would do, dataset by dataset; nothing is written.

        Raises:
            Denied, InvalidInput, Conflict, Corrupt: as `erase`.
        """
        return erasing.foresee(self.catalog, self.settings, subjects, datasets)

    @checked
    def foresee_readers(self, found: Sequence[Erased]) -> Readers:
        """Return what rests on versions that would go, as `foresee_erasure` found them.

        Training sets and views among them are refused from then on; models go on, and somebody
        decides whether to train them again.
        """
        return erasing.readers(self.catalog, found)

    @checked
    def dataset(self, name: str) -> Dataset:
        """Return the declaration of dataset ``name``."""
        return self.catalog.dataset(DatasetRef.parse(name))

    @checked
    def version(self, name: str, *, as_of: datetime | None = None) -> DatasetVersion:
        """Return the version that ``name`` names, else the latest (as of ``as_of``)."""
        return heeded(self.catalog.release(DatasetRef.parse(name), as_of=as_of))

    @checked
    def verify(self, name: str) -> DatasetVersion:
        """Return the version after checking size and sha256 of each of its files.

        Raises:
            Corrupt: a file is missing or is not what was published; it is named.
        """
        version = self.version(name)
        verify_version(self.settings.lake, version.manifest)
        return version

    @checked
    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        *,
        purpose: str | None = None,
        project: str = "",
    ) -> pa.Table:
        """Return ``columns`` (default: all) of every row of a dataset version.

        Masked by a hash, values are equal to those of training sets of ``project``, if it is said.

        Raises:
            NotFound: there is no such version or project.
            Denied: a column is closed to the actor for that purpose; the hint says who can open it.
            Gone: its data was deleted, be it meanwhile.
        """
        return self._rows(self.version(name), columns, self._purpose(purpose), project)

    @checked
    def search(self, text: str, *, limit: int = 20) -> "list[Hit]":
        """Return what the actor may discover that fits ``text``, best first, with why."""
        from provender.core.finding import Question

        return list(self.catalog.finder.search(Question(text=text), limit=limit).hits)
