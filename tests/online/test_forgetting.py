"""A subject is gone from the online store: from every view with its join key, and from its files."""

from pathlib import Path

import pytest
import redis

from provender.core.erasure import Erasure, Scope, Sought, forms, sealed
from provender.online.codec import KeyCodec, RowCodec, hashed_tag
from provender.online.embedded import EmbeddedServer
from provender.online.forgetting import forget, missing, parts_of
from provender.online.secrets import KEYRING
from provender.online.store import OnlineStore
from tests.online.views import T0, manifest, view

WHO = "7d1f3c52-9b60-4a5e-8f21-d3b0c6a4e917"
NUMBER = 918_273_645_017
TEXT, WHOLE = {"driver": "string"}, {"driver": "int64"}
BOTH = {"city": "string", "driver": "string"}
VIEWS = {
    "plain": (view({"x": "int64"}, name="plain", keys=TEXT), [(WHO,), ("d1",), ("d,s3:x",)]),
    "number": (view({"x": "int64"}, name="number", keys=WHOLE), [(NUMBER,), (17,)]),
    "both": (
        view({"x": "int64"}, name="both", keys=BOTH),
        [("a,b", WHO), ("c", "d1"), (WHO, "d1")],
    ),
    "hashed": (
        view({"x": "int64"}, name="hashed", keys=TEXT, entity_ids="hashed"),
        [(WHO,), ("d1",)],
    ),
    "together": (
        view({"x": "int64"}, name="together", keys=BOTH, entity_ids="hashed"),
        [("c", WHO), ("c", "d1")],
    ),
    "cities": (view({"x": "int64"}, name="cities", keys={"city": "string"}), [(WHO,), ("c",)]),
    "former": (view({"x": "int64"}, name="former", keys=TEXT), [(WHO,), ("d1",)]),
}
"""Views of a project, and the entities that have rows; one is served no more."""


@pytest.fixture
def filled(store: OnlineStore, tmp_path: Path) -> OnlineStore:
    KEYRING.look_in(tmp_path / "secrets")
    for project in ("rides", "more_rides"):
        for one, entities in VIEWS.values():
            keys, rows = KeyCodec(project, one), RowCodec(one)
            store.claim(project, one)
            made = [key for entity in entities if (key := keys.key(entity)) is not None]
            store.write([(key, rows.encode(key, {"x": 1}, T0)) for key in made])
        served = [one for name, (one, _) in VIEWS.items() if name != "former"]
        store.publish_manifest(manifest(*served, project=project))
    return store


def sought(*values: str) -> Sought:
    written = [form for value in values for form in forms(value, ())]
    for project in ("rides", "more_rides"):
        raw = WHO.encode()
        tag = hashed_tag(KEYRING.secret(project), b"s%d:%b" % (len(raw), raw))
        written.append(tag.decode())
    digests = (sealed(b"k", "driver", form) for form in written)
    return Sought(b"k", "driver", frozenset(digests))


def test_a_subject_is_gone_from_every_view_with_its_key_and_nothing_else(filled: OnlineStore):
    dropped = forget(filled, ["er_1"], sought(WHO, str(NUMBER)))
    assert {(one.project, one.view): (one.keys, one.whole) for one in dropped} == {
        (project, name): (2, True) if name == "together" else (1, False)
        for project in ("rides", "more_rides")
        for name in VIEWS
        if name != "cities"
    }
    assert all(one.rewritten for one in dropped)
    left = {name: filled.count("rides", name) for name in VIEWS}
    expected = {name: len(entities) - 1 for name, (_, entities) in VIEWS.items()}
    assert left == expected | {"together": 0, "cities": 2}
    with filled.commands() as client:
        keys = list(client.scan_iter(match=b"*"))
    of_drivers = [key for key in keys if WHO.encode() in key]
    assert len(of_drivers) == 4  # cities that are called so, which are no drivers


def test_it_is_gone_from_the_file_that_the_server_keeps(filled: OnlineStore):
    with filled.commands() as client:
        folder = Path(client.config_get("dir")["dir"])
    raw = str(NUMBER).encode()

    def on_disk() -> list[str]:
        files = [path for path in folder.rglob("*") if path.is_file() and "log" not in path.name]
        return [path.name for path in files if raw in path.read_bytes()]

    with filled.commands() as client:
        client.execute_command("WAITAOF", 1, 0, 2_000)
    assert on_disk()
    forget(filled, ["er_1"], sought(str(NUMBER)))
    assert on_disk() == []


def test_a_user_who_may_not_write_files_says_so(filled: OnlineStore, server: EmbeddedServer):
    with filled.commands() as client:
        rules = ["on", ">word", "~*", "+@all", "-bgrewriteaof"]
        client.execute_command("ACL", "SETUSER", "narrow", *rules)
    address = server.url.replace("unix://", "unix://narrow:word@")
    with OnlineStore(address) as narrow:
        (one, *_) = forget(narrow, ["er_3"], sought(WHO))
    assert (one.keys > 0, one.rewritten) == (True, False)


def test_a_store_of_before_does_not_know_what_was_erased(filled: OnlineStore):
    erasure = Erasure(
        id="er_2", join_key="driver", sought=(), key="", reason="x", by="x", at=T0, scope=Scope()
    )
    assert missing(filled, [erasure]) == [erasure]
    forget(filled, ["er_2"], sought("nobody"))
    assert missing(filled, [erasure]) == []
    with filled.commands() as client:
        assert isinstance(client, redis.Redis)
        client.flushall()
    assert missing(filled, [erasure]) == [erasure]


@pytest.mark.parametrize(
    ("entity", "parts"),
    [
        (b"17", ["17"]),
        (b"-17,s3:a,b,t", ["-17", "a,b", "t"]),
        (b"s0:,s2:\xc3\xa9", ["", "é"]),
        (b"b2:\x00\xff,d15706", [b"\x00\xff", "d15706"]),
        (b"habcdefghijklmnopqrstuv", ["habcdefghijklmnopqrstuv"]),
        (b"", []),
    ],
)
def test_a_key_says_what_is_in_it(entity: bytes, parts: list[str | bytes]):
    assert list(parts_of(entity)) == parts
