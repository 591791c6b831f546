"""A Feast repository opened: its configuration, its store and the objects its files define.

Feast imports the files of a repository as top-level modules of the current folder. Here that
happens for the time of a ``with`` only, so that two repositories, or one that was edited, can be
opened in one process; and what Feast prints meanwhile goes nowhere. The current folder, the
environment, the modules and ``sys.stdout`` are the whole process's: one thread at a time.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from threading import RLock
from types import ModuleType

import yaml
from feast import FeatureStore
from feast.base_feature_view import BaseFeatureView
from feast.errors import FeastError
from feast.feature_view import FeatureView
from feast.inference import (
    update_data_sources_with_inferred_event_timestamp_col,
    update_feature_views_with_inferred_features_and_entities,
)
from feast.repo_config import FeastConfigError
from feast.repo_contents import RepoContents
from feast.repo_operations import get_repo_files, parse_repo

from provender.core.errors import InvalidInput, Misconfigured, NotFound, ProvenderError
from provender.feast_plugin import collaborators
from provender.feast_plugin.translation import sentence
from provender.settings import PREFIX, Settings

CONFIGURATION = "feature_store.yaml"
_ALONE = RLock()


@dataclass(frozen=True, slots=True)
class OpenRepo:
    """A repository while it is open; ``problems`` are what Feast could not infer."""

    folder: Path
    store: FeatureStore
    contents: RepoContents
    problems: tuple[str, ...]

    @property
    def project(self) -> str:
        return str(self.store.config.project)


@contextmanager
def open_store(folder: Path, settings: Settings) -> Iterator[FeatureStore]:
    """The Feast store of a repository, without its definitions; its state folder is made.

    ``${PROVENDER_HOME}`` in feature_store.yaml is the settings' state folder.

    Raises:
        NotFound: there is no repository in ``folder``.
        Misconfigured: feature_store.yaml cannot be used.
    """
    folder = folder.resolve()
    if not (folder / CONFIGURATION).is_file():
        raise NotFound(
            f"there is no {CONFIGURATION} in {folder}",
            hint="name the folder of a Feast repository, or set PROVENDER_FEATURE_REPO",
        )
    home = {f"{PREFIX}HOME": str(settings.home)}
    with _ALONE, _variables(home), collaborators.using(settings), quiet():
        try:
            store = FeatureStore(repo_path=str(folder))
        except (FeastConfigError, FeastError, yaml.YAMLError, ValueError) as error:
            raise Misconfigured(
                f"{folder / CONFIGURATION} cannot be used: {error}",
                hint="compare it with the example repository",
            ) from error
        yield store


@contextmanager
def open_repo(folder: Path, settings: Settings) -> Iterator[OpenRepo]:
    """The store of a repository and what its files define, with types inferred as Feast does.

    Raises:
        NotFound, Misconfigured: as `open_store`.
        InvalidInput: one of its files cannot be imported.
    """
    folder = folder.resolve()
    with _ALONE, ExitStack() as stack:
        store = stack.enter_context(open_store(folder, settings))
        stack.enter_context(chdir(folder))
        stack.enter_context(_own_modules(folder))
        contents = _parsed(folder)
        yield OpenRepo(folder, store, contents, tuple(_inferred(store, contents)))


def registered_views(store: FeatureStore) -> list[FeatureView]:
    """Return the feature views that Feast's registry holds for the store's project."""
    project = store.project
    return [
        *store.registry.list_feature_views(project),
        *store.registry.list_stream_feature_views(project),
    ]


@contextmanager
def quiet() -> Iterator[None]:
    """Let nothing that Feast prints or warns of its own features about get out."""
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _parsed(folder: Path) -> RepoContents:
    try:
        return parse_repo(folder)
    except ProvenderError:
        raise
    except Exception as error:  # importing runs the user's code
        place = _last_place(error, folder)
        raise InvalidInput(
            f"{place} cannot be imported: {type(error).__name__}: {error}",
            hint="python -c 'import …' in that folder shows where",
        ) from error


def _last_place(error: Exception, folder: Path) -> str:
    """Return the file and line of the repository that the error went through last."""
    place, trace = str(folder), error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.resolve().is_relative_to(folder.resolve()):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _inferred(store: FeatureStore, contents: RepoContents) -> Iterator[str]:
    """Let Feast fill in what the definitions leave out; yield what it cannot."""
    views = [*contents.feature_views, *contents.stream_feature_views]
    for view in views:
        try:
            if view.batch_source is not None:
                update_data_sources_with_inferred_event_timestamp_col(
                    [view.batch_source], store.config
                )
            update_feature_views_with_inferred_features_and_entities(
                store.provider, [view], contents.entities, store.config
            )
        except ProvenderError as error:
            yield f"feature view {view.name}: {sentence(error)}"
        except (FeastError, OSError, ValueError, KeyError) as error:
            yield f"feature view {view.name}: {' '.join(str(error).split())}"
    by_name: dict[str, FeatureView | BaseFeatureView] = {view.name: view for view in views}
    for service in contents.feature_services:
        try:
            service.infer_features(fvs_to_update=by_name)
        except (FeastError, AssertionError) as error:
            yield f"feature service {service.name}: {' '.join(str(error).split()) or 'asks for an unknown feature'}"


@contextmanager
def _own_modules(folder: Path) -> Iterator[None]:
    """Import modules of ``folder`` anew, under their own names, and forget them afterwards."""
    root = folder.resolve()
    files = [file.relative_to(root).with_suffix("") for file in get_repo_files(root)]
    tops = {file.parts[0] for file in files}
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _top(name) in tops}
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if _top(name) in tops]:
            del sys.modules[name]
        _restore(hidden)


def _restore(hidden: dict[str, ModuleType]) -> None:
    sys.modules.update(hidden)


def _top(module: str) -> str:
    return module.partition(".")[0]


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while, for Feast to expand in its configuration."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
