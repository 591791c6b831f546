"""The independent verifier: its signatures by the vectors of RFC 8032, its verdicts on real bundles."""

import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, text

from provender.catalog import bundle, lookups
from provender.catalog.db import open_database, transaction
from provender.catalog.door import Door
from provender.catalog.rows import RuleRow
from provender.core.errors import Conflict, Corrupt, Denied, InvalidInput
from provender.core.policy import Action, Rule
from provender.core.serving import SERVER
from provender.core.tally import Matter
from provender.sdk.exporting import write_bundle
from tests.catalog.conftest import blank_postgresql, blank_template, blank_url
from tests.catalog.sealed import sealing
from tests.catalog.test_sealing import engine, sealed, write
from tests.catalog.world import NOW, Clock
from tests.postgres import postgres
from tests.stress import times
from tests.tallies import batch, tally

__all__ = ["blank_postgresql", "blank_template", "blank_url", "engine", "postgres", "sealed"]

TOOL = Path(__file__).resolve().parents[2] / "tools" / "verify_audit.py"
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
]
"""RFC 8032, 7.1: tests 1, 2, 3 and SHA(abc)."""


@pytest.fixture(scope="session")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_audit", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_signatures_of_the_standard_count_and_none_near_them(tool: ModuleType, number: int):
    secret, public, message, signature = map(bytes.fromhex, VECTORS[number])
    key = Ed25519PrivateKey.from_private_bytes(secret)
    assert key.public_key().public_bytes_raw() == public
    assert key.sign(message) == signature
    assert tool.is_signature(public, message, signature)
    for bit in random.Random(number).sample(range(512), 12):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not tool.is_signature(public, message, bytes(flipped))
    assert not tool.is_signature(public, message + b"x", signature)
    assert not tool.is_signature(bytes(32), message, signature)
    assert not tool.is_signature(public, message, signature[:-1])


def test_a_signature_has_one_form_only(tool: ModuleType):
    """S beyond the order of the curve is the same scalar, and refused; so is a y beyond the field."""
    _, public, message, signature = map(bytes.fromhex, VECTORS[1])
    beyond = int.from_bytes(signature[32:], "little") + tool.L
    assert not tool.is_signature(public, message, signature[:32] + beyond.to_bytes(32, "little"))
    assert tool.decompress((tool.P + 1).to_bytes(32, "little")) is None
    assert tool.decompress((1 | 1 << 255).to_bytes(32, "little")) is None


def test_what_another_library_signs_is_taken(tool: ModuleType):
    chance = random.Random(8032)
    for _ in range(times(3)):
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        message = chance.randbytes(chance.randrange(200))
        assert tool.is_signature(key.public_key().public_bytes_raw(), message, key.sign(message))


def export(engine: Engine, **asked: Any) -> list[bytes]:
    return list(bundle.export(Door(engine, actor="person:gov", clock=Clock()), **asked))


@pytest.fixture
def exported(engine: Engine, tmp_path: Path) -> list[bytes]:
    """The lines of a trail of a dozen events, an export among them, with the witness beside it."""
    let_read(engine)
    write(engine, 12, each=timedelta(minutes=1))
    return export(engine)


def let_read(engine: Engine) -> None:
    """Let person:gov govern."""
    rule = Rule(
        id="audit", actors=("person:gov",), actions=(Action.READ,), datasets=("catalog.audit",)
    )
    with transaction(engine, write=True) as db:
        db.merge(RuleRow(id=rule.id, value=rule))


def told(
    tool: ModuleType, lines: list[bytes], folder: Path, *, witness: bool = False, **asked: Any
) -> dict[str, Any]:
    keys = tool.read_keys([str(path) for path in (folder / "keys").glob("*.pub")])
    seen = [json.loads(line) for line in (folder / "witness.ndjson").read_text().splitlines()]
    found: dict[str, Any] = tool.verify(
        [line.decode() for line in lines], keys, seen if witness else (), **asked
    )
    return found


