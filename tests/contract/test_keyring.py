"""What all Keyrings must do, whatever they are made of."""

from datetime import timedelta

import pytest

from provender.core.errors import Denied, InvalidInput, NotFound
from provender.core.limits import Limits
from tests.catalog.world import NOW
from tests.contract.conftest import Connect


def test_a_token_is_made_listed_rotated_and_revoked(connect: Connect):
    keyring = connect("ana").keyring
    limits = Limits(actions=("read",), datasets=("aviation.*",), purpose="report")
    made = keyring.create("job", limits=limits, until=NOW + timedelta(days=3))
    assert (made.token.actor, made.token.limits) == ("person:ana", limits)
    assert made.token.until == NOW + timedelta(days=3)
    assert keyring.tokens().items == (made.token,)
    again = keyring.rotate("t1")
    assert again.secret != made.secret
    assert keyring.revoke("t2").revoked_at == NOW
    assert [token.revoked_at for token in keyring.tokens().items] == [NOW, NOW]


def test_tokens_come_in_pages_to_who_governs(connect: Connect):
    for name in ("ana", "max", "sam"):
        connect(name).keyring.create(name)
    keyring = connect("gov").keyring
    first = keyring.tokens(limit=2)
    assert [token.id for token in first.items] == ["t1", "t2"]
    assert first.next is not None
    rest = keyring.tokens(limit=2, after=first.next)
    assert ([token.id for token in rest.items], rest.next) == (["t3"], None)


def test_what_cannot_be_is_refused_in_the_same_words(connect: Connect):
    keyring = connect("ana").keyring
    with pytest.raises(Denied, match="person:ana cannot make a token for person:max"):
        keyring.create("max", actor="person:max")
    with pytest.raises(NotFound, match="purpose 'sell' not found"):
        keyring.create("job", limits=Limits(purpose="sell"))
    with pytest.raises(InvalidInput, match="over already"):
        keyring.create("job", until=NOW)
    for verb in (keyring.revoke, keyring.rotate):
        with pytest.raises(NotFound, match="token 't9' not found"):
            verb("t9")
