"""Repositories opened by several threads: what is the whole process's is as it was afterwards."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from provender.feast_plugin.definitions import open_repo, open_store
from provender.settings import Settings
from tests.feast_plugin.governed import repository

PLAIN = """
project: plain
provider: local
registry: ${PROVENDER_HOME}/registry.db
offline_store:
  type: provender.feast_plugin.offline.ProvenderOfflineStore
online_store:
  type: provender.feast_plugin.online.ProvenderOnlineStore
entity_key_serialization_version: 3
"""
DEFINES = "import name\nfrom feast import Entity, ValueType\nentity = Entity(name=name.NAME, join_keys=['id'], value_type=ValueType.INT64)\n"


def test_threads_open_repositories_one_at_a_time(tmp_path: Path, home: Path) -> None:
    folders = [tmp_path / f"repo{number}" for number in range(4)]
    for number, folder in enumerate(folders):
        repository(folder, definitions=DEFINES, configuration=PLAIN)
        (folder / "name.py").write_text(f"NAME = 'entity{number}'\n")
    before = (sys.stdout, os.environ["PROVENDER_HOME"], Path.cwd(), list(sys.path))

    def work(number: int) -> tuple[str, str, Path]:
        own = Settings(home=tmp_path / f"home{number}", feature_repo=folders[number])
        own.home.mkdir(exist_ok=True)
        with open_repo(folders[number], own) as opened:
            sleep(0.02)
            with open_store(folders[number], own) as store:
                path = str(store.config.registry.path)
            [name] = [e.name for e in opened.contents.entities if e.name.startswith("entity")]
            return name, path, Path.cwd()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(work, [0, 1, 2, 3] * 3))
    assert found == [
        (f"entity{number}", str(tmp_path / f"home{number}" / "registry.db"), folders[number])
        for number in [0, 1, 2, 3] * 3
    ]
    assert (sys.stdout, os.environ["PROVENDER_HOME"], Path.cwd(), list(sys.path)) == before
    assert home


def test_a_failure_in_one_thread_leaves_the_way_free(tmp_path: Path, home: Path) -> None:
    broken = repository(tmp_path / "broken", definitions="1 / 0", configuration=PLAIN)
    good = repository(tmp_path / "good", definitions="", configuration=PLAIN)
    home.mkdir()
    own = Settings(home=home)
    for _ in range(2):
        with pytest.raises(Exception, match="division"), open_repo(broken, own):
            pass

    def project() -> str:
        with open_store(good, own) as store:
            return str(store.project)

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(project).result(timeout=20) == "plain"
