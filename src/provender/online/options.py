"""How to reach Redis or Valkey: options from a URL, or from Feast's connection string.

Secrets stay out of `repr`, of `address` and of every message.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

import redis
import redis.connection
import redis.sentinel
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from provender.core.errors import Misconfigured, Unavailable
from provender.online.endpoint import Endpoint, greeting, tls_context
from provender.online.resp import Refused

Client = Any
"""A redis-py client; its type hints differ between standalone and cluster."""
SYNC: Any = redis
RETRIES = 3
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
WATCHING = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS}
"""What the sentinels themselves are asked with: they hold no data, so get no secrets."""
ALWAYS = (
    *("client_name", "health_check_interval", "max_connections", "retry_on_timeout"),
    *("socket_connect_timeout", "socket_keepalive", "socket_timeout"),
)
FOR_TLS = (
    *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile"),
    *("ssl_check_hostname", "ssl_keyfile", "ssl_password"),
)
FOR_CLUSTERS = ("cluster_error_retry_attempts", "reinitialize_steps", "require_full_coverage")
TAKEN = frozenset((*ALWAYS, *FOR_TLS, *FOR_CLUSTERS))
"""The options of redis-py that can be written down; reads heed them, too."""
SCHEME = re.compile(r"[a-z+]+://")
HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]")
TRUTHS = {"True": True, "False": False}
"""How Python writes truth values, which are no JSON; other words would all be true."""
URL_FORMS = (
    "write redis://host:port/0, unix:///path.sock, redis+cluster://host:port,host:port/ "
    "or redis+sentinel://host:port,host:port/master/0; rediss for TLS"
)


class Topology(StrEnum):
    """How the servers are arranged; the words are Feast's ``redis_type``."""

    REDIS = "redis"
    CLUSTER = "redis_cluster"
    SENTINEL = "redis_sentinel"


ARRANGED = {"cluster": Topology.CLUSTER, "sentinel": Topology.SENTINEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Where the servers are, and with what to connect. ``extra`` goes to redis-py as it is."""

    topology: Topology = Topology.REDIS
    nodes: tuple[tuple[str, int], ...] = (("localhost", 6379),)
    unix_socket_path: str = ""
    db: int = 0
    ssl: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_master: str = "mymaster"
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """Where the store is, for people to read."""
        if self.unix_socket_path:
            return f"unix://{self.unix_socket_path}"
        hosts = ",".join(f"{host}:{port}" for host, port in self.nodes)
        scheme = "rediss" if self.ssl else "redis"
        if self.topology is Topology.CLUSTER:
            return f"{scheme}+cluster://{hosts}/"
        if self.topology is Topology.SENTINEL:
            return f"{scheme}+sentinel://{hosts}/{self.sentinel_master}/{self.db}"
        return f"{scheme}://{hosts}/{self.db}"

    @property
    def answer_seconds(self) -> float:
        """How long one question may take, where a call does not say: ``socket_timeout``."""
        return float(self.extra.get("socket_timeout") or ANSWER_SECONDS)

    def endpoint(self, host: str = "", port: int = 0) -> Endpoint:
        """Return how to reach one server: the one named, or the first.

        Raises:
            Misconfigured: a certificate or key cannot be read.
        """
        database = 0 if self.topology is Topology.CLUSTER else self.db
        said, count = greeting(self.username, self.password, database)
        if self.unix_socket_path and not host:
            return Endpoint(path=self.unix_socket_path, greeting=said, greetings=count)
        if not host:
            host, port = self.nodes[0]
        tls = tls_context(self.extra) if self.ssl else None
        return Endpoint(host, port, "", tls, said, count)

    def watcher(self, host: str, port: int) -> Endpoint:
        """Return how to reach a sentinel: without our secrets, which are the servers'."""
        return Endpoint(host, port, "", tls_context(self.extra) if self.ssl else None)

    def connect(self) -> Client:
        """Return a client; nothing is sent yet, but for a cluster's map.

        Raises:
            Misconfigured: redis-py has no such option.
        """
        options = self._common()
        try:
            if self.topology is Topology.CLUSTER:
                nodes = [SYNC.cluster.ClusterNode(host, port) for host, port in self.nodes]
                return SYNC.RedisCluster(startup_nodes=nodes, **options)
            if self.topology is Topology.SENTINEL:
                watchers = SYNC.sentinel.Sentinel(list(self.nodes), **WATCHING, **self._tls())
                return watchers.master_for(self.sentinel_master, db=self.db, **options)
            return SYNC.Redis(**self._place(), **options)
        except TypeError as error:
            raise Misconfigured(
                f"the online store's connection has an unknown option: {error}",
                hint="parameters are those of redis-py, such as socket_timeout or ssl_ca_certs",
            ) from None

    def _place(self) -> dict[str, Any]:
        if self.unix_socket_path:
            return {"unix_socket_path": self.unix_socket_path, "db": self.db}
        host, port = self.nodes[0]
        return {"host": host, "port": port, "db": self.db}

    def _tls(self) -> dict[str, Any]:
        told = {name: value for name, value in self.extra.items() if name.startswith("ssl_")}
        return {"ssl": True, **told} if self.ssl else {}

    def _common(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "username": self.username,
            "password": self.password,
            **self.extra,
        }
        if self.topology is not Topology.CLUSTER:
            options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES)
        if self.ssl:
            options["ssl"] = True
        return options


