"""T26: subjects of many views, erased: their values, and what stands for them, are nowhere any more.

Not after a backup of the catalog, a copy of the lake and one of the online store's files were put
back either, before anybody is served from them. In full under STRESS: 1,000 subjects in 20 views, 50
of them erased.
"""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from provender import bootstrap
from provender.catalog.backup import write
from provender.catalog.restore import restore
from provender.catalog.signing import is_attested
from provender.core.clock import utc_now
from provender.core.effects import Mask, MaskKind, masked
from provender.core.erasure import State
from provender.core.errors import Gone
from provender.core.features import EntitySpec, FieldSpec, RepoSpec, ServiceSpec, ViewSpec
from provender.core.governance import Domain, Governance
from provender.core.names import DatasetRef, FeatureRef
from provender.core.people import Person
from provender.core.policy import Action, Rule
from provender.online.codec import KeyCodec, RowCodec, hashed_tag
from provender.online.embedded import STOP_SECONDS
from provender.online.place import Place, wait_for_lock
from provender.online.secrets import KEYRING
from provender.sdk import Workspace
from provender.settings import Settings
from provender.tables import ledger
from tests.erasure.bytes import holding
from tests.erasure.conftest import FORMATS, declared, people
from tests.online.views import T0
from tests.stress import times

SUBJECTS = times(100)
ERASED = times(5)
VIEWS = 3 if times(1) == 1 else 20
PROJECT = "rides"
DATASETS = [DatasetRef("fleet", f"features_{n}") for n in range(VIEWS)]
HASHED = DatasetRef("fleet", "hashed")
"""What a project wrote down of drivers whose ids it saw hashed."""


def name(number: int) -> str:
    """A driver, unmistakable."""
    return f"drv-7d1f3c529b604a5e-{number:06}"


def repo() -> RepoSpec:
    views = tuple(
        ViewSpec(
            name=f"view_{number}",
            entities=("driver",),
            join_keys=(FieldSpec(name="driver", type="string"),),
            features=(FieldSpec(name="km", type="float64"),),
            dataset=ref,
            event_timestamp="at",
            owner="person:ops",
            entity_ids="hashed" if number == 1 else "plain",
        )
        for number, ref in enumerate(DATASETS)
    )
    features = tuple(FeatureRef(view.name, "km") for view in views[:1])
    return RepoSpec(
        project=PROJECT,
        entities=(EntitySpec(name="driver", join_key="driver", type="string"),),
        views=views,
        services=(ServiceSpec(name="all", features=features, owner="person:ops"),),
    )


GOVERNANCE = Governance(
    domains=(Domain(name="fleet"),),
    people=tuple(Person(id=f"person:{who}", name=who) for who in ("gov", "ops", "ana")),
    purposes={"report": "Count."},
    rules=(
        Rule(id="gov", actors=("person:gov",), actions=(Action.GOVERN,)),
        Rule(
            id="all",
            actors=("anyone",),
            actions=(Action.DISCOVER, Action.DEFINE, Action.READ, Action.SERVE),
            purposes=("*",),
        ),
    ),
    datasets=tuple(
        declared(ref, FORMATS[number % len(FORMATS)])
        for number, ref in enumerate([*DATASETS, HASHED])
    ),
)


def rows(drivers: list[str], *, shift: int = 0) -> pa.Table:
    instants = [(1_700_000_000 + n + shift) * 1_000_000 for n in range(len(drivers))]
    return pa.table(
        {
            "driver": drivers,
            "at": pa.array(instants, pa.timestamp("us", "UTC")),
            "km": [n / 4 + shift for n in range(len(drivers))],
        }
    )


@dataclass
class Known:
    """What must not be anywhere: values, and what stands for them."""

    values: list[str]

    def holding(self, home: Path) -> list[str]:
        return holding(home, *self.values)


