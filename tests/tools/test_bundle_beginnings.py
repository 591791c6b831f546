"""What an exported audit trail may not lack at its beginning."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import Engine

from tests.catalog.conftest import blank_postgresql, blank_template, blank_url
from tests.catalog.test_sealing import engine, sealed
from tests.catalog.world import NOW
from tests.postgres import postgres
from tests.tools.test_bundle_ends import cut, first, is_broken, number
from tests.tools.test_verify_audit import export, exported, told, tool

__all__ = [
    "blank_postgresql",
    "blank_template",
    "blank_url",
    "engine",
    "exported",
    "postgres",
    "sealed",
    "tool",
]


def minute(number: int) -> datetime:
    """When the event behind number ``number`` was."""
    return NOW + timedelta(minutes=number)


def beheaded(tool: ModuleType, lines: list[bytes], size: int) -> list[bytes]:
    """The lines without the first ``size`` events, and a header that goes on from them."""
    tree, head = tool.Tree(0, []), tool.GENESIS
    for one in lines:
        if b'"event"' in one and number(one) <= size:
            head = json.loads(one)["event"]["digest"]
            tree.grow(bytes.fromhex(head[len("sha256:") :]))
    kept = [one for one in lines if not 0 < number(one) <= size]
    peaks = [peak.hex() for peak in tree.peaks]
    return first(kept, first=size + 1, head=head, peaks=peaks)


def test_a_bundle_without_its_beginning_is_no_part_unless_a_part_was_asked_for(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    """Nothing in the lines themselves is wrong: chain, tree, signatures, end and witness fit."""
    why = "event 1: it is not there: the bundle lacks its beginning before event 9; .*, say --s"
    short = beheaded(tool, exported, 8)
    for witness in (False, True):
        assert is_broken(tool, short, tmp_path, why, witness=witness)
        assert is_broken(tool, short, tmp_path, why, witness=witness, until=minute(90))


def test_a_whole_export_without_its_beginning_is_no_export_since_then(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    """The export's own event, which is signed, says since when it was asked for."""
    short = beheaded(tool, exported, 8)
    why = "event 13: it is an export since the beginning, not what you asked for"
    for witness in (False, True):
        assert is_broken(tool, short, tmp_path, why, witness=witness, since=minute(8))
    assert is_broken(tool, exported, tmp_path, "event 13: it is an export", since=NOW)


def test_a_part_is_of_the_instant_that_was_asked_for(
    exported: list[bytes], engine: Engine, tool: ModuleType, tmp_path: Path
):
    part = export(engine, since=minute(4))
    found = told(tool, part, tmp_path, witness=True, since=minute(4))
    assert (found["first"], found["since"]) == (5, minute(4).isoformat())
    assert f"; a part, since {minute(4).isoformat()}" in tool.in_words(found)
    why = "event 5: it is from before .*, which is not what you asked for"
    assert is_broken(tool, part, tmp_path, why, since=minute(5))
    why = "event 14: it is an export since .*, not what you asked for"
    assert is_broken(tool, part, tmp_path, why, since=minute(3))


def test_a_part_lacks_nothing_that_the_witness_knows_of_since_its_beginning(
    exported: list[bytes], engine: Engine, tool: ModuleType, tmp_path: Path
):
    part = export(engine, since=minute(3), until=minute(11))
    short = beheaded(tool, exported, 8)
    short = first(cut(short, 11), until=minute(11).isoformat())
    why = (
        "event 6: it is not there: the bundle lacks .* before event 9, and the witness knows of it"
    )
    assert is_broken(tool, short, tmp_path, why, witness=True, since=minute(3), until=minute(11))
    right = told(tool, part, tmp_path, witness=True, since=minute(3), until=minute(11))
    assert (right["first"], right["last"]) == (4, 11)


def test_the_command_takes_since_as_the_export_does(
    exported: list[bytes],
    engine: Engine,
    tool: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    (key,) = (tmp_path / "keys").glob("*.pub")
    bundle = tmp_path / "part.ndjson"
    bundle.write_bytes(b"".join(export(engine, since=minute(4))))
    witness = str(tmp_path / "witness.ndjson")
    command = [str(bundle), "--key", str(key), "--witness", witness]
    assert tool.main(command) == 1
    assert "say --since" in capsys.readouterr().out
    since = minute(4).isoformat()
    assert tool.main([*command, "--since", since.replace("+00:00", "Z")]) == 0
    assert f"; a part, since {since}" in capsys.readouterr().out
    assert tool.main([*command, "--since", "2001-01-01"]) == 1
    assert tool.main([*command, "--since", "then"]) == 2
