import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pyarrow as pa
import pytest

from demo.data import load
from demo.derive import derive
from demo.labels import spine as spine_of
from tests.oracle.flights import frame_oracle

ROOT = Path(__file__).parents[2]
REQUEST = ("departure_epoch", "last_arr_epoch")


@pytest.fixture(scope="session")
def raw_2013():
    return load(2013)


@pytest.fixture(scope="session")
def raw_2023():
    return load(2023)


@pytest.fixture(scope="session")
def derived_2013(raw_2013):
    return derive(raw_2013, year=2013)


@pytest.fixture(scope="session")
def derived_2023(raw_2023):
    return derive(raw_2023, year=2023)


@pytest.fixture(scope="session")
def spine_2013(raw_2013):
    return spine_of(raw_2013["flights"])


@pytest.fixture(scope="session")
def transforms():
    """The module of on-demand functions, imported by its file: the repository is not a package."""
    spec = spec_from_file_location("flights_transforms", ROOT / "feature_repo" / "transforms.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def times_2013(spine_2013, derived_2013):
    """The features of every flight of 2013 by hand, and the instants of the rows that answered."""
    return frame_oracle(spine_2013, derived_2013, with_times=True)


@pytest.fixture(scope="session")
def frame_2013(spine_2013, times_2013, transforms):
    """What a training set of the service delay_v1 is, made without a feature store."""
    frame = spine_2013
    for name in times_2013.column_names:
        if not name.endswith("__event_timestamp"):
            frame = frame.append_column(name, times_2013.column(name))
    inputs = {name: frame.column(name).to_pylist() for name in REQUEST}
    for name, values in transforms.departure(inputs).items():
        frame = frame.append_column(name, pa.array(values))
    return frame
