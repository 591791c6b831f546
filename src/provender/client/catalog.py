"""A catalog that is asked over HTTP: `core.protocols.Library`, spoken to /api/v1."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from provender.client.access import HttpAccess
from provender.client.desk import HttpDesk
from provender.client.erasures import HttpErasures
from provender.client.finder import HttpFinder
from provender.client.gateway import HttpGateway
from provender.client.keyring import HttpKeyring
from provender.client.models import HttpModels
from provender.client.records import HttpRecords
from provender.client.wire import Wire, keyed, matching
from provender.core.closing import Closing
from provender.core.datasets import (
    NO_EVIDENCE,
    Dataset,
    DatasetVersion,
    Entry,
    Evidence,
    Format,
    Manifest,
    Release,
)
from provender.core.features import RepoSpec
from provender.core.governance import Governance
from provender.core.identity import Mode
from provender.core.names import DatasetRef
from provender.core.people import Actor
from provender.core.policy import Action, ColumnRef, Permit
from provender.core.serving import ServingManifest
from provender.core.training import TrainingSetManifest


class HttpCatalog(Closing):
    """A catalog service at ``url``, for whoever it takes us for. Safe to share between threads.

    A ``token`` of ours or of the identity provider says who asks, where the service wants to know:
    in local mode (`mode`) it looks at none.

    What is sent twice because an answer was lost is done once: such requests carry a key of
    their own, where the caller gives none.
    """

    def __init__(
        self, url: str, *, token: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        self._wire = Wire(url, headers=bearer | dict(headers or {}))

    @contextmanager
    def at_once(self) -> Iterator["HttpCatalog"]:
        """The same catalog: every request is answered from the state that it finds."""
        yield self

    @property
    def finder(self) -> HttpFinder:
        """The same catalog, for whoever looks for something."""
        return HttpFinder(self._wire)

    @property
    def desk(self) -> HttpDesk:
        """The same catalog, for stewards."""
        return HttpDesk(self._wire)

    @property
    def access(self) -> HttpAccess:
        """The same catalog, for whoever needs access, and whoever gives it."""
        return HttpAccess(self._wire)

    @property
    def records(self) -> HttpRecords:
        """The same catalog, for whoever knows what they ask for."""
        return HttpRecords(self._wire)

    @property
    def keyring(self) -> HttpKeyring:
        """The API tokens of whoever the server takes us for."""
        return HttpKeyring(self._wire)

    @property
    def erasures(self) -> HttpErasures:
        """Subjects erased, for who governs."""
        return HttpErasures(self._wire)

    @property
    def models(self) -> HttpModels:
        """Which models were made of training sets."""
        return HttpModels(self._wire)

    @property
    def gateway(self) -> HttpGateway:
        """Rows of the lake that the service has."""
        return HttpGateway(self._wire)

    @property
    def mode(self) -> Mode:
        """How the server knows who asks; it tells everybody."""
        return self._wire.get(Mode, "mode")

    @property
    def actor(self) -> Actor:
        """Who the server takes us for, with the teams that it knows."""
        return self._wire.get(Actor, "actor")

    def dataset(self, ref: DatasetRef) -> Dataset:
        """Return what people say about a dataset."""
        return self._wire.get(Entry, "datasets", ref.dataset).dataset

    def resolve(
        self,
        ref: DatasetRef,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
    ) -> DatasetVersion:
        """Return the version that ``ref`` names, else the latest (as it was at ``as_of``)."""
        return self.release(ref, as_of=as_of, max_age=max_age).version

    def release(
        self,
        ref: DatasetRef,
        *,
        as_of: datetime | None = None,
        max_age: timedelta | None = None,
        format: Format | None = None,  # noqa: A002 - the word of the field
    ) -> Release:
        """Return what `resolve` does, where it stands, and its manifest in ``format``."""
        return self._wire.get(
            Release,
            "resolve",
            name=ref.dataset,
            version=ref.version,
            as_of=as_of,
            max_age=max_age,
            format=format,
        )

    def publish(
        self,
        ref: DatasetRef,
        manifest: Manifest,
        *,
        parent: int | None = None,
        breaking_reason: str = "",
        note: str = "",
        evidence: Evidence = NO_EVIDENCE,
        draft: bool = False,
        key: str = "",
    ) -> DatasetVersion:
        """Return the version that ``manifest`` makes, or the one that it is already."""
        body = {
            "manifest": manifest,
            "parent": parent,
            "breaking_reason": breaking_reason,
            "note": note,
            "evidence": evidence,
            "draft": draft,
        }
        parts = ("datasets", ref.dataset, "versions")
        return self._wire.send(
            "POST", DatasetVersion, *parts, body=body, headers=keyed(key), again=True
        )

    def represent(self, ref: DatasetRef, manifest: Manifest, *, key: str = "") -> Release:
        """Write down that the rows of a version can be had in another format too."""
        number = ref.version or self.resolve(ref).number
        parts = ("datasets", ref.dataset, "versions", number, "representations")
        body = {"manifest": manifest}
        return self._wire.send("POST", Release, *parts, body=body, headers=keyed(key), again=True)

    def permit(
        self,
        action: Action,
        columns: Sequence[ColumnRef],
        *,
        purpose: str,
        versions: Sequence[DatasetRef] = (),
    ) -> Permit:
        """Return proof that we may; what lets rows out is written down, and every refusal."""
        body = {
            "action": action,
            "columns": columns,
            "purpose": purpose,
            "versions": [str(version) for version in versions],
        }
        return self._wire.send("POST", Permit, "permits", body=body)

    def compile_serving(self, repo: RepoSpec) -> ServingManifest:
        """Return what servers would get if we recorded ``repo`` now; nothing is written."""
        parts = ("projects", repo.project, "serving-manifest")
        body = {"definitions": repo}
        return self._wire.send("POST", ServingManifest, *parts, body=body, again=True)

    def record(
        self,
        fact: TrainingSetManifest | RepoSpec,
        *,
        expected: int | None = None,
        key: str = "",
    ) -> None:
        """Write a fact down; definitions together with the serving manifest that they give."""
        match fact:
            case RepoSpec():
                parts = ("projects", fact.project, "definitions")
                self._wire.tell(
                    "PUT",
                    *parts,
                    body={"definitions": fact},
                    headers=matching(expected),
                    again=expected is None,
                )
            case TrainingSetManifest():
                body = {"training_set": fact}
                self._wire.tell("POST", "training-sets", body=body, headers=keyed(key), again=True)

    def repo(self, project: str) -> RepoSpec:
        """Return the definitions applied last to ``project``, as far as we may know them."""
        return self._wire.get(RepoSpec, "projects", project, "definitions")

    def governance(self, *, datasets: bool = True) -> Governance:
        """Return what is in force, of datasets those that we may discover, or none."""
        return self._wire.get(Governance, "governance", datasets=str(datasets).lower())

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()
