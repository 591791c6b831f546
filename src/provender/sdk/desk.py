"""What an actor works with: the catalog, the engines and the online store of some settings."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from provender import bootstrap
from provender.core.closing import Closing
from provender.core.effects import NO_PROJECT
from provender.core.errors import InvalidInput, NotFound
from provender.core.features import RepoSpec
from provender.core.names import unknown
from provender.sdk.arguments import checked
from provender.settings import Settings
from provender.tables.storage import is_here

if TYPE_CHECKING:
    from provender.core.datasets import DatasetVersion
    from provender.core.gateway import Gateway
    from provender.core.protocols import Library
    from provender.online.drain import Bookkeeping
    from provender.online.journal import Ledger
    from provender.online.store import OnlineStore


class Desk(Closing):
    """What all parts of a workspace share."""

    def __init__(self, settings: Settings, *, catalog: "Library | None" = None) -> None:
        """Work with ``settings``; a ``catalog`` that is given is the one they lead to."""
        self.settings = settings
        self.catalog: Library = catalog or bootstrap.catalog(settings)
        self._opening = threading.Lock()
        self._engine = bootstrap.engine(settings)
        self._retrieval = bootstrap.retrieval(settings, self._engine)
        self._online: OnlineStore | None = None
        self._books: Bookkeeping | None = None

    @checked
    def __repr__(self) -> str:
        chosen = self.settings
        if chosen.is_remote:  # which says itself who asks
            return f"Workspace({chosen.catalog_shown})"
        return f"Workspace({chosen.actor}, {chosen.catalog_shown})"

    @checked
    def repo(self, project: str | None = None) -> RepoSpec:
        """Return the definitions applied last, of ``project`` or of the only project there is.

        Raises:
            NotFound: nothing was applied yet.
            InvalidInput: there are several projects and none is named.
        """
        names = self.catalog.records.projects()
        if project is not None and project not in names:
            raise unknown("project", project, names)
        if project is None and len(names) != 1:
            if not names:
                raise NotFound(
                    "no feature definitions were applied yet", hint="provender features apply"
                )
            raise InvalidInput(
                f"there are {len(names)} projects: {', '.join(names)}", hint="say project=…"
            )
        return self.catalog.repo(project or names[0])

    def _key(self, project: str) -> bytes:
        """The key by which values are hashed for ``project``; where none is said one of its own.

        What others define changes nothing of what is read.

        Raises:
            NotFound: there is no such project.
        """
        known = self.repo(project).project if project else NO_PROJECT
        return bootstrap.mask_key(self.settings, known)

    def close(self) -> None:
        """Give back connections; an embedded server that nobody else uses stops."""
        if self._books is not None:
            self._books.close()
            self._books = None
        if self._online is not None:
            self._online.close()
            self._online = None
        self.catalog.close()

    def _gateway(self, versions: "Iterable[DatasetVersion]") -> "Gateway | None":
        """What has to be asked for the rows of ``versions``; None where their files are here.

        They are not where the catalog is a service and the lake is its own: then only it reads.
        """
        gateway: Gateway | None = getattr(self.catalog, "gateway", None)
        if gateway is None or all(
            is_here(self.settings.lake, one.manifest.location) for one in versions
        ):
            return None
        return gateway

    def _store(self) -> "OnlineStore":
        if self._online is None:
            self._online = bootstrap.online(self.settings)
        return self._online

    def _ledger(self) -> "Ledger":
        """What lookups are told to; one for all of this workspace."""
        with self._opening:
            if self._books is None:
                self._books = bootstrap.bookkeeping(self.settings, self.catalog)
            return self._books.ledger

    def _purpose(self, purpose: str | None) -> str:
        return purpose if purpose is not None else self.settings.purpose