def disconnect(client: Client) -> None:
    """Close the client's connections, and those to the sentinels that it asked."""
    client.close()
    for watcher in _watchers(client):
        watcher.close()


def _watchers(client: Client) -> list[Client]:
    pool = getattr(client, "connection_pool", None)
    manager = getattr(pool, "sentinel_manager", None)
    return list(manager.sentinels) if manager else []


def from_url(url: str) -> StoreOptions:
    """Return the options of a URL: ``redis://``, ``rediss://`` and ``unix://`` as redis-py has them,
    with those of its parameters that are `TAKEN`.

    A cluster is ``redis+cluster://user:password@host:port,host:port/``, and sentinels are
    ``redis+sentinel://user:password@host:port,host:port/<master>/0``, or ``rediss+…`` for TLS;
    user and password are those of the servers.

    Raises:
        Misconfigured: the URL is malformed. It is not shown, as it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    plain, plus, kind = scheme.partition("+")
    topology = ARRANGED.get(kind)
    if not (separator and plus):
        return _single(url, url)
    if topology is None or plain not in ("redis", "rediss"):
        raise _malformed(f"{scheme}:// is unknown")
    before, slash, after = rest.partition("/")
    credentials, at, listed = before.rpartition("@")
    try:
        nodes = tuple(_node(part, "a part") for part in listed.split(","))
    except Misconfigured:
        raise _malformed("it names no servers as host:port,host:port") from None
    host, port = listed.split(",")[0].rpartition(":")[::2]
    master, after = _master(after) if topology is Topology.SENTINEL else ("mymaster", after)
    one = _single(url, f"{plain}://{credentials}{at}{host}:{port}{slash}{after}")
    if topology is Topology.CLUSTER and one.db:
        raise _malformed("a cluster has no databases but 0")
    return replace(one, topology=topology, nodes=nodes, sentinel_master=master)


def _single(url: str, plain: str) -> StoreOptions:
    try:
        parts = dict(SYNC.connection.parse_url(plain))
        db, port = int(parts.pop("db", 0)), int(parts.pop("port", 6379))
    except ValueError:
        raise _malformed("redis-py cannot read its scheme, its port or a parameter") from None
    parts.pop("connection_class", None)
    options = StoreOptions(
        nodes=((str(parts.pop("host", "localhost")), port),),
        unix_socket_path=str(parts.pop("path", "")),
        db=db,
        ssl=url.startswith("rediss"),
        username=parts.pop("username", None),
        password=parts.pop("password", None),
        extra=parts,
    )
    if not parts.keys() <= TAKEN:
        raise _unknown("the URL of the online store")
    return options


def _master(path: str) -> tuple[str, str]:
    """Return the name of the primary, and what is left of a sentinel's path."""
    path, mark, query = path.partition("?")
    master, _, db = path.partition("/")
    if not master:
        raise _malformed("it does not say which primary the sentinels watch")
    return unquote(master), f"{db}{mark}{query}"


