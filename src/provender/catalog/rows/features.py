"""What projects define, serve and train on."""

from datetime import datetime

from sqlalchemy import Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from provender.catalog.rows.columns import Name, Row, UtcDateTime, Value
from provender.core.features import RepoSpec
from provender.core.governance import Project
from provender.core.models import ModelVersion
from provender.core.serving import ServingManifest
from provender.core.training import TrainingSetManifest


class ProjectRow(Row):
    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    scope: Mapped[int] = mapped_column(Integer)
    value: Mapped[Project] = mapped_column(Value(Project))


class RepoRow(Row):
    __tablename__ = "repos"
    project: Mapped[str] = mapped_column(Name, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String)
    value: Mapped[RepoSpec] = mapped_column(Value(RepoSpec))


class ServingManifestRow(Row):
    __tablename__ = "serving_manifests"
    project: Mapped[str] = mapped_column(Name, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String)
    value: Mapped[ServingManifest] = mapped_column(Value(ServingManifest))


class ModelRow(Row):
    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "training_set", "artifact"),)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    training_set: Mapped[str] = mapped_column(Name, index=True)
    artifact: Mapped[str] = mapped_column(String)
    value: Mapped[ModelVersion] = mapped_column(Value(ModelVersion))


class TrainingSetRow(Row):
    __tablename__ = "training_sets"
    id: Mapped[str] = mapped_column(Name, primary_key=True)
    project: Mapped[str] = mapped_column(String, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    value: Mapped[TrainingSetManifest] = mapped_column(Value(TrainingSetManifest))
