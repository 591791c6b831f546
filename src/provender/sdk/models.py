"""Models that were trained: which training set and which file each version is."""

from collections.abc import Mapping
from pathlib import Path

from provender.core.datasets import whole
from provender.core.errors import InvalidInput
from provender.core.models import DIGEST, Models, ModelVersion, Trained, check, parse_name
from provender.sdk.training_set import TrainingSet
from provender.tables import storage

PAGE = 200


class TrainedModels:
    """The models of a workspace; the catalog keeps what was said of them, and no file."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def record(
        self,
        name: str,
        *,
        training_set: TrainingSet | str,
        artifact: str | Path,
        uri: str = "",
        metrics: Mapping[str, float] | None = None,
        description: str = "",
    ) -> ModelVersion:
        """Return the version of the model ``name`` that ``artifact`` is, made of ``training_set``.

        The name is one in the project of the training set, ``project/name`` in full. ``artifact`` is a file, which is read and not kept, or its digest, ``sha256:<hex>``;
        ``uri`` says where it lies. The same artifact of the same training set is the same version.

        Raises:
            NotFound: there is no such training set, or no definitions of its project.
            Denied: the actor did not make it.
            Conflict: the name is somebody else's, or something else was said of that artifact.
            Gone, Recalled: data that it was made of was erased, or is refused to readers, since.
            InvalidInput: something that is said cannot be, or there is no such file.
        """
        trained = Trained(
            name=name,
            training_set=_id(training_set),
            artifact=_digest(artifact),
            uri=uri,
            metrics=_named({} if metrics is None else metrics),
            description=description,
        )
        return self._models.record(check(trained))

    def get(self, name: str) -> ModelVersion:
        """Return the version that ``name@version`` names, else the newest of ``name``.

        ``project/name`` is needed where several projects have a model of that name.
        """
        return self._models.version(*parse_name(name))

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions of a model, the newest first."""
        return whole(lambda after: self._models.versions(name, limit=PAGE, after=after))

    def list(self) -> list[ModelVersion]:
        """Return the newest version of every model, by name."""
        return whole(lambda after: self._models.models(limit=PAGE, after=after))


def _id(training_set: TrainingSet | str) -> str:
    if not isinstance(training_set, TrainingSet | str):
        raise InvalidInput(
            f"the training set is {type(training_set).__name__}, and neither one nor an id",
            hint="give what workspace.training_set(...) returned, or its id: ts_…",
        )
    return training_set if isinstance(training_set, str) else training_set.id


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(metrics, Mapping):
        raise InvalidInput(
            f"metrics are {type(metrics).__name__}, and no numbers by name",
            hint='give them like {"auc": 0.8}',
        )
    return {str(name): value for name, value in metrics.items()}


def _digest(artifact: str | Path) -> str:
    if isinstance(artifact, str) and DIGEST.match(artifact):
        return artifact
    if not isinstance(artifact, str | Path):
        raise InvalidInput(
            f"the artifact is {type(artifact).__name__}, and neither a file nor a digest",
            hint="write it to a file and name that, or give sha256: and 64 hex digits",
        )
    path = Path(artifact)
    if not path.is_file():
        raise InvalidInput(
            f"the artifact {str(artifact)!r} is no file here, and no digest",
            hint="name a file (pack a folder into one), or sha256: and 64 hex digits",
        )
    return storage.entry(path, path.parent).sha256
