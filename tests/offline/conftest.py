"""One Spark cluster for all tests of this folder that need one, started by the first of them."""

import pytest

from provender.offline.spark import SparkEngine
from tests.offline.cluster import OPTIONS


@pytest.fixture
def engine(spark_master, tmp_path):
    return SparkEngine(tmp_path, spark_master, OPTIONS, temp_directory=tmp_path / "temporary")
