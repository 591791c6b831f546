"""The online store: looked up, compared with offline, and filled anew."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provender import bootstrap
from provender.core.leases import Unconfirmed
from provender.online.assent import Assent
from provender.sdk.arguments import checked
from provender.sdk.asked import Lookable, asked_of, lookable
from provender.sdk.desk import Desk
from provender.sdk.online import OnlineLookup

if TYPE_CHECKING:
    from provender.online.parity import Parity
    from provender.online.upkeep import Rebuilt, Watcher


class Serving(Desk):
    """What an actor can do with the online store."""

    @checked
    def online(
        self,
        service: str | None = None,
        *,
        features: Sequence[str] = (),
        full_feature_names: bool = False,
        project: str | None = None,
    ) -> OnlineLookup:
        """Return the compiled lookup of a service's features; call it with the entities' keys.

        Raises:
            NotFound: nothing was applied yet, or a name is unknown.
            Denied: a feature is closed for serving, or to the actor.
        """
        named = self.repo(project).project

        def compiled() -> Lookable:
            repo = self.repo(named)
            asked = asked_of(repo, service, features)
            return lookable(self.catalog, self.settings, repo, asked, full=full_feature_names)

        def state() -> str:
            return self.catalog.records.policy_state(named)

        assent = None
        if self.settings.online_policy == "live":
            assent = Assent(state, without=Unconfirmed(self.settings.online_unconfirmed))
        return OnlineLookup(
            self._store(),
            named,
            compiled,
            now=self.settings.now,
            assent=assent,
            ledger=self._ledger,
        )

    @checked
    def verify_online(
        self,
        *views: str,
        repo: str | Path | None = None,
        sample: int | None = None,
        watcher: "Watcher | None" = None,
    ) -> "list[Parity]":
        """Return how the rows online of ``views`` (default: all) compare with the latest ones offline.

        A view `is_whole` if whoever looks its features up gets what offline knows, or what was
        pushed since. ``sample`` compares about so many keys of each view and looks for no
        orphans; ``repo`` is the Feast repository, by default that of the settings; ``watcher`` is
        told how far it is.

        Raises:
            NotFound: the repository or a view is not there.
            Denied: the actor may not serve a column.
            Unavailable: the online store does not answer.
        """
        return list(
            bootstrap.online_upkeep().verify(
                Path(repo or self.settings.feature_repo),
                settings=self.settings,
                views=views,
                sample=sample,
                watcher=watcher,
            )
        )

    @checked
    def rebuild_online(
        self,
        *views: str,
        repo: str | Path | None = None,
        delete_orphans: bool = False,
        watcher: "Watcher | None" = None,
    ) -> "list[Rebuilt]":
        """Write every row of ``views`` (default: all) again, and return what was done.

        With ``delete_orphans`` rows of keys that offline does not have are deleted: also those that
        were pushed online only, if offline has newer ones of other keys. Lookups go on meanwhile, and the serving manifest is published again.

        Raises:
            NotFound, Denied: as `verify_online`.
            Unavailable: the online store does not answer; doing it again is safe.
        """
        return list(
            bootstrap.online_upkeep().rebuild(
                Path(repo or self.settings.feature_repo),
                settings=self.settings,
                views=views,
                delete_orphans=delete_orphans,
                watcher=watcher,
            )
        )
