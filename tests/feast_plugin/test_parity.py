"""Comparing the online store with offline, and filling it anew while it answers."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from click.testing import CliRunner, Result
from feast import FeatureStore

from provender.cli import main
from provender.core.clock import utc_now
from provender.core.errors import Denied, NotFound
from provender.core.serving import ServedView, serve_view
from provender.feast_plugin import collaborators
from provender.feast_plugin.definitions import open_store
from provender.feast_plugin.parity import compare, verify
from provender.feast_plugin.rebuild import rebuild
from provender.feast_plugin.runs import engine_of, materialize, push
from provender.feast_plugin.translation import view_spec
from provender.online.codec import KeyCodec, RowCodec
from provender.online.parity import Parity
from provender.online.store import OnlineStore
from provender.sdk import connect
from provender.settings import Settings
from tests.feast_plugin import governed
from tests.feast_plugin.plain import HOUR, NOON


@pytest.fixture
def applied(filled: Path) -> Path:
    return filled


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as opened:
        yield opened


def served(repo: Path) -> ServedView:
    return serve_view(view_spec(FeatureStore(repo_path=str(repo)).get_feature_view("trips")))


def keys(repo: Path, *drivers: int) -> list[bytes]:
    return [KeyCodec("trips", served(repo)).key([driver]) or b"" for driver in drivers]


def checked(repo: Path, settings: Settings, sample: int | None = None) -> Parity:
    [found] = verify(repo, settings=settings, sample=sample)
    return found


def test_what_was_just_written_is_whole(applied: Path, settings: Settings) -> None:
    found = checked(applied, settings)
    assert found == Parity(view="trips", keys=3, compared=3, equal=3, orphans=0)
    assert found.is_whole


def test_each_way_of_being_wrong_is_counted(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    first, second, third = keys(applied, 1, 2, 3)
    client.delete(first)
    client.set(second, client.get(second)[:-1] + b"!")
    client.set(third, b"another layout")
    other = keys(applied, 77)[0]
    client.set(other, b"nobody's")
    found = checked(applied, settings)
    assert (found.missing, found.equal, found.orphans) == (1, 0, 1)
    assert found.different + found.other_layout == 2
    assert not found.is_whole


def test_rows_of_an_earlier_version_are_older(applied: Path, settings: Settings) -> None:
    later = governed.rows((1, 5, 12), (2, 1, None), (3, 1, 2**53 + 1))
    governed.publish(settings, later)
    found = checked(applied, settings)
    assert (found.older, found.equal, found.is_whole) == (1, 2, False)


def test_rows_that_were_pushed_are_no_fault(applied: Path, settings: Settings) -> None:
    sam = settings.model_copy(update={"actor": governed.SAM})
    push(applied, "arrivals", governed.rows((1, 9, 5), (50, 9, 6)), settings=sam)
    found = checked(applied, settings)
    assert (found.newer, found.equal, found.orphans, found.is_whole) == (2, 2, 0, True)


def test_rows_ahead_of_time_are_a_fault_that_rebuilding_mends(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    codec, (first, other) = RowCodec(served(applied)), keys(applied, 1, 51)
    later = utc_now() + timedelta(hours=1)
    online.write([(first, codec.encode(first, {"value": 1}, governed.NOON + 9 * HOUR, later))])
    online.write([(other, codec.encode(other, {"value": 1}, later))])
    found = checked(applied, settings)
    assert (found.ahead, found.newer, found.equal, found.is_whole) == (2, 0, 2, False)
    [done] = rebuild(applied, settings=settings)
    assert done.parity.is_whole
    assert checked(applied, settings) == Parity(
        view="trips", keys=3, compared=3, equal=3, orphans=0
    )


def test_a_sample_looks_at_some_and_for_no_orphans(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    client.set(keys(applied, 77)[0], b"nobody's")
    found = checked(applied, settings, sample=1)
    assert (found.keys, found.compared, found.orphans, found.is_whole) == (3, 1, None, True)


def test_a_store_that_was_emptied_is_whole_again(
    applied: Path, settings: Settings, client: redis.Redis, online: OnlineStore
) -> None:
    told = online.manifest("trips")
    client.flushall()
    assert checked(applied, settings).missing == 3
    [done] = rebuild(applied, settings=settings)
    assert (done.run.written, done.deleted, done.parity.is_whole) == (3, 0, True)
    assert checked(applied, settings).is_whole
    assert online.manifest("trips") == told
    [run] = materialize(applied, settings=settings)
    assert run.read == 0


class Counted:
    """Counts what a watcher is told."""

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        self.rows = 0

    def expect(self, name: str, total: int, done: int) -> None:
        self.expected[name] = total - done

    def advance(self, name: str, rows: int) -> None:
        self.rows += rows


def test_a_workspace_compares_and_rebuilds_as_the_commands_do(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    ours = settings.model_copy(update={"feature_repo": applied})
    with connect(settings=ours) as workspace:
        assert workspace.verify_online() == list(verify(applied, settings=settings))
        client.flushall()
        [found] = workspace.verify_online("trips", sample=3)
        assert (found.missing, found.orphans, found.is_whole) == (3, None, False)
        counted = Counted()
        [done] = workspace.rebuild_online(repo=applied, watcher=counted)
        assert (done.run.written, done.deleted, done.parity.is_whole) == (3, 0, True)
        assert (counted.expected, counted.rows) == ({"trips": 3}, 3)
        assert [found.is_whole for found in workspace.verify_online(repo=str(applied))] == [True]
        with pytest.raises(NotFound, match="trip"):
            workspace.verify_online("trip")
        with pytest.raises(NotFound, match="no feature_store"):
            workspace.rebuild_online(repo=applied.parent)
    with connect(settings=ours, actor=governed.MAX) as workspace, pytest.raises(Denied):
        workspace.verify_online()


def test_a_rebuild_deletes_what_offline_lacks_only_if_told_and_keeps_what_was_pushed(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    sam = settings.model_copy(update={"actor": governed.SAM})
    push(applied, "arrivals", governed.rows((1, 9, 5), (60, -9, 6)), settings=sam)
    first, second, old = keys(applied, 1, 2, 60)
    pushed = client.get(first)
    client.set(second, b"another layout")
    [kept] = rebuild(applied, settings=settings)
    assert (kept.run.written, kept.run.kept, kept.deleted) == (2, 1, 0)
    assert (kept.parity.orphans, kept.parity.is_whole) == (1, False)
    assert client.get(old) is not None, "it was acknowledged"
    [done] = rebuild(applied, settings=settings, delete_orphans=True)
    assert (done.deleted, done.parity.orphans) == (1, 0)
    assert client.get(first) == pushed
    assert client.get(old) is None
    assert checked(applied, settings).is_whole


def test_an_orphan_that_is_pushed_while_orphans_are_deleted_stays(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    sam = settings.model_copy(update={"actor": governed.SAM})
    push(applied, "arrivals", governed.rows((60, -9, 6), (61, -9, 6)), settings=sam)
    with open_store(applied, settings) as repo, collaborators.using(settings):
        comparison = compare(engine_of(repo), repo.get_feature_view("trips"))
        [orphans] = comparison.orphans()
    assert sorted(key for key, _ in orphans) == sorted(keys(applied, 60, 61))
    push(applied, "arrivals", governed.rows((60, -8, 7)), settings=sam)
    assert online.drop(orphans) == 1
    assert [row is None for row in online.read(keys(applied, 60, 61))] == [False, True]


def test_lookups_go_on_while_it_is_rebuilt(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    wanted, seen, over = keys(applied, 1, 2, 3), [], threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(None in online.read(wanted))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for _ in range(3):
            list(rebuild(applied, settings=settings))
    finally:
        over.set()
        reader.join()
    assert seen
    assert not any(seen)


def test_other_views_and_projects_keep_their_rows(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    others = [f"p1:trips{uuid4().hex[:4]}:trips:{{i1}}", "p1:trips:trips2:{i1}"]
    for other in others:
        client.set(other, b"theirs")
    list(rebuild(applied, settings=settings))
    assert client.mget(others) == [b"theirs"] * 2
    client.delete(*others)


def provender(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_the_command_line_ends_with_1_if_the_store_is_not_whole(
    applied: Path, settings: Settings, client: redis.Redis
) -> None:
    assert settings
    whole = provender("online", "verify", "--repo", str(applied), "--json")
    assert (whole.exit_code, json.loads(whole.stdout)[0]["equal"]) == (0, 3)
    client.delete(keys(applied, 1)[0])
    holed = provender("online", "verify", "trips", "--repo", str(applied))
    assert holed.exit_code == 1
    assert "provender online rebuild" in holed.stderr
    rebuilt = provender("online", "rebuild", "--repo", str(applied), "--json")
    assert json.loads(rebuilt.stdout)[0]["parity"]["equal"] == 3
    assert provender("online", "rebuild", "--repo", str(applied)).exit_code == 0
    assert provender("online", "verify", "--repo", str(applied)).exit_code == 0
    sam = settings.model_copy(update={"actor": governed.SAM})
    push(applied, "arrivals", governed.rows((60, -9, 6)), settings=sam)
    only_online = provender("online", "verify", "--repo", str(applied))
    assert only_online.exit_code == 1
    assert "1 rows online have none offline" in only_online.stderr
    assert "--delete-orphans" in only_online.stderr


def test_the_command_line_materialises_with_all_its_options(
    applied: Path, settings: Settings
) -> None:
    assert settings
    run = provender("features", "materialize", str(applied), "--force", "--lookback", "2d")
    assert run.exit_code == 0
    assert "null times" in run.stdout
    wrong = provender("features", "materialize", str(applied), "--lookback", "two days")
    assert "'two days' is not a duration" in wrong.stderr


def test_the_window_that_the_command_line_materialises_may_be_told_with_a_zone(
    applied: Path, settings: Settings, online: OnlineStore
) -> None:
    assert settings
    online.delete("trips")
    east = timezone(2 * HOUR)
    first, last = NOON + HOUR / 2, NOON + 3 * HOUR / 2
    window = ("--start", first.astimezone(east).isoformat(), "--end", f"{last:%Y-%m-%dT%H:%M}Z")
    done = provender("features", "materialize", str(applied), *window, "--json")
    (run,) = json.loads(done.stdout)
    assert [datetime.fromisoformat(run[end]) for end in ("start", "end")] == [first, last]
    assert (run["read"], run["written"]) == (3, 3)
    wrong = provender("features", "materialize", str(applied), "--start", "noon")
    assert (wrong.exit_code, "'noon' is not an instant" in wrong.stderr) == (2, True)
