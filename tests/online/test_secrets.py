import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import redis

from provender.core.errors import Misconfigured
from provender.core.names import FeatureRef
from provender.online.arrow import BatchEncoder
from provender.online.codec import NO_END, KeyCodec
from provender.online.columns import ColumnEncoder
from provender.online.embedded import EmbeddedServer
from provender.online.lookup import Lookup, compile_plan
from provender.online.secrets import KEYRING, Keyring
from provender.online.store import OnlineStore
from provender.values import to_json
from tests.online.views import T0, manifest, view

PERSON = view({"x": "int64"}, keys={"iban": "string"}, entity_ids="hashed")
IBAN = "DE02120300000000202051"
BATCH = pa.record_batch(
    {
        "iban": [IBAN, "DE1", None],
        "x": [1, 2, 3],
        "event_timestamp": pa.array([T0] * 3, pa.timestamp("us", tz="UTC")),
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    KEYRING.look_in(tmp_path / "secrets")
    yield tmp_path / "secrets"
    KEYRING.__init__()  # type: ignore[misc]


def test_hashed_ids_are_found_and_stand_nowhere_in_the_store(
    folder: Path, server: EmbeddedServer, store: OnlineStore
) -> None:
    encoded = BatchEncoder("flights", PERSON).encode(BATCH)
    store.write(zip(encoded.keys, encoded.rows, strict=True))
    store.publish_manifest(manifest(PERSON))
    served = store.manifest("flights")
    assert served is not None
    plan = compile_plan(served, [FeatureRef("weather", "x")])
    found = Lookup(store, plan).columns({"iban": [IBAN, "DE1", "DE2", None]}, T0)
    assert found.to_dict()["x"] == [1, 2, None, None]
    secret = KEYRING.secret("flights")
    with redis.Redis.from_url(server.url) as client:
        kept = b"".join(key + (client.dump(key) or b"") for key in client.scan_iter())
    for told in (IBAN.encode(), secret, secret.hex().encode()):
        assert told not in kept
    assert secret.hex() not in to_json(served)
    assert served.entity_key == KEYRING.key_id("flights")


def test_all_writers_make_the_same_key_of_the_promised_form(folder: Path) -> None:
    two = view({"x": "int64"}, keys={"iban": "string", "n": "int64"}, entity_ids="hashed")
    codec = KeyCodec("p", two)
    key = codec.key([IBAN, 7])
    columns = {"iban": [IBAN], "n": [7], "x": [1], "event_timestamp": [T0]}
    batch = pa.record_batch({**columns, "event_timestamp": BATCH.column(2)[:1]})
    assert codec.keys([[IBAN, None], [7, 7]], 2) == [key, codec.prefix + NO_END]
    assert BatchEncoder("p", two).encode(batch).keys == [key]
    assert [pair[0] for pair in ColumnEncoder("p", two).encode(columns)] == [key]
    plain = KeyCodec("p", replace(two, entity_ids="plain")).key([IBAN, 7])
    assert key is not None
    assert plain is not None
    assert (key[:10], len(key)) == (plain[:9] + b"h", 8 + 25)
    other = KeyCodec("q", two).key([IBAN, 7])
    assert other is not None
    assert other[8:] != key[8:]


def test_a_switch_changes_the_fingerprint_so_that_all_is_written_anew() -> None:
    assert PERSON.fingerprint != replace(PERSON, entity_ids="plain").fingerprint


def test_another_secret_than_the_writers_is_noticed_before_nothing_is_found(
    folder: Path, store: OnlineStore
) -> None:
    store.publish_manifest(manifest(PERSON))
    served = store.manifest("flights")
    assert served is not None
    KEYRING.look_in(folder.parent / "elsewhere")
    with pytest.raises(Misconfigured, match="and this process has") as caught:
        compile_plan(served, [FeatureRef("weather", "x")])
    assert KEYRING.secret("flights").hex() not in str(caught.value)


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    def ask(_: int) -> bytes:
        ring = Keyring({})
        ring.look_in(tmp_path / "keys")
        return ring.secret("a/b")

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(40)))
    assert len(found) == 1
    (path,) = (tmp_path / "keys").iterdir()
    assert path.name == "a%2Fb.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("mode", "text", "message"),
    [
        (0o640, "00" * 32, "others can read"),
        (0o600, "00" * 31, "holds no secret of 32 bytes"),
        (0o600, "x", "holds no secret"),
    ],
)
def test_a_secret_that_is_none_is_refused(
    tmp_path: Path, mode: int, text: str, message: str
) -> None:
    path = tmp_path / "p.key"
    path.write_text(text)
    path.chmod(mode)
    ring = Keyring({})
    ring.look_in(tmp_path)
    with pytest.raises(Misconfigured, match=message):
        ring.secret("p")


def test_a_secret_of_the_environment_goes_before_files_and_differs_by_project(
    tmp_path: Path,
) -> None:
    ring = Keyring({"PROVENDER_ENTITY_SECRET": "sixteen letters!", "PROVENDER_HOME": str(tmp_path)})
    assert ring.secret("p") != ring.secret("q")
    assert ring.key_id("p") != ring.key_id("q")
    assert not list(tmp_path.iterdir())
    assert "sixteen" not in repr(ring)
