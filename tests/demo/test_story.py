"""The story told again, over a catalog that somebody has worked in since."""

from pathlib import Path

import pyarrow as pa
import pytest

from demo import story
from demo.cast import LEE, ROOT, SAM
from demo.stage import Stage
from provender.catalog.documents import read_governance
from provender.core.errors import Conflict
from provender.sdk import connect
from provender.settings import Settings


def test_whoever_published_other_rows_themselves_is_told_how_to_begin_anew(tmp_path: Path):
    settings = Settings(home=tmp_path / "home", governance=ROOT / "catalog")
    with connect(settings=settings, actor=LEE) as workspace:
        workspace.catalog.desk.apply(read_governance(settings.governance))
    with connect(settings=settings, actor=SAM) as workspace:
        workspace.publish("aviation.carriers", pa.table({"carrier": ["XX"], "name": ["Mine"]}))
        rows = pa.table({"carrier": ["9E"], "name": ["Endeavor Air Inc."]})
        with pytest.raises(
            Conflict, match=f"at version 1, not 0: {SAM} published that on 20.* been you"
        ) as error:
            story._publish(Stage(), workspace, "carriers", rows, year=2013, number=1, inputs=())
    assert "meanwhile" not in error.value.message
    assert f"PROVENDER_HOME={tmp_path / 'home-anew'} make demo" in error.value.hint
