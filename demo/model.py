"""The model: will this flight arrive 15 minutes late or more, asked 60 minutes before departure.

It takes the rows of a training set as they come, or an answer of the online store, and knows
only the names of columns. Gradient boosting copes with nulls, so none is filled in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]

NEW_YORK = ZoneInfo("America/New_York")
SEED = 7
ITERATIONS = 150

CATEGORIES = ("carrier", "origin", "dest")
STATIC = (
    "departure_minute",
    "departure_weekday",
    "distance",
    "plane_age",
    "seats",
    "engines",
)
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
ROLLING = (
    "dep_n_1h",
    "dep_delay_mean_1h",
    "dep_late_share_1h",
    "dep_n_3h",
    "dep_delay_mean_3h",
    "dep_late_share_3h",
    "dep_n_24h",
    "dep_delay_mean_24h",
    "arr_n_28d",
    "arr_delay_mean_28d",
    "arr_late_share_28d",
    "last_arr_delay",
    "last_distance",
    "minutes_since_arrival",
)
FEATURES = (*STATIC, *WEATHER, *ROLLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted classifier, with the columns it takes and the categories it has seen, in order."""

    classifier: HistGradientBoostingClassifier
    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    def predict(self, rows: pa.Table) -> Floats:
        """Return the probability of a late arrival, shape (rows,)."""
        matrix = _matrix(rows, self.numbers, self.categories)
        with one_thread():
            return np.asarray(self.classifier.predict_proba(matrix)[:, 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good a model is on flights that it has not seen.

    ``auc`` is the area under the ROC curve, 0.5 for guessing; ``log_loss`` is in nats.
    """

    rows: int
    late_share: float
    auc: float
    log_loss: float


def train(frame: pa.Table, features: Sequence[str] = FEATURES) -> Model:
    """Return the model fitted to the flown flights of ``frame``; the seed is fixed."""
    rows = flown(frame)
    numbers = tuple(features)
    categories = {name: _values(rows, name) for name in CATEGORIES}
    classifier = HistGradientBoostingClassifier(
        random_state=SEED,
        max_iter=ITERATIONS,
        early_stopping=False,
        categorical_features=list(range(len(CATEGORIES))),
    )
    with one_thread():
        classifier.fit(_matrix(rows, numbers, categories), _labels(rows))
    return Model(classifier=classifier, numbers=numbers, categories=categories)


def score(model: Model, frame: pa.Table) -> Score:
    """Return how well ``model`` ranks and judges the flown flights of ``frame``."""
    rows = flown(frame)
    labels, chances = _labels(rows), model.predict(rows)
    return Score(
        rows=rows.num_rows,
        late_share=float(labels.mean()),
        auc=float(roc_auc_score(labels, chances)),
        log_loss=float(log_loss(labels, chances)),
    )


def one_thread() -> threadpool_limits:
    """Return a context of one thread: several wait for each other on a busy machine, for long."""
    return threadpool_limits(limits=1, user_api="openmp")


def flown(frame: pa.Table) -> pa.Table:
    """Return the flights that arrived: those with a label."""
    return frame.filter(pc.is_valid(frame.column("late")))


def between(frame: pa.Table, first: date, until: date) -> pa.Table:
    """Return the flights scheduled from the day ``first`` to before ``until``, in New York."""
    departures = frame.column("sched_dep_ts")
    low, high = (_midnight(day, departures.type) for day in (first, until))
    return frame.filter(pc.and_(pc.greater_equal(departures, low), pc.less(departures, high)))


def _midnight(day: date, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK), kind)


def _values(rows: pa.Table, name: str) -> tuple[str, ...]:
    return tuple(sorted(value for value in rows.column(name).unique().to_pylist() if value))


def _labels(rows: pa.Table) -> npt.NDArray[np.bool_]:
    return np.asarray(rows.column("late").to_numpy(), dtype=np.bool_)


def _matrix(
    rows: pa.Table, numbers: Sequence[str], categories: dict[str, tuple[str, ...]]
) -> Floats:
    """The inputs, shape (rows, categories + numbers): codes first; null and unseen are NaN."""
    codes = [
        pc.index_in(rows.column(name).cast(pa.string()), pa.array(values, pa.string()))
        for name, values in categories.items()
    ]
    columns = [*codes, *(rows.column(name) for name in numbers)]
    return np.column_stack(
        [
            column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            if isinstance(column, pa.Array)
            else column.cast(pa.float64()).to_numpy()
            for column in columns
        ]
    )
