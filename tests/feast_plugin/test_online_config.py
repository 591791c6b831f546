"""The section online_store of feature_store.yaml: what it takes, and what it never shows."""

from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from provender.feast_plugin.online import store_of
from tests.feast_plugin.plain import NOON, store, view, write
from tests.feast_plugin.test_online import get, put, row


def test_rows_vanish_in_one_way_only(tmp_path: Path) -> None:
    both = {"online_expiry": "view-ttl", "key_ttl_seconds": 9}
    with pytest.raises(ValueError, match="key_ttl_seconds or online_expiry"):
        store(tmp_path / "both", online=both)


def test_a_connection_string_is_read_as_feasts_redis_store_does(
    tmp_path: Path, valkey_url: str
) -> None:
    empty = pd.DataFrame({"driver_id": [1], "event_timestamp": [NOON], "value": [0]})
    stats = view(write(tmp_path / "stats.parquet", empty))
    socket = valkey_url.removeprefix("unix://")
    named = store(
        tmp_path / "named",
        project=f"p{uuid4().hex[:8]}",
        online={
            "connection_string": f"localhost:0,unix_socket_path={socket}",
            "redis_type": "redis",
        },
    )
    put(named, stats, row(1, 7, NOON))
    assert get(named, stats) == (NOON, 7)
    store_of(named.config).delete(named.project)


def test_secrets_of_the_connection_string_are_not_shown(tmp_path: Path) -> None:
    hidden = store(tmp_path / "h", online={"connection_string": "localhost:1,password=hunter2"})
    assert "hunter2" not in repr(hidden.config.online_store)
    assert "hunter2" not in repr(store_of(hidden.config))
