"""The front door for training code and notebooks: `connect` and the `Workspace` it returns."""

from provender.sdk.rows import arrow_table
from provender.sdk.training_set import TrainingSet
from provender.sdk.workspace import Workspace, connect

__all__ = ["TrainingSet", "Workspace", "arrow_table", "connect"]
