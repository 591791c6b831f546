"""An S3 server on this machine that tells what is read from it."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "rows"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Counted:
    """The server's application: takes one key only, and counts requests and the bytes it answers with."""

    def __init__(self) -> None:
        self.application = DomainDispatcherApplication(create_backend_app)
        self.reads = 0
        self.bytes_read = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if f"Credential={KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        body = list(self.application(environ, start_response))
        if environ["REQUEST_METHOD"] == "GET":
            self.reads += 1
            self.bytes_read += sum(map(len, body))
        return body


class Server:
    """A running server with one empty bucket."""

    def __init__(self, url: str, counted: Counted) -> None:
        self.url = url
        self.counted = counted
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> str:
        """Keep ``content`` and return its URL."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def put_folder(self, folder: Any, key: str) -> str:
        """Keep all files below ``folder`` and return their URL."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"s3://{BUCKET}/{key}"

    def empty(self) -> None:
        """Remove everything from the bucket."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for found in page.get("Contents", []):
                self.client.delete_object(Bucket=BUCKET, Key=found["Key"])

    @contextmanager
    def counting(self) -> Iterator[Counted]:
        """Count from zero."""
        self.counted.reads = self.counted.bytes_read = 0
        yield self.counted


@contextmanager
def s3_server() -> Iterator[Server]:
    """A server on a free port of the loopback; the environment holds its credentials meanwhile."""
    counted = Counted()
    server = make_server("127.0.0.1", 0, counted, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        made = Server(f"http://127.0.0.1:{server.server_port}", counted)
        try:
            yield made
        finally:
            made.empty()  # the process's next server would have what is in it
            made.client.close()
            server.shutdown()
            server.server_close()
            thread.join()
