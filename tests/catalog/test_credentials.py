"""T21: no credential comes into a catalog, whichever way it is sent; what was measured is redacted."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provender.catalog import backup
from provender.core.credentials import HIDDEN, found
from provender.core.datasets import Evidence
from provender.core.editing import Edit
from provender.core.errors import InvalidInput, ProvenderError
from provender.core.finding import Question
from provender.core.glossary import Term
from provender.core.people import Person
from provender.core.profiles import ColumnProfile, Profile
from provender.core.tags import Tag
from provender.values import to_json
from tests.catalog.test_contracts import CONTRACT
from tests.catalog.world import FLIGHTS, HOURLY, NOW, VISIBLE, Connect, declared, manifest
from tests.core.test_credentials import CREDENTIALS
from tests.stress import times


def kept(connect: Connect, folder: Path) -> bytes:
    """All that the catalog holds: tables, history, audit trail, index."""
    target = folder / "all.tar"
    target.unlink(missing_ok=True)
    backup.write(connect("gov")._door, target)
    return target.read_bytes()


def ways(connect: Connect, secret: str):
    """Every way for a text to come into a catalog, by its name."""
    gov, sam, ops, dev = (connect(name) for name in ("gov", "sam", "ops", "dev"))
    text = f"see {secret} there"

    def edit(**said: object):
        return lambda: sam.desk.edit(FLIGHTS, Edit(**said), expected=None, reason="r")

    weather = VISIBLE.views[0]
    return {
        "description": edit(description=text),
        "documentation": edit(documentation=text),
        "link": edit(links=(f"https://example.org/{secret}",)),
        "column": edit(column_descriptions={"arr_delay": text}),
        "reason": lambda: sam.desk.edit(FLIGHTS, Edit(description="x"), expected=None, reason=text),
        "contract": lambda: sam.desk.attach(
            FLIGHTS, f"# {secret}\n{CONTRACT}".encode(), expected=None
        ),
        "note": lambda: ops.publish(FLIGHTS, manifest(5), note=text),
        "location": lambda: ops.publish(FLIGHTS, manifest(6, location=f"a/{secret}")),
        "grant": lambda: sam.records.grant(FLIGHTS, grantee="person:ana", reason=text),
        "person": lambda: gov.desk.declare(Person(id="person:new", name=text)),
        "tag": lambda: gov.desk.declare(Tag(name="new", description=text)),
        "term": lambda: gov.desk.declare(Term(name="new", definition=text)),
        "dataset": lambda: gov.desk.declare(replace(declared(FLIGHTS), description=text)),
        "view": lambda: dev.record(replace(VISIBLE, views=(replace(weather, description=text),))),
        "token": lambda: gov.keyring.create(text[:80]),
    }


def test_a_credential_is_refused_and_left_nowhere_whichever_way_it_comes(
    connect: Connect, tmp_path: Path
) -> None:
    """Each shape by every way under STRESS; else by some in turn, and every way by some."""
    names = list(ways(connect, "x"))
    for turn, secret in enumerate(CREDENTIALS):
        wanted = (
            names
            if times(1) > 1
            else [names[turn % len(names)], names[(turn * 7 + 3) % len(names)]]
        )
        for name in wanted:
            if name == "token" and not found(f"see {secret} there"[:80]):
                continue
            with pytest.raises(ProvenderError) as refused:
                ways(connect, secret)[name]()
            said = str(refused.value)
            assert secret not in said, name
            assert isinstance(refused.value, InvalidInput), (name, said)
    whole = kept(connect, tmp_path)
    for secret in CREDENTIALS:
        assert secret.encode() not in whole
        assert json.dumps(secret).strip('"').encode() not in whole


def test_what_is_searched_in_vain_is_kept_without_it(connect: Connect, tmp_path: Path) -> None:
    for secret in CREDENTIALS[: 20 * times(1)]:
        connect("ana").finder.search(Question(text=f"zzyzx {secret}"))
    whole = kept(connect, tmp_path).lower()
    assert b"zzyzx" in whole
    for secret in (s for s in CREDENTIALS[: 20 * times(1)] if s.isalnum() or "_" in s):
        assert secret.lower().encode() not in whole


def test_what_was_measured_is_kept_without_it(connect: Connect, tmp_path: Path) -> None:
    secret = next(one for one in CREDENTIALS if one.startswith("ghp_"))
    column = ColumnProfile(column="arr_delay", count=3, nulls=0, lowest="a", highest=secret)
    profile = Profile(row_count=3, columns=(column,))
    ops = connect("ops")
    ops.publish(HOURLY, manifest(3, of=HOURLY), evidence=Evidence(profile=profile))
    told = to_json(ops.finder.evidence(HOURLY.at(1)))
    assert HIDDEN in told
    assert secret.encode() not in kept(connect, tmp_path)


def test_what_is_no_credential_goes_in(connect: Connect) -> None:
    edit = Edit(description="The password is hashed; token: of a device.")
    connect("sam").desk.edit(FLIGHTS, edit, expected=None, reason="r")
    until = NOW + timedelta(days=1)
    connect("sam").records.grant(FLIGHTS, grantee="person:ana", until=until, reason="key account")