def test_a_bundle_proves_itself_by_itself_and_a_public_key(exported: list[bytes], tmp_path: Path):
    """In an empty folder, without site-packages, without our code: T35."""
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(TOOL, alone)
    (alone / "audit.ndjson").write_bytes(b"".join(exported))
    (key,) = (tmp_path / "keys").glob("*.pub")
    shutil.copy(key, alone / "key.pub")
    shutil.copy(tmp_path / "witness.ndjson", alone)
    command = [sys.executable, "-I", "-S", "verify_audit.py", "audit.ndjson", "--key", "key.pub"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=alone, env={}, capture_output=True, text=True, check=False
        )

    done = run("--witness", "witness.ndjson", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "ok": True,
        "first": 1,
        "last": 13,
        "since": None,
        "until": None,
        "checkpoints": 4,
        "witnessed": 4,
        "unsigned": 0,
    }
    assert run().stdout == "events 1-13 hold, by 4 checkpoints and 0 of the witness\n"
    (alone / "audit.ndjson").write_bytes(
        b"".join(exported).replace(b"person:ops", b"person:eve", 1)
    )
    broken = run()
    assert (broken.returncode, broken.stdout) == (
        1,
        "BROKEN: event 1: it does not fit the ones before it: the trail was changed\n",
    )
    (alone / "audit.ndjson").write_bytes(b"nothing\n")
    assert run().returncode == 2
    (alone / "key.pub").write_text("00")
    assert run().returncode == 2


def test_a_bundle_with_lookups_proves_itself_and_one_fewer_is_found(
    engine: Engine, tool: ModuleType, tmp_path: Path
):
    let_read(engine)
    write(engine, 3, each=timedelta(minutes=1))
    matter = Matter(
        actor="service:shop",
        purpose="serving",
        project="shop",
        reasons={"aviation.flights": {"tailnum": "grant g9"}},
        tags={"aviation.flights": {"tailnum": ("personal",)}},
    )
    one = tally(matter, NOW, lookups=31, entities=62, last="a.31")
    sent = batch(one, replace(one, allowed=False), digit="1")
    door = Door(engine, actor=SERVER, clock=Clock())
    with door.writing() as (db, change):
        lookups.record(db, door.who(db), sent, change=change)
    write(engine, 2, each=timedelta(minutes=2))
    lines = export(engine)
    assert told(tool, lines, tmp_path, witness=True)
    said, other = b'"lookups":31', b'"lookups":30'
    assert sum(said in line for line in lines) == 2
    changed = [line.replace(said, other) for line in lines]
    with pytest.raises(tool.Broken):
        told(tool, changed, tmp_path)


