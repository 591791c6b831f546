"""``provender erase``: what it does, says and exits with."""


def test_a_subject_is_erased_shown_and_verified(published, home):
    asked = ("erase", "--subject", "customer=c1", "--reason", "request 7")
    dry = published(*asked, "--dry-run", "--json").json
    assert [(one["dataset"], one["erased"]) for one in dry["datasets"]] == [("shop.orders", [1])]
    assert dry["readers"] == []
    done = published(*asked)
    assert done.code == 0, done.err
    assert "shop.orders  customer" in done.out
    (listed,) = published("erase", "list", "--json").json["items"]
    assert listed["state"] == "done"
    certificate = home / "certificate.json"
    certificate.write_text(published("erase", "show", listed["id"], "--json").out)
    assert '"c1"' not in certificate.read_text()
    checked = published("erase", "verify", certificate)
    assert (checked.code, listed["id"] in checked.out) == (0, True)
    (public,) = (home / ".provender" / "secrets" / "audit").glob("*.pub")
    assert published("erase", "verify", certificate, "--key", public.read_text()).code == 0
    certificate.write_text(certificate.read_text().replace("request 7", "request 8"))
    wrong = published("erase", "verify", certificate)
    assert (wrong.code, "is not what was signed" in wrong.err) == (6, True)
    gone = published("dataset", "verify", "shop.orders@1")
    assert (gone.code, f"certificate {listed['id']}" in gone.err) == (3, True)
    assert published("erase", "--resume", listed["id"], "--json").json["id"] == listed["id"]
    assert published("fsck", "--json").json["ok"] is True


def test_what_cannot_be_is_refused(published):
    assert published("erase").code == 2
    assert published("erase", "--subject", "customer=c1", "--reason", "c1 asked").code == 2
    refused = published("erase", "--subject", "customer=c1", "--reason", "x", actor="person:ana")
    assert refused.code == 4
    assert published("erase", "--resume", "er_0").code == 3
