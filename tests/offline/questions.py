"""Short ways to ask one thing of an engine: a table, joins with it, and the answer."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq

from provender.core.datasets import Format
from provender.core.training import PointInTimePlan, Table, ViewJoin
from provender.offline.spine import Spine
from tests.offline.cases import NOTHING_GOVERNED, START

MINUTE = dt.timedelta(minutes=1)


def at(minute):
    return None if minute is None else START + minute * MINUTE


def written(folder, columns, name="view.parquet"):
    pq.write_table(pa.table(columns), folder / name)
    return Table(format=Format.PARQUET, location=str(folder / name))


def join(table, *features, view="v", keys=(("p", "k"),), **options):
    named = tuple((name, name) for name in features or ("x",))
    options = {"features": named, "event_timestamp": "event"} | options
    return ViewJoin(view=view, table=table, keys=keys, **options)


def plan(table, *features, **options):
    return together(join(table, *features, **options))


def together(*joins):
    return PointInTimePlan(event_timestamp="t", joins=joins)


def run(engine, question, spine, **options):
    return engine.run(question, Spine(spine), NOTHING_GOVERNED, now=START, **options)