def test_the_verifier_is_one_file_that_imports_the_standard_library_only():
    imported = {
        line.split()[1].partition(".")[0]
        for line in TOOL.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names


def test_every_bit_of_a_bundle_counts(exported: list[bytes], tool: ModuleType, tmp_path: Path):
    """Flipped bits, lines taken out, swapped and cut off: the first event is the one that was hit."""
    chance, hit = random.Random(35), 0
    numbers = [json.loads(line).get("event", {}).get("sequence") for line in exported]
    where = [at for at, number in enumerate(numbers) if number]
    for _ in range(times(30)):
        at = chance.choice(where)
        bit = chance.randrange(len(exported[at].rstrip()) * 8)
        flipped = bytearray(exported[at])
        flipped[bit // 8] ^= 1 << bit % 8
        lines = [*exported[:at], bytes(flipped), *exported[at + 1 :]]
        hit += first_broken(tool, lines, tmp_path) == numbers[at]
    for at in where:
        hit += first_broken(tool, [*exported[:at], *exported[at + 1 :]], tmp_path) == numbers[at]
        hit += first_broken(tool, exported[:at], tmp_path) == numbers[at]
    assert hit == times(30) + 2 * len(where)


def first_broken(tool: ModuleType, lines: list[bytes], folder: Path) -> int | None:
    try:
        keys = tool.read_keys([str(path) for path in (folder / "keys").glob("*.pub")])
        tool.verify([line.decode("utf-8", "surrogateescape") for line in lines], keys)
    except tool.Broken as broken:
        return int(broken.sequence)
    return None


def test_a_range_whose_beginning_was_made_up_is_found(
    exported: list[bytes], engine: Engine, tool: ModuleType, tmp_path: Path
):
    since = NOW + timedelta(minutes=3)
    part = export(engine, since=since, until=NOW + timedelta(minutes=8))
    header = json.loads(part[0])
    made_up = json.dumps({**header, "peaks": header["peaks"][::-1]}).encode()
    with pytest.raises(
        tool.Broken, match="event 4: it or a later one up to 6 is not what was signed"
    ):
        told(tool, [made_up, *part[1:]], tmp_path, since=since)
    for begun in ([], ["{}"], ["[]"], [json.dumps({**header, "peaks": []})]):
        with pytest.raises(tool.Unusable):
            tool.verify(begun, {})


def test_the_same_range_is_the_same_bytes(exported: list[bytes], engine: Engine):
    asked = {"since": NOW, "until": NOW + timedelta(minutes=5)}
    assert export(engine, **asked) == export(engine, **asked)


def test_what_is_signed_by_a_key_that_was_not_named_proves_nothing(
    exported: list[bytes], tool: ModuleType
):
    with pytest.raises(tool.Broken, match="which you did not name"):
        tool.verify([line.decode() for line in exported], {})
    unsigned = [line.decode() for line in exported if b'"checkpoint"' not in line]
    with pytest.raises(tool.Broken, match="no checkpoint signs for it"):
        tool.verify(unsigned, {})


def test_a_file_is_there_whole_or_not_at_all(exported: list[bytes], tmp_path: Path):
    folder = tmp_path / "out"
    folder.mkdir()
    path, size = write_bundle(iter(exported), folder)
    assert (path.name, size) == ("audit-1-13.ndjson", len(b"".join(exported)))
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(Conflict, match="there already"):
        write_bundle(iter(exported), path)
    with pytest.raises(Corrupt, match="of 13 events: it was cut off"):
        write_bundle(iter(exported[:9]), folder / "cut.ndjson")
    packed = [write_bundle(iter(exported), folder / f"{n}.ndjson.gz")[0].read_bytes() for n in "ab"]
    assert packed[0] == packed[1]
    assert sorted(p.name for p in folder.iterdir()) == [
        "a.ndjson.gz",
        "audit-1-13.ndjson",
        "b.ndjson.gz",
    ]


def test_who_may_not_read_all_gets_no_bundle(engine: Engine):
    let_read(engine)
    write(engine, 2)
    with pytest.raises(Denied, match=r"person:ana may not read the whole audit trail"):
        bundle.export(Door(engine, actor="person:ana", clock=Clock()))
    with pytest.raises(InvalidInput, match="no audit event is in that range"):
        export(engine, until=NOW - timedelta(days=1))


def test_an_export_of_a_trail_that_was_changed_ends_before_it(engine: Engine):
    let_read(engine)
    write(engine, 3)
    with transaction(engine, write=True) as db:
        db.execute(text("DELETE FROM audit_events WHERE sequence = 2"))
    with pytest.raises(Corrupt, match="has not 4 events in order, but 3"):
        export(engine)
    lines: list[bytes] = []
    asked = {"until": NOW + timedelta(days=1)}
    with pytest.raises(Corrupt, match="audit event 2 does not fit"):
        lines.extend(bundle.export(Door(engine, actor="person:gov", clock=Clock()), **asked))


def test_a_trail_that_nobody_sealed_is_exported_too(engine: Engine, tmp_path: Path, blank_url: str):
    bare = open_database(blank_url)
    let_read(bare)
    write(bare, 2)
    lines = export(bare)
    bare.dispose()
    assert [b'"key"' in line for line in lines] == [False] * 4
    assert sealing(tmp_path).keys.public() == {}
