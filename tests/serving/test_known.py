"""Which heads are known again, and that what is known is what the parser found."""

import pytest

from provender.serving.known import KEPT, LONGEST, KnownHeads
from provender.serving.messages import Request
from tests.serving.wires import lookup

BODY = b'{"a": 1}'
DATA = lookup(b"Accept: */*", body=BODY)
HEADERS = {b"host": b"x", b"accept": b"*/*", b"content-length": b"%d" % len(BODY)}


def found(**changed: object) -> Request:
    given = {"method": "POST", "path": "/get-online-features", "headers": HEADERS, "body": BODY}
    return Request(**(given | changed))  # type: ignore[arg-type]


def test_a_known_head_gives_the_same_request_with_the_body_that_came() -> None:
    heads = KnownHeads()
    assert heads.request(DATA) is None
    heads.keep(DATA, found())
    assert heads.request(DATA) == found()
    other = DATA.replace(BODY, b'{"a": 2}')
    assert heads.request(other) == found(body=b'{"a": 2}')


def test_only_a_whole_request_that_nothing_follows_has_a_known_head() -> None:
    heads = KnownHeads()
    heads.keep(DATA, found())
    ends = [DATA[:end] for end in range(len(DATA))]
    assert not any(heads.request(data) for data in (*ends, DATA + b"x", DATA + DATA))


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (DATA + DATA, found()),
        (DATA[:-1], found()),
        (DATA, found(headers=HEADERS | {b"expect": b"100-continue"})),
        (DATA, found(headers=HEADERS | {b"upgrade": b"h2c"})),
        (DATA, found(headers={b"host": b"x", b"transfer-encoding": b"chunked"})),
        (DATA, found(method="PUT")),
        (lookup(b"X: " + b"y" * LONGEST, body=BODY), found()),
    ],
)
def test_what_more_than_its_head_decides_is_not_known_again(data: bytes, request_: Request) -> None:
    heads = KnownHeads()
    heads.keep(data, request_)
    assert heads.request(data) is None


def test_heads_that_never_come_again_do_not_pile_up() -> None:
    heads = KnownHeads()
    sent = [lookup(b"X-Request-Id: %d" % number, body=BODY) for number in range(3 * KEPT)]
    for data in sent:
        heads.keep(data, found())
    assert 0 < sum(heads.request(data) is not None for data in sent) <= KEPT
