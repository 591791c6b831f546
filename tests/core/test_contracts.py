from datetime import UTC, datetime
from itertools import product

import pytest

from provender.core.contracts import CheckResult, Contract, ContractText, Outcome, keeps_back
from provender.core.lifecycle import Severity


@pytest.mark.parametrize(("outcome", "severity"), list(product(Outcome, Severity)))
def test_a_version_is_kept_back_by_a_check_that_refuses_and_did_not_pass(
    outcome: Outcome, severity: Severity
):
    passed = CheckResult(name="a", outcome=Outcome.PASS, severity=Severity.REFUSE)
    check = CheckResult(name="b", outcome=outcome, severity=severity)
    kept = severity is Severity.REFUSE and outcome in (Outcome.FAIL, Outcome.ERROR)
    assert keeps_back([passed, check]) == kept


def test_nothing_checked_keeps_nothing_back():
    assert not keeps_back([])


def test_a_contract_is_what_was_written_byte_for_byte():
    written = "\ufeffapiVersion: v3.1.0\r\n# é\r\n".encode()
    read = Contract(
        id="c", version="1", status="active", columns=(), required=(), keys=(), expectations=()
    )
    text = ContractText(
        dataset="a.b",
        text=written.decode(),
        sha256="sha256:0",
        contract=read,
        revision=1,
        attached_at=datetime(2026, 3, 1, tzinfo=UTC),
        attached_by="person:a",
    )
    assert text.raw == written
