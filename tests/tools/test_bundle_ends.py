"""What an exported audit trail may not lack: its end, its signatures, and nothing may be added to it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.catalog.conftest import blank_postgresql, blank_template, blank_url
from tests.catalog.test_sealing import engine, sealed
from tests.catalog.world import NOW
from tests.postgres import postgres
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

ELSEWHEN = (NOW + timedelta(minutes=5, seconds=30)).isoformat()
"""Between the sixth event and the seventh."""


def line(**said: Any) -> bytes:
    return json.dumps(said).encode()


def first(lines: list[bytes], **said: Any) -> list[bytes]:
    """The lines with other words in the header, which nobody signs."""
    return [line(**{**json.loads(lines[0]), **said}), *lines[1:]]


def cut(lines: list[bytes], size: int) -> list[bytes]:
    """The lines without the events behind number ``size``, and the header to it."""
    return first([one for one in lines if number(one) <= size], last=size)


def number(one: bytes) -> int:
    """Which event a line is, or how many a checkpoint signs for."""
    said = json.loads(one)
    return int(said.get("event", {}).get("sequence") or said.get("checkpoint", {}).get("size") or 0)


def forged(tool: ModuleType, lines: list[bytes], size: int) -> list[bytes]:
    """The lines with all events behind number ``size`` told of another, chained, without checkpoints."""
    made = [one for one in lines if number(one) <= size]
    previous = json.loads([one for one in made if b'"event"' in one][-1])["event"]["digest"]
    for one in lines:
        if number(one) > size and b'"event"' in one:
            event = {**json.loads(one)["event"], "actor": "person:eve", "previous": previous}
            previous = event["digest"] = tool.seal(event)
            made.append(line(event=event))
    return made


def is_broken(tool: ModuleType, lines: list[bytes], folder: Path, why: str, **asked: Any) -> bool:
    with pytest.raises(tool.Broken, match=why):
        told(tool, lines, folder, **asked)
    return True


def test_a_whole_bundle_that_was_cut_off_is_found(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    short = cut(exported, 6)
    assert is_broken(tool, short, tmp_path, "event 7: it is not there: a whole bundle ends with")
    why = "event 7: it is not there: the witness knows of 13 events$"
    assert is_broken(tool, short, tmp_path, why, witness=True)


def test_a_bundle_cut_off_is_no_part_unless_a_part_was_asked_for(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    """The header is signed by nobody: who cuts a bundle off says there that it is a part."""
    short = first(cut(exported, 6), until=ELSEWHEN)
    why = "event 7: it is not there: the witness knows of 13 events; the bundle says it is a part"
    assert is_broken(tool, short, tmp_path, why, witness=True)
    found = told(tool, short, tmp_path)
    assert f"; a part, until {ELSEWHEN}" in tool.in_words(found)
    whole_day = tool.instant("2999-01-01")
    why = "event 7: the bundle goes until .*, which is not what you asked for"
    for lines in (short, cut(exported, 6)):
        assert is_broken(tool, lines, tmp_path, why, witness=True, until=whole_day)
        assert is_broken(tool, lines, tmp_path, why, until=whole_day)


def test_a_part_that_was_asked_for_lacks_nothing_that_the_witness_knows_of_before_its_end(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    until = NOW + timedelta(minutes=11)
    short = first(cut(exported, 6), until=until.isoformat())
    why = "event 7: it is not there: the witness knows of 11 events"
    assert is_broken(tool, short, tmp_path, why, witness=True, until=until)
    right = first(cut(exported, 6), until=ELSEWHEN)
    assert told(tool, right, tmp_path, witness=True, until=tool.instant(ELSEWHEN))["last"] == 6


def test_events_behind_the_last_checkpoint_of_a_whole_bundle_are_not_taken(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    made_up = forged(tool, exported, 11)
    assert is_broken(tool, made_up, tmp_path, "event 12: no checkpoint signs for it")
    dropped = [one for one in exported if b'"size":13' not in one]
    assert is_broken(tool, dropped, tmp_path, "event 12: no checkpoint signs for it")
    part = first(made_up, until=(NOW + timedelta(days=9)).isoformat())
    assert is_broken(tool, part, tmp_path, "not what was signed", witness=True)
    assert "; the last 2 are chained, not signed" in tool.in_words(told(tool, part, tmp_path))


def test_a_checkpoint_of_what_is_before_a_part_proves_nothing_of_it(
    exported: list[bytes], engine: Engine, tool: ModuleType, tmp_path: Path
):
    until = NOW + timedelta(minutes=9, seconds=30)
    since = NOW + timedelta(minutes=6)
    part = export(engine, since=since, until=until)
    before = next(one for one in exported if b'"checkpoint"' in one and number(one) == 6)
    why = "event 7: no checkpoint signs for it"
    assert is_broken(tool, part, tmp_path, why, since=since)
    assert is_broken(tool, [part[0], before, *part[1:]], tmp_path, why, since=since)


def test_honest_bundles_hold(
    exported: list[bytes], engine: Engine, tool: ModuleType, tmp_path: Path
):
    for witness in (False, True):
        found = told(tool, exported, tmp_path, witness=witness)
        assert (found["last"], found["until"], found["unsigned"]) == (13, None, 0)
    since, until = NOW + timedelta(minutes=3), NOW + timedelta(minutes=8)
    part = export(engine, since=since, until=until)
    for asked in ({}, {"until": until}, {"until": until, "witness": True}):
        found = told(tool, part, tmp_path, since=since, **asked)
        assert (found["first"], found["last"], found["checkpoints"]) == (4, 8, 1)
        assert (found["unsigned"], tool.instant(found["until"])) == (2, until)
    later = export(engine, since=since)
    assert told(tool, later, tmp_path, witness=True, since=since)["unsigned"] == 0
    early = NOW - timedelta(days=9)
    for asked in ({}, {"since": early}):
        found = told(tool, export(engine, since=early), tmp_path, witness=True, **asked)
        assert found["first"] == 1
    ahead = export(engine, until=NOW + timedelta(days=9))
    assert told(tool, ahead, tmp_path, witness=True)["until"]


def with_more(one: bytes, name: str) -> bytes:
    said = json.loads(one)
    return line(**{name: {**said[name], "extra": "made up"}})


Forge = Callable[[list[bytes]], list[bytes]]
ADDED: dict[str, Forge] = {
    "to an event": lambda all_: [with_more(one, "event") if number(one) == 6 and b'"event"' in one else one for one in all_],
    "to a checkpoint": lambda all_: [with_more(one, "checkpoint") if b'"checkpoint"' in one else one for one in all_],
    "to a key": lambda all_: [with_more(one, "key") if one.startswith(b'{"key"') else one for one in all_],
    "beside an event": lambda all_: [one[:-2] + b',"key":{}}' if number(one) == 6 and b'"event"' in one else one for one in all_],
    "the actor again": lambda all_: [one.replace(b'{"event":{', b'{"event":{"actor":"person:eve",') for one in all_],
    "no text as request": lambda all_: [one.replace(b'"request":""', b'"request":[]') for one in all_],
}  # fmt: skip


@pytest.mark.parametrize("where", ADDED)
def test_what_nobody_sealed_is_in_no_bundle(
    where: str, exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    made_up = ADDED[where](exported)
    assert made_up != exported
    assert is_broken(tool, made_up, tmp_path, "it cannot be read: ")


def test_a_header_says_what_it_says_once_and_no_more(
    exported: list[bytes], tool: ModuleType, tmp_path: Path
):
    twice = exported[0].replace(b"{", b'{"last":6,', 1)
    for header in (first(exported, extra=1)[0], twice):
        with pytest.raises(tool.Unusable):
            told(tool, [header, *exported[1:]], tmp_path)


def test_the_command_takes_until_as_the_export_does(
    exported: list[bytes], tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (key,) = (tmp_path / "keys").glob("*.pub")
    short = tmp_path / "short.ndjson"
    lines = first(cut(exported, 6), until=ELSEWHEN)
    short.write_bytes(b"".join(one.rstrip() + b"\n" for one in lines))
    witness = str(tmp_path / "witness.ndjson")
    command = [str(short), "--key", str(key), "--witness", witness]
    assert tool.main(command) == 1
    assert tool.main([*command, "--until", ELSEWHEN.replace("+00:00", "Z")]) == 0
    assert f"; a part, until {ELSEWHEN}" in capsys.readouterr().out
    assert tool.main([*command, "--until", "2999-01-01"]) == 1
    assert tool.main([*command, "--until", "then"]) == 2