def fill(home: Path) -> Known:
    """Fill a home: the catalog, the lake and the online store; return what is to be erased."""
    settings = Settings(home=home, actor="person:ops")
    drivers = [name(number) for number in range(SUBJECTS)]
    known = Known(drivers[:ERASED])
    with people(home) as acting:
        acting("gov").catalog.desk.apply(GOVERNANCE)
        ops = acting("ops")
        for ref in DATASETS:
            ops.publish(str(ref), rows(drivers[SUBJECTS // 2 :] + drivers[:1]))
            ops.publish(str(ref), rows(drivers * 2, shift=7))
        ops.catalog.record(repo())
        key = bootstrap.mask_key(settings, PROJECT)
        hide = Mask(kind=MaskKind.HASH)
        hidden = [masked(hide, one, "string", key=key) for one in drivers]
        tags = [
            hashed_tag(KEYRING.secret(PROJECT), b"s%d:%b" % (len(one), one.encode()))
            for one in drivers
        ]
        ops.publish(str(HASHED), rows([*hidden, *(tag.decode() for tag in tags)]))
        known.values += [*hidden[:ERASED], *(tag.decode() for tag in tags[:ERASED])]
        fill_online(settings, ops, drivers)
    return known


def fill_online(settings: Settings, ops: Workspace, drivers: list[str]) -> None:
    manifest = ops.catalog.records.serving_manifest(PROJECT)
    with bootstrap.online(settings) as store:
        for view in manifest.views:
            keys, codec = KeyCodec(PROJECT, view), RowCodec(view)
            store.claim(PROJECT, view)
            made = [key for one in drivers if (key := keys.key([one])) is not None]
            store.write([(key, codec.encode(key, {"km": 1.0}, T0)) for key in made])
        store.publish_manifest(manifest)
        with store.commands() as client:
            client.execute_command("WAITAOF", 1, 0, 5_000)


def stopped(home: Path) -> None:
    """Wait until the embedded server of ``home`` has ended."""
    os.close(wait_for_lock(Place.of(home).keeper_lock, fcntl.LOCK_EX, seconds=STOP_SECONDS))


def test_subjects_are_nowhere_any_more(tmp_path: Path):
    home, copies = tmp_path / "home", tmp_path / "copies"
    home.mkdir()
    copies.mkdir()
    known = fill(home)
    stopped(home)
    chosen = Settings(home=home, actor="person:gov")
    door = bootstrap.door(chosen)
    write(door, copies / "catalog.tar")
    door.engine.dispose()
    shutil.copytree(home / "valkey", copies / "valkey")
    shutil.copytree(home / "lake", copies / "lake")
    spine = rows([name(SUBJECTS - 1)], shift=SUBJECTS * 2 + 7).select(["driver", "at"])
    pinned = {"service": "all", "pins": [f"{DATASETS[0]}@2"], "event_timestamp": "at"}
    with people(home) as acting:
        made = acting("ana").training_set(spine, **pinned)  # type: ignore[arg-type]
        assert made.manifest.row_count == 1
    held = known.holding(home)
    assert {Path(one.partition(" (")[0]).relative_to(home).parts[0] for one in held} >= {
        "lake",
        "valkey",
    }

    with people(home) as acting:
        subjects = [f"driver={name(number)}" for number in range(ERASED)]
        done = acting("gov").erase(*subjects, reason="requests of March")
        stopped(home)
        assert known.holding(home) == []
        assert {one.after for one in done.erased} == {2, 3}
        assert {one.view: one.keys for one in done.online} == {
            f"view_{number}": ERASED for number in range(VIEWS)
        }
        assert acting("ana").read(str(DATASETS[0])).num_rows == 2 * (SUBJECTS - ERASED)
        assert done.readers == (f"training set {made.id}",)
        with pytest.raises(Gone, match=f"certificate {done.id}"):
            acting("ana").training_set(spine, **pinned)  # type: ignore[arg-type]
    public = bootstrap.sealing(chosen).keys.public()
    assert is_attested(done, public)

    for file in home.glob("catalog.db*"):
        file.unlink()
    shutil.rmtree(home / "valkey")
    shutil.copytree(copies / "valkey", home / "valkey")
    shutil.copytree(copies / "lake", home / "lake", dirs_exist_ok=True)
    restore(
        copies / "catalog.tar",
        chosen.database_url,
        actor=chosen.actor,
        clock=utc_now,
        keys=bootstrap.sealing(chosen).keys,
        erasures=ledger.read(chosen.lake),
    )
    with bootstrap.online_address(chosen) as address:
        assert (
            bootstrap.forget_online(chosen, address) == 1
        )  # as the online server does, before it serves
    stopped(home)
    assert known.holding(home / "valkey") == []
    with people(home) as acting:
        for ref in DATASETS:
            with pytest.raises(Gone, match=done.id):
                acting("ana").read(f"{ref}@2")
        again = acting("gov").erase(resume=done.id)
        assert again.state is State.DONE
        assert acting("ana").read(str(DATASETS[0])).num_rows == 2 * (SUBJECTS - ERASED)
        assert acting("gov").fsck(remove=True).is_well
    stopped(home)
    assert known.holding(home) == []
