"""What feature repositories define, as the catalog shows it to the actor, and how to look it up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from provender.core.errors import NotFound
from provender.core.features import OnDemandSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.names import FeatureRef, unknown
from provender.core.serving import ServingManifest
from provender.web.page import Visit

T = TypeVar("T")


def named_view(repo: RepoSpec, name: str) -> ViewSpec | OnDemandSpec | None:
    """Return the view or on-demand view called ``name``, if ``repo`` has one."""
    every: list[ViewSpec | OnDemandSpec] = [*repo.views, *repo.on_demand]
    return named(every, name)


def named_service(repo: RepoSpec, name: str) -> ServiceSpec | None:
    """Return the service called ``name``, if ``repo`` has one."""
    return named(repo.services, name)


def named(things: Iterable[T], name: str) -> T | None:
    """Return the one called ``name``, None if there is none."""
    return next((thing for thing in things if _name(thing) == name), None)


def names_of(things: Iterable[Any]) -> list[str]:
    """Return what each is called."""
    return [_name(thing) for thing in things]


def find(
    visit: Visit,
    what: str,
    look: Callable[[RepoSpec, str], T | None],
    names: Callable[[RepoSpec], Iterable[str]],
) -> tuple[RepoSpec, T]:
    """Return the definition that the address names, of the project it names or the first that has it.

    Raises:
        NotFound: there is none that the actor may discover.
    """
    name, project = visit.part("name"), visit.asked("project")
    known: list[str] = []
    for one in [project] if project else visit.catalog.records.projects():
        repo = visit.catalog.repo(one)
        found = look(repo, name)
        if found is not None:
            return repo, found
        known += names(repo)
    raise unknown(what, name, known)


def serving(visit: Visit, project: str) -> ServingManifest | None:
    """Return what a project serves, None if nothing of it was applied for serving."""
    try:
        return visit.catalog.records.serving_manifest(project)
    except NotFound:
        return None


def closed(manifest: ServingManifest | None, refs: Iterable[FeatureRef]) -> dict[str, str] | None:
    """Return the features that are refused online, with why; None if nothing is served yet."""
    if manifest is None:
        return None
    return {str(ref): manifest.closed[str(ref)] for ref in refs if str(ref) in manifest.closed}


def shelf(
    visit: Visit, parameter: str, things: Sequence[T], *, most: int, around: str = ""
) -> "Shelf[T]":
    """Return the part of ``things`` that the address asks for by ``parameter``.

    Or the part that holds what is called as the address's parameter ``around`` says.
    """
    first = visit.number(parameter) or 1
    if around and (wanted := visit.asked(around)):
        at = next((at for at, one in enumerate(things) if _name(one) == wanted), 0)
        first = at - at % most + 1
    return Shelf(parameter, tuple(things[first - 1 :][:most]), first, len(things))


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """A part of a long list: things from number ``first`` on, of ``total``."""

    parameter: str
    things: tuple[T, ...]
    first: int
    total: int

    @property
    def after(self) -> int | None:
        """The number of the first thing beyond, None at the end."""
        beyond = self.first + len(self.things)
        return beyond if beyond <= self.total else None


def _name(thing: Any) -> str:
    return str(thing.name)
