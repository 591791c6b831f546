"""The audit trail at the terminal: signed, listed, exported."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_audit_trail_is_signed_exported_and_checked_by_another_program(published, home):
    proof = published("audit", "verify", "--json").json
    assert proof["ok"]
    assert proof["checkpoints"] == len(published("audit", "checkpoints", "--json").json) > 0
    signed = published("audit", "checkpoint", "--json").json
    assert published("audit", "checkpoint", "--json").json == signed
    rotated = published("audit", "rotate-key", "--json").json["key"]
    assert f"key {rotated}" in published("audit", "checkpoint").out
    (home / "out").mkdir()
    written = published("audit", "export", "--out", str(home / "out"), "--json").json
    keys = (home / ".provender" / "secrets" / "audit").glob("*.pub")
    tool = Path(__file__).resolve().parents[2] / "tools" / "verify_audit.py"
    command = [sys.executable, "-I", tool, written["file"], "--json"]
    for key in keys:
        command += ["--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["last"] == signed["size"] + 2
    assert done.returncode == 0
    wrote = published(
        "audit", "export", "--out", str(home / "out" / "a.ndjson.gz"), "--since", "2020-01-01"
    )
    assert "wrote" in wrote.out
    again = published("audit", "export", "--out", str(home / "out" / "a.ndjson.gz"))
    assert (again.code, "is there already" in again.err) == (5, True)
