"""Join keys of types that can be compared, but not rightly."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provender.core.datasets import Format
from provender.core.errors import InvalidInput
from provender.core.training import Table
from tests.offline.test_asof import at, run


@pytest.mark.parametrize(
    ("source", "spine"),
    [
        (pa.array([2.0**24], pa.float32()), pa.array([2**24 + 1], pa.int64())),
        (pa.array([2.0**24], pa.float32()), pa.array([2**24 + 1], pa.int32())),
        (pa.array([2**24 + 1], pa.int64()), pa.array([2.0**24], pa.float32())),
        (pa.array([2.0**53]), pa.array([Decimal(2**53 + 1)], pa.decimal128(20, 0))),
        (pa.array([0.1]), pa.array([Decimal("0.1000000000000000000001")], pa.decimal128(38, 22))),
    ],
)
def test_keys_that_floats_do_not_tell_apart_are_refused(tmp_path, source, spine):
    instant = pa.timestamp("us", tz="UTC")
    path = tmp_path / "view.parquet"
    pq.write_table(pa.table({"k1": source, "event": pa.array([at(1)], instant), "x": [7]}), path)
    table = Table(format=Format.PARQUET, location=str(path))
    with pytest.raises(InvalidInput, match=r"2\^(24|53)"):
        run(tmp_path, pa.table({"p1": spine, "t": pa.array([at(2)], instant)}), table=table)
