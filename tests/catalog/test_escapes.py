"""T16: whatever path somebody writes, nothing outside the lake and the program is opened.

250 spellings of ways out, as the location of a version, as a file of one, and as an address of the
server. What counts is what the interpreter itself tells of opened files, and what comes back.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from os.path import normpath
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from provender.asgi import app
from provender.catalog.local import LocalCatalog
from provender.core.datasets import FileEntry, Format
from provender.core.digest import digest_bytes
from provender.core.errors import ProvenderError
from provender.core.training import Table
from provender.settings import Settings
from provender.tables.storage import verified_files
from provender.tables.versions import verify_version
from tests.api.server import listening
from tests.catalog.world import FLIGHTS, manifest

CANARY = b"canary-d5b8c1-outside"
SECRET = "secret.parquet"
UP = ("..", "%2e%2e", "%252e%252e", ".%2e", "%c0%ae%c0%ae", "．．", "․․", "....", "..;", "..\\", "..%5c", "%2e%2e%2f..")  # fmt: skip
ROOTS = ("", "/", "//", "aviation/flights/", "./", "\\\\host\\share\\", "file:", "file://", "file:///", "http:///#/")  # fmt: skip
DEPTHS = (1, 6)
SAID = (
    "//proc/self/root/{secret}", "/proc/self/environ", "/proc/self/fd/3", "/dev/stdin", "/etc/passwd",
    "//etc/passwd", "file:///etc/passwd", "file://localhost/etc/passwd", "~/{name}", "~root/.ssh/id_rsa",
    "aviation/flights/out/{name}", "aviation/flights/1/linked.parquet", "aviation/flights/out", "{secret}\x00.parquet",
    "aviation/flights/\x00", "aviation/flights/1\x00/../../../{name}", "C:\\{name}", "C:/{name}", "\\\\?\\C:\\{name}", "NUL",
    "CON", "aviation/flights/1/{name}.", "$HOME/{name}", "${{HOME}}/{name}", "`cat {secret}`", "|cat {secret}", "s3://bucket/{name}",
    "memory://{name}", "zip://{secret}", "{secret}#", "{secret}?x", "?/../{name}", "#/../{name}", "aviation/flights/1/*",
    "aviation/flights/**/{name}", "{{{secret},x}}", "[{secret}]", "\ud800", "a" * 5000, "aviation/flights/" + "x/../" * 300 + "..",
)  # fmt: skip
_watching: list[str] | None = None


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching is not None and event == "open" and isinstance(arguments[0], (str, bytes)):
        _watching.append(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode())


sys.addaudithook(_hook)  # there is no way to take it off


@contextmanager
def watched(*allowed: Path) -> Iterator[list[Path]]:
    """What is opened while the block runs, but below the places that are ``allowed``."""
    global _watching
    _watching, found = [], []
    program = [Path(sys.prefix), Path(sys.base_prefix), Path.cwd(), Path("/usr/share/zoneinfo")]
    roots = [root.resolve() for root in (*allowed, *program)] + [Path("/dev/null")]
    try:
        yield found
    finally:
        seen, _watching = _watching, None
        opened = [Path(path).resolve() for path in seen]
        found += [path for path in opened if not any(path.is_relative_to(root) for root in roots)]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with a version, and with links that lead out of it, beside what nobody may read."""
    inside, outside = tmp_path / "lake", tmp_path / "outside"
    place = inside / "aviation" / "flights" / "1"
    place.mkdir(parents=True)
    outside.mkdir()
    (outside / SECRET).write_bytes(CANARY)
    (place / "part-0.parquet").write_bytes(b"rows")
    (place / "linked.parquet").symlink_to(outside / SECRET)
    (place.parent / "out").symlink_to(outside)
    return inside


def corpus(lake: Path) -> list[str]:
    """250 ways to write what lies outside of ``lake``."""
    outside = lake.parent / "outside"
    climbing = [
        f"{root}{f'{up}/' * depth}outside/{SECRET}"
        for root, up, depth in product(ROOTS, UP, DEPTHS)
    ]
    said = [one.format(secret=outside / SECRET, name=f"outside/{SECRET}") for one in SAID]
    return (said + climbing)[:250]


def test_the_watch_sees_what_is_opened(lake: Path) -> None:
    outside = lake.parent / "outside" / SECRET
    with watched(lake) as seen:
        outside.read_bytes()
        (lake / "aviation" / "flights" / "1" / "linked.parquet").read_bytes()
    assert seen == [outside.resolve()] * 2


def test_no_path_of_a_manifest_leads_out_of_the_lake(lake: Path) -> None:
    """Not even if the catalog, or who speaks for it, names a file with the right digest."""
    secret = FileEntry(path="x", size_bytes=len(CANARY), sha256=digest_bytes(CANARY))
    spelled = corpus(lake)
    assert len(set(spelled)) == 250
    with watched(lake) as seen:
        for path in spelled:
            for location, file in ((path, SECRET), ("aviation/flights/1", path)):
                entry = FileEntry(path=file, size_bytes=secret.size_bytes, sha256=secret.sha256)
                told = manifest(1, location=location, files=(entry,))
                table = Table(
                    format=Format.PARQUET,
                    location=location,
                    files=(file,),
                    version=FLIGHTS.at(1),
                    entries=(entry,),
                )
                with pytest.raises(ProvenderError):
                    verify_version(lake, told)
                with pytest.raises(ProvenderError):
                    verified_files(lake, table)
    assert seen == []


def test_no_such_manifest_is_published(lake: Path, governed_sqlite: str) -> None:
    with LocalCatalog(governed_sqlite, actor="person:ops") as catalog:
        for path in corpus(lake):
            entry = FileEntry(path=path, size_bytes=1, sha256="sha256:1")
            for said in (manifest(1, location=path), manifest(1, files=(entry,))):
                with suppress(ProvenderError):
                    catalog.publish(FLIGHTS, said)
                    named = Path(normpath(lake / said.location / said.files[0].path))
                    assert named.is_relative_to(lake), path  # what a link is, its readers see


def test_no_address_of_the_server_leads_to_a_file(
    lake: Path, governed_sqlite: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    chosen = Settings(home=home, catalog_url=governed_sqlite, actor="person:sam")
    database = Path(httpx.URL(governed_sqlite).path).parent
    with listening(app(chosen)) as server:
        httpx.get(f"{server}/")  # imports what is imported once
        with watched(home, database) as seen:
            statuses = {
                status
                for path in corpus(lake)
                for begin in ("/static/", "/datasets/", "/api/v1/datasets/")
                for status in [asked(server, begin + path)]
            }
    assert seen == []
    assert statuses <= {200, 303, 307, 308, 400, 404, 405, 414, 422, 431}


def asked(server: str, path: str) -> int:
    """Ask as nothing that tidies up addresses would; return the status."""
    target = "".join(c if 32 < ord(c) < 127 else quote(c, errors="surrogatepass") for c in path)
    url = httpx.URL(server)
    with socket.create_connection((url.host, url.port or 0), timeout=20) as to:
        to.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: to.recv(65_536), b""))
    assert CANARY not in answer
    assert b"root:" not in answer
    return int(answer.split(b" ", 2)[1])
