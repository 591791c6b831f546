"""Models, asked over HTTP."""

from provender.client.wire import Wire
from provender.core.datasets import Listed
from provender.core.models import ModelVersion, Trained, parts


class HttpModels:
    """`core.models.Models` over a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def record(self, trained: Trained) -> ModelVersion:
        """Return the version that a model is; sent again it is the same one."""
        body = {"model": trained}
        return self._wire.send("POST", ModelVersion, "models", body=body, again=True)

    def version(self, name: str, number: int | None = None) -> ModelVersion:
        """Return a version of the model ``name``, the newest if no ``number`` is said."""
        project, own = parts(name)
        which = () if number is None else ("versions", number)
        return self._wire.get(ModelVersion, "models", own, *which, project=project or None)

    def versions(self, name: str, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the versions of the model ``name``, the newest first."""
        project, own = parts(name)
        return self._wire.listed(
            ModelVersion,
            "models",
            own,
            "versions",
            limit=limit,
            after=after,
            project=project or None,
        )

    def models(self, *, limit: int = 50, after: str = "") -> Listed[ModelVersion]:
        """Return the newest version of every model, by name."""
        return self._wire.listed(ModelVersion, "models", limit=limit, after=after)
