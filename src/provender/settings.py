"""All settings, read from ``PROVENDER_*``; an unknown or malformed one is an error that names it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from provender.core.clock import Clock, frozen_at, utc_now
from provender.core.errors import InvalidInput, Misconfigured
from provender.core.names import suggest
from provender.core.people import ACTOR_ID, UNNAMED
from provender.core.reach import check_url
from provender.hosts import without_password

PREFIX = "PROVENDER_"
SECRET_LENGTH = 16
REDIS_URL = re.compile(r"(rediss?(\+cluster|\+sentinel)?|unix)://")
TOKEN = re.compile(r"[\x21-\x7e]{1,8192}\Z")
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""How tokens of identity providers may be signed: by keys that only the provider has."""
MEMORY = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B|B|%)\Z", re.IGNORECASE)


class Settings(BaseModel):
    """Where things are and who asks. Every field is the environment variable ``PROVENDER_<FIELD>``."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Path = Field(Path(".provender"), description="state folder: lake, catalog, online data")
    catalog_url: str = Field(
        "",
        description="SQLAlchemy URL of the catalog, or http(s):// of its service; empty: SQLite in home",
    )
    redis_url: str = Field(
        "",
        description="redis://, rediss://, unix://, redis+cluster:// or redis+sentinel:// URL; "
        "empty: embedded Valkey in home",
    )
    actor: str = Field(UNNAMED, description="who asks: person:…, team:… or service:…")
    token: str = Field(
        "", description="what says who asks, to a catalog that is a service", repr=False
    )
    mode: Literal["local", "governed"] = Field(
        "local",
        description="how a server knows who asks: local (all are its actor) or governed (by token)",
    )
    anonymous: bool = Field(
        default=False, description="whether whoever has no token may look around in governed mode"
    )
    oidc_issuer: str = Field(
        "",
        description="the identity provider whose bearer tokens a governed server takes, as its tokens name it",
    )
    oidc_audience: str = Field(
        "", description="whom the identity provider's tokens have to be for: this server"
    )
    oidc_algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = Field(
        ("RS256", "ES256", "EdDSA"),
        description="how such tokens may be signed, such as RS256,ES256",
    )
    oidc_leeway: float = Field(
        30.0, ge=0, le=300, description="seconds that the identity provider's clock may differ"
    )
    oidc_keys_url: str = Field(
        "", description="where its keys are, if elsewhere than on the issuer's own server"
    )
    oidc_actor_claim: str = Field(
        "sub", min_length=1, description="the claim that says which person asks"
    )
    oidc_domain: str = Field(
        "", description="where that claim is name@domain: the domain, which is left out"
    )
    oidc_teams_claim: str = Field(
        "", description="the claim that lists groups, which are teams; empty: none does"
    )
    oidc_project_claim: str = Field(
        "", description="the claim that keeps a token to a project; empty: none does"
    )
    oidc_purpose_claim: str = Field(
        "", description="the claim that keeps a token to a purpose; empty: none does"
    )
    public_url: str = Field(
        "", description="where people reach the pages, such as https://catalog.example.org"
    )
    purpose: str = Field(
        "", description="what governed rows are read for, where a call does not say"
    )
    clock: AwareDatetime | None = Field(
        None,
        description="freeze the time of lookups, to replay old data, such as 2023-12-30T18:00:00Z",
    )
    online_deadline: float = Field(
        1.0, gt=0, le=60, description="seconds an online lookup may take, such as 0.5"
    )
    online_policy: Literal["live", "applied"] = Field(
        "live",
        description="what is served online by: the policy of now (live, needs a catalog) "
        "or of when features were applied (applied)",
    )
    online_unconfirmed: Literal["deny", "public"] = Field(
        "deny",
        description="what is served while the catalog cannot confirm the policy: "
        "nothing (deny) or what everybody may have (public)",
    )
    feature_repo: Path = Field(Path("feature_repo"), description="the Feast repository")
    governance: Path = Field(Path("catalog"), description="the folder of governance as code")
    memory_limit: str = Field(
        "", description="DuckDB's memory limit, such as 4GB; empty: DuckDB's own"
    )
    materialize_memory: str = Field(
        "256MB", description="DuckDB's memory limit while the online store is filled"
    )
    threads: int | None = Field(None, ge=1, description="DuckDB's threads; empty: one per core")
    engine: Literal["duckdb", "spark", "auto"] = Field(
        "duckdb", description="what retrieves training sets: duckdb, spark, or auto (by size)"
    )
    spark_master: str = Field(
        "", description="Spark's master, such as spark://host:7077; empty: this machine, local[*]"
    )

    entity_ids: Literal["plain", "hashed"] = Field(
        "plain", description="how entity ids stand in the online store's keys: plain or hashed"
    )
    entity_secret: str = Field(
        "",
        description="at least 16 characters by which entity ids are hashed; empty: a file in home",
        repr=False,
    )

    lookup_log: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the part of the lookups that servers log, of services that do not say; 0: of none at all",
    )
    lookup_log_ids: Literal["stored", "hashed"] = Field(
        "stored", description="entity ids in the lookup log: stored (as in keys) or hashed"
    )
    lookup_log_seconds: float = Field(
        300.0, gt=0, description="how often logged lookups are published, in seconds"
    )
    lookup_log_megabytes: int = Field(
        1024, ge=1, description="what logged lookups may take until they are published"
    )

    audit_keys: Path | None = Field(
        None,
        description="folder of the keys that the audit trail is signed with; empty: one in home, made at need",
    )
    audit_witness: Path | None = Field(
        None,
        description="file that every signed checkpoint is appended to, out of reach of who may write the database",
    )
    audit_checkpoint_events: int = Field(
        1000, ge=1, description="a checkpoint is signed after so many audit events, such as 1000"
    )
    audit_checkpoint_seconds: float = Field(
        60.0, ge=0, description="and with the first event after so many seconds, such as 60"
    )

    unrecorded: Literal["public", "nothing"] = Field(
        "nothing",
        description="what may be read or looked up while that cannot be written down: public columns, or nothing",
    )

    journal_seconds: float = Field(
        60.0,
        gt=0,
        description="how long decisions about lookups may wait for the catalog; then they are refused",
    )
    journal_megabytes: int = Field(
        64, ge=1, description="what such decisions may take on the disk until the catalog has them"
    )

    retrieve_at_once: int = Field(
        4, ge=1, description="how many a catalog's server retrieves rows for at once"
    )
    retrieve_seconds: float = Field(
        900.0, gt=0, description="seconds such a retrieval may take until its last row is sent"
    )
    retrieve_megabytes: int = Field(
        1024, ge=1, description="what the rows may take that features are asked for at"
    )

    log_format: Literal["off", "text", "json"] = Field(
        "off", description="lines that the catalog's server writes to stderr: off, text or json"
    )
    otel_endpoint: str = Field(
        "",
        description="OpenTelemetry collector that spans are sent to, such as http://localhost:4318",
    )

    @field_validator("actor")
    @classmethod
    def _actor(cls, value: str) -> str:
        if not ACTOR_ID.match(value):
            raise ValueError("write person:name, team:name or service:name in lower case")
        return value

    @field_validator("catalog_url")
    @classmethod
    def _catalog_url(cls, value: str) -> str:
        known = ("postgresql://", "postgresql+psycopg://", "sqlite:///", "http://", "https://")
        if value and not value.startswith(known):
            raise ValueError(
                "write postgresql://user@host/database, sqlite:///path or http://host:port"
            )
        if value.startswith(("http://", "https://")):
            _check_address(value)
        return value.replace("postgresql://", "postgresql+psycopg://", 1)

    @field_validator("token")
    @classmethod
    def _token(cls, value: str) -> str:
        if value and not TOKEN.match(value):
            raise ValueError("write the token as it was shown, without spaces")
        return value

    @field_validator("otel_endpoint", "public_url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write http://host:port or https://host:port")
        if value:
            _check_address(value)
        return value

    @field_validator("oidc_issuer", "oidc_keys_url")
    @classmethod
    def _fetched(cls, value: str) -> str:
        try:
            return check_url(value) if value else value
        except InvalidInput as error:
            raise ValueError(error.message) from None

    @field_validator("oidc_algorithms", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("entity_secret")
    @classmethod
    def _entity_secret(cls, value: str) -> str:
        if value and len(value) < SECRET_LENGTH:
            raise ValueError(f"write at least {SECRET_LENGTH} characters that nobody guesses")
        return value

    @field_validator("memory_limit", "materialize_memory")
    @classmethod
    def _memory_limit(cls, value: str) -> str:
        if value and not MEMORY.match(value):
            raise ValueError("write a number and a unit, such as 4GB, 512MiB or 80%")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        if value and not REDIS_URL.match(value):
            raise ValueError(
                "write redis://host:port/0, unix:///path.sock, redis+cluster://host:port,host:port/ "
                "or redis+sentinel://host:port,host:port/master/0; rediss for TLS"
            )
        for server in urlsplit(value).netloc.rpartition("@")[2].split(","):
            try:
                urlsplit(f"//{server}").port  # noqa: B018 - asking is what checks it
            except ValueError:
                raise ValueError("the port is not a number between 0 and 65535") from None
        return value

    @field_validator("home", "feature_repo", "governance", "audit_keys", "audit_witness")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - keeps symlinks as written

    @property
    def is_remote(self) -> bool:
        """Whether the catalog is asked over HTTP."""
        return self.catalog_url.startswith(("http://", "https://"))

    @property
    def catalog_shown(self) -> str:
        """Where the catalog is, as it may be shown."""
        return without_password(self.catalog_url) or f"SQLite in {self.home}"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def spill(self) -> Path:
        """Where retrievals put what memory does not hold, and note what they write elsewhere."""
        return self.home / "spill"

    @property
    def database_url(self) -> str:
        """The database of the catalog.

        Raises:
            Misconfigured: the catalog is a service, whose database is not ours.
        """
        if self.is_remote:
            raise Misconfigured(
                f"the catalog {without_password(self.catalog_url)} is a service, "
                "and this needs its database",
                hint="do it where the service runs, or set PROVENDER_CATALOG_URL to the database",
            )
        return self.catalog_url or f"sqlite:///{self.home / 'catalog.db'}"

    @property
    def now(self) -> Clock:
        """The clock of lookups: the wall clock, or the instant frozen by ``PROVENDER_CLOCK``."""
        return frozen_at(self.clock) if self.clock else utc_now


def _check_address(url: str) -> None:
    """Check that ``url`` names a host and, if any, a port that there can be."""
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass
    raise ValueError("write http://host:port, with a port between 1 and 65535")


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of ``environment`` (default: the process's).

    Raises:
        Misconfigured: a ``PROVENDER_*`` variable is unknown or malformed; it is named.
    """
    found = os.environ if environment is None else environment
    given = {k.removeprefix(PREFIX).lower(): v for k, v in found.items() if k.startswith(PREFIX)}
    for name in given.keys() - Settings.model_fields.keys():
        known = [PREFIX + field.upper() for field in Settings.model_fields]
        variable = PREFIX + name.upper()
        raise Misconfigured(f"unknown setting {variable}", hint=suggest(variable, known))
    return settings_of({name: value for name, value in given.items() if value != ""})


def settings_of(given: Mapping[str, object]) -> Settings:
    """Return the settings with the values ``given`` by name.

    Raises:
        Misconfigured: one of them is malformed; it is named.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        shown = (
            "" if name.endswith(("_url", "_secret", "token")) else f"={given[name]!r}"
        )  # those may hold passwords
        raise Misconfigured(
            f"setting {PREFIX}{name.upper()}{shown} is not usable: {first['msg'].removeprefix('Value error, ')}",
            hint=Settings.model_fields[name].description or "",
        ) from error