def _malformed(why: str) -> Misconfigured:
    return Misconfigured(f"the URL of the online store is malformed: {why}", hint=URL_FORMS)


def from_connection_string(
    text: str, *, redis_type: str = Topology.REDIS, sentinel_master: str = "mymaster"
) -> StoreOptions:
    """Return the options of Feast's ``host:port,host:port,parameter=value,…``, or of a URL.

    Values are JSON where they can be, as with Feast: ``ssl=true``, ``db=1``; but a user name
    and a password are taken as they are written.

    Raises:
        Misconfigured: a part is malformed. No part is shown: it may be of a password.
    """
    if redis_type not in list(Topology):
        raise Misconfigured(
            f"redis_type {redis_type!r} is unknown", hint=f"it is one of {', '.join(Topology)}"
        )
    if SCHEME.match(text.strip()):
        return _arranged(from_url(text.strip()), Topology(redis_type), sentinel_master)
    nodes, given = _parts(text)
    if not nodes and "unix_socket_path" not in given:
        raise Misconfigured(
            "the connection string names no server", hint="write host:port,parameter=value"
        )
    options = StoreOptions(
        topology=Topology(redis_type),
        nodes=tuple(nodes) or (("localhost", 0),),
        unix_socket_path=str(given.pop("unix_socket_path", "")),
        db=_whole(given.pop("db", 0)),
        ssl=_truth(given.pop("ssl", False)),
        username=given.pop("username", None),
        password=given.pop("password", None),
        sentinel_master=sentinel_master,
        extra=given,
    )
    if not given.keys() <= TAKEN:
        raise _unknown("the connection string")
    return options


def _arranged(options: StoreOptions, topology: Topology, master: str) -> StoreOptions:
    """Return ``options`` of a URL that names one server, arranged as is said beside it."""
    if options.topology is not Topology.REDIS or topology is Topology.REDIS:
        return options
    if topology is Topology.CLUSTER and options.db:
        raise _malformed("a cluster has no databases but 0")
    return replace(options, topology=topology, sentinel_master=master)


def _parts(text: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the servers and the parameters of a connection string."""
    nodes: list[tuple[str, int]] = []
    given: dict[str, Any] = {}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for number, part in enumerate(parts, 1):
        name, equals, value = part.partition("=")
        if equals and name.isidentifier():
            given[name] = value if name in ("username", "password") else _json_or_text(value)
        elif given:  # a password with a comma looks so
            raise Misconfigured(
                f"part {number} of the connection string is no parameter=value",
                hint="write servers first; a password with a comma has to be written in a URL, as %2C",
            )
        else:
            nodes.append(_node(part, f"part {number} of the connection string"))
    return nodes, given


def _node(part: str, where: str) -> tuple[str, int]:
    host, colon, port = part.rpartition(":")
    if not (colon and HOST.fullmatch(host) and port.isascii() and port.isdecimal()):
        raise Misconfigured(
            f"{where} is no server", hint="write host:port, for example localhost:6379"
        )
    return host.strip("[]"), int(port)


def _unknown(where: str) -> Misconfigured:
    return Misconfigured(
        f"{where} has an unknown parameter", hint=f"parameters are {', '.join(sorted(TAKEN))}"
    )


def _truth(ssl: Any) -> bool:
    if ssl not in (True, False):
        raise Misconfigured("ssl in the connection string is no truth value", hint="write ssl=true")
    return bool(ssl)


def _whole(db: Any) -> int:
    if not isinstance(db, int) or isinstance(db, bool) or db < 0:
        raise Misconfigured("db in the connection string is no number", hint="write db=0")
    return db


def _json_or_text(value: str) -> Any:
    if value in TRUTHS:
        return TRUTHS[value]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def unavailable(options: StoreOptions, error: Exception) -> Unavailable:
    """Return the error for a store that does not answer or refuses; it holds no secrets."""
    said = str(error) or type(error).__name__
    does = "refuses" if isinstance(error, Refused) else "does not answer"
    return Unavailable(
        f"the online store at {options.address} {does}: {said}",
        hint="start it, or set PROVENDER_REDIS_URL; its data can be rebuilt by materialising",
    )
