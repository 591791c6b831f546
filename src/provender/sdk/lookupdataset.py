"""The dataset that the log of a service is published to: declared, protected, and of which types."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from provender.core.datasets import Dataset, DatasetVersion
from provender.core.errors import Incompatible, Misconfigured, NotFound, ProvenderError
from provender.core.features import RepoSpec, ServiceSpec
from provender.core.lineage import dataset_node
from provender.core.lookuplog import LogShape, inherited_tags, log_ref, unprotected
from provender.core.names import DatasetRef, FeatureRef
from provender.core.policy import Action, ColumnRef
from provender.sdk.lookuprows import log_schema, together
from provender.settings import Settings
from provender.tables.arrow import arrow_schema

if TYPE_CHECKING:
    from provender.core.protocols import Library


@dataclass(frozen=True, slots=True)
class LogDataset:
    """The log of one service, and the dataset that it is published to."""

    catalog: "Library"
    settings: Settings
    project: str
    service: str

    @property
    def ref(self) -> DatasetRef:
        return log_ref(self.project, self.service)

    def problem_of(self, shape: LogShape) -> ProvenderError | None:
        """Return why what is of ``shape`` cannot be published now, if it cannot."""
        try:
            self.fitting([shape])
        except ProvenderError as error:
            return error
        return None

    def fitting(self, shapes: Iterable[LogShape]) -> Dataset:
        """Return the dataset, if it is declared as protected as what is of ``shapes``, and can hold it.

        Raises:
            Misconfigured: it is not declared, or its columns lack tags that they inherit.
            NotFound: a feature is defined no more.
            Incompatible: a feature has another type than in the latest version.
            Denied: the actor may not publish it.
        """
        different = dict.fromkeys(shapes)
        dataset = self._declared(different)
        for shape in different:
            self._check_types(shape)
        return dataset

    def together(self, tables: list[pa.Table]) -> pa.Table:
        """Return the rows of all ``tables``.

        Raises:
            Incompatible: a feature has different types in them.
        """
        try:
            return together(tables)
        except pa.ArrowTypeError as error:
            raise Incompatible(
                f"a feature of {self.service} has another type than in {self.ref}: {error}",
                hint="give the feature another name; what was logged of the new type is kept back",
            ) from None

    def latest(self) -> DatasetVersion | None:
        """Return the latest version, if there is one."""
        try:
            return self.catalog.resolve(self.ref)
        except NotFound:
            return None

    def _declared(self, shapes: Iterable[LogShape]) -> Dataset:
        hint = (
            f"provender online log declare {self.service} --write, then provender governance apply"
        )
        try:
            dataset = self.catalog.dataset(self.ref)
        except NotFound:
            raise Misconfigured(f"dataset {self.ref} is not declared", hint=hint) from None
        repo = self.catalog.repo(self.project)
        datasets = sources(self.catalog, repo)
        protected = self.catalog.governance().taxonomy.protected
        for shape in shapes:
            inherited = inherited_tags(repo, _served(repo, shape), datasets)
            if lacking := unprotected(dataset, inherited, protected):
                said = "; ".join(f"{name}: {', '.join(tags)}" for name, tags in lacking.items())
                raise Misconfigured(
                    f"{self.ref} is declared without tags of what it logs: {said}", hint=hint
                )
        self.catalog.permit(Action.PUBLISH, [ColumnRef(self.ref.dataset)], purpose="")
        return dataset

    def _check_types(self, shape: LogShape) -> None:
        if latest := self.latest():
            there = nullable(arrow_schema(latest.manifest.schema))
            self.together([there.empty_table(), log_schema(shape).empty_table()])


def sources(catalog: "Library", repo: RepoSpec) -> dict[str, Dataset]:
    """Return what the views of ``repo`` read, by name, with the tags that columns carry."""
    refs = [DatasetRef.parse(name) for name in sorted(repo.datasets)]
    return {ref.dataset: catalog.dataset(ref).carrying(_carried(catalog, ref)) for ref in refs}


def _carried(catalog: "Library", ref: DatasetRef) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in catalog.finder.tags(dataset_node(ref)):
        if one.carried:
            found.setdefault(one.column, []).append(one.tag)
    return found


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` as Arrow has it for rows that were not written yet."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _served(repo: RepoSpec, shape: LogShape) -> ServiceSpec:
    """Return the service as it was when ``shape`` was logged, but for how it renames views now."""
    now = next((one for one in repo.services if one.name == shape.service), None)
    return ServiceSpec(
        name=shape.service,
        features=tuple(FeatureRef(one.view, one.feature) for one in shape.features),
        projections=now.projections if now else (),
    )
