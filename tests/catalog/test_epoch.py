"""The policy's epoch rises with everything that may change a decision, and with nothing else."""

from dataclasses import replace

import pytest

from provender.catalog import epoch
from provender.catalog.db import open_database, transaction
from provender.core.errors import Denied
from tests.catalog.world import FLIGHTS, GOVERNANCE, REPO, Connect, declared, governing, manifest


def test_the_epoch_rises_with_what_may_change_a_decision(governed_url: str, connect: Connect):
    engine = open_database(governed_url)

    def now() -> int:
        with transaction(engine) as db:
            return epoch.now(db)

    sam, gov, ops = connect("sam"), connect("gov"), connect("ops")
    seen = [now()]
    given = sam.grant(FLIGHTS, grantee="person:ana")
    seen.append(now())
    sam.revoke(given.id)
    seen.append(now())
    gov.apply_governance(governing(replace(declared(FLIGHTS), stewards=())))
    seen.append(now())
    assert seen == sorted(set(seen))
    gov.apply_governance(governing(replace(declared(FLIGHTS), stewards=())))
    ops.publish(FLIGHTS, manifest())
    connect("dev").record(REPO)
    with pytest.raises(Denied):
        connect("max").apply_governance(replace(GOVERNANCE, rules=GOVERNANCE.rules[:1]))
    assert now() == seen[-1]
    engine.dispose()
