"""Where an object storage answers, and how long it is waited for.

Who may read is said by the environment, in the words of each storage (``AWS_ACCESS_KEY_ID``,
``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_KEY`` …), which the libraries read
themselves: no credential passes through here.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from provender.core.digest import digest
from provender.core.training import Table

S3 = ("s3", "s3a")
CONNECT_SECONDS = 5
REQUEST_SECONDS = 30
RETRIES = 2
RETRY_SECONDS = 20
NO_BUCKET = "NoSuchBucket"
"""What S3 answers, and our libraries repeat, where a bucket is not there."""
REGION = "us-east-1"
"""What servers of one region answer to; the environment's goes first."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of storage at one address; none: the address of the environment."""

    scheme: str
    address: str = ""

    @classmethod
    def of(cls, table: Table) -> "Endpoint":
        """Return where ``table`` is."""
        scheme = urlsplit(table.location).scheme
        return cls("s3" if scheme in S3 else scheme, table.endpoint)

    @property
    def options(self) -> dict[str, str]:
        """How the storage is addressed, in obstore's words; the environment says the rest."""
        if self.scheme != "s3":
            return {}
        address = self.address or os.environ.get("AWS_ENDPOINT_URL", "")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
        return {"aws_region": region} | ({"aws_endpoint": address} if address else {})

    @property
    def is_plain(self) -> bool:
        """Whether the endpoint speaks HTTP without encryption, which somebody has to say."""
        return self.options.get("aws_endpoint", "").startswith("http://") or self.scheme == "http"

    @property
    def protocol(self) -> str:
        """The scheme by which DuckDB knows it, so that endpoints of one query are kept apart."""
        mark = digest([self.scheme, self.address]).removeprefix("sha256:")[:12]
        return f"provender-{self.scheme}-{mark}"

    @property
    def obstore_options(self) -> dict[str, Any]:
        """What obstore is told."""
        return {
            "config": self.options or None,
            "client_options": {
                "allow_http": self.is_plain,
                "connect_timeout": f"{CONNECT_SECONDS}s",
                "timeout": f"{REQUEST_SECONDS}s",
            },
            "retry_config": {
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            },
        }

    @property
    def delta_options(self) -> dict[str, str]:
        """What deltalake is told."""
        limits = {
            "connect_timeout": f"{CONNECT_SECONDS}s",
            "timeout": f"{REQUEST_SECONDS}s",
            "max_retries": str(RETRIES),
            "retry_timeout": f"{RETRY_SECONDS}s",
        }
        return self.options | limits | ({"allow_http": "true"} if self.is_plain else {})

    @property
    def iceberg_properties(self) -> dict[str, str]:
        """What pyiceberg is told."""
        if self.scheme != "s3":
            return {}
        said = {
            "s3.region": self.options["aws_region"],
            "s3.connect-timeout": str(CONNECT_SECONDS),
            "s3.request-timeout": str(REQUEST_SECONDS),
            "s3.endpoint": self.options.get("aws_endpoint", ""),
        }
        if os.environ.get("AWS_SKIP_SIGNATURE", "").lower() == "true":
            said["s3.anonymous"] = "true"
        return {name: value for name, value in said.items() if value}
