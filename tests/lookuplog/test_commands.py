"""``provender online log …``, as a terminal sees it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provender import bootstrap
from provender.catalog.documents import read_governance
from provender.cli import main
from provender.settings import Settings
from tests.lookuplog import world
from tests.lookuplog.world import TOTALS, spooled, totals


@pytest.fixture(autouse=True)
def _as_sam(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PROVENDER_HOME", str(settings.home))
    monkeypatch.setenv("PROVENDER_ACTOR", world.SAM)
    monkeypatch.setenv("PROVENDER_GOVERNANCE", str(tmp_path / "catalog"))
    bootstrap.settings.cache_clear()
    yield
    bootstrap.settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["online", "log", *arguments])


def test_what_waits_is_told_then_shipped(settings: Settings) -> None:
    spooled(settings, TOTALS, totals("r1", "r2"))
    [waiting] = json.loads(run("status", "--json").stdout)
    assert (waiting["service"], waiting["segments"], waiting["problem"]) == ("totals", 1, "")
    shipped = run("ship")
    assert shipped.exit_code == 0
    assert "serving_log.shop__totals@1" in shipped.stdout
    [waiting] = json.loads(run("status", "--json").stdout)
    assert (waiting["segments"], waiting["size_bytes"]) == (0, 0)


def test_what_cannot_be_shipped_is_an_exit_code_and_a_hint(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bootstrap.catalog(settings) as catalog:
        catalog.desk.apply(world.governance())
    spooled(settings, TOTALS, totals("r1"))
    refused = run("ship")
    assert refused.exit_code == 1
    assert "is not declared" in refused.stdout
    assert "provender online log declare totals --write" in refused.stderr
    [waiting] = json.loads(run("status", "--json").stdout)
    assert (waiting["segments"], "not declared" in waiting["problem"]) == (1, True)


def test_a_declaration_is_written_where_governance_reads_it(tmp_path: Path) -> None:
    shown = run("declare", "mixed").stdout
    assert shown.startswith("# datasets/serving_log/shop__mixed.yml\n")
    assert run("declare", "mixed", "--write").exit_code == 0
    folder = tmp_path / "catalog"
    (folder / "domains.yml").write_text("- {name: serving_log}\n")
    (folder / "people.yml").write_text("teams: [team:shop]\n")
    names = ("kind.master", "quality.gold", "personal.id", "personal.age")
    (folder / "tags.yml").write_text("".join(f"- {{name: {name}}}\n" for name in names))
    assert read_governance(folder).datasets == (world.log_of(world.MIXED),)


def test_the_log_of_an_unknown_service_is_an_error_with_a_near_name() -> None:
    refused = run("declare", "total")
    assert refused.exit_code != 0
    assert "totals" in refused.stderr
