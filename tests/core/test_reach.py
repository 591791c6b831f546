"""Which servers one of ours connects to by itself."""

import pytest

from provender.core.errors import InvalidInput
from provender.core.reach import barred, check_url, origin


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.org/realms/acme",
        "https://login.example.org:8443",
        "https://10.1.2.3/",
        "http://localhost:8080/realms/acme",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    ],
)
def test_keys_are_fetched_over_tls_or_from_this_machine(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org",
        "http://127.0.0.2",
        "http://0x7f.1",
        "http://2130706433",
        "http://localhost.example.org",
        "http://localhost@evil.example",
        "https://ana:secret@login.example.org",
        "https://login.example.org?x=1",
        "https://login.example.org?",
        "https://login.example.org#x",
        "https://login.example.org:0",
        "https://login.example.org:99999",
        "https://login.example.org\\@evil.example",
        "https://login.example.org/a b",
        "https://lоgin.example.org",
        "https://",
        "https:///keys",
        "https://[::1",
        "file:///etc/passwd",
        "ftp://login.example.org",
        "//login.example.org",
        "login.example.org",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url)


def test_an_origin_has_the_port_that_is_meant() -> None:
    assert origin("https://Login.example.org/x") == origin("https://login.example.org:443/y")
    assert origin("https://a.example") != origin("https://a.example:8443")
    assert origin("http://localhost:80") != origin("https://localhost:80")


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.1", "93.184.216.34", "2001:db8::1", "fd00::1"]
)
def test_public_and_private_networks_are_open(address: str) -> None:
    assert barred([address], name="login.example.org") == ""
    assert barred([address], name="localhost") == address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%eth0",
        "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "::7f00:1",
    ],
)  # fmt: skip
def test_this_machine_and_the_wire_are_not_behind_another_name(address: str) -> None:
    assert barred(["10.1.2.3", address], name="login.example.org") == address


def test_names_of_this_machine_lead_to_this_machine() -> None:
    assert barred(["127.0.0.1", "::1"], name="localhost") == ""
    assert barred(["127.0.0.1", "169.254.169.254"], name="localhost") == "169.254.169.254"
