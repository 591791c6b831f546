"""How to reach Redis or Valkey: options from a URL, or from Feast's connection string.

Secrets stay out of `repr`, of `address` and of every message.
"""

import json
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
    """Return the options of a URL: ``redis://``, ``rediss://`` and ``unix://`` as redis-py has them.

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
        nodes = tuple(_node(part) for part in listed.split(","))
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
    except ValueError as error:
        raise _malformed(str(error)) from None
    parts.pop("connection_class", None)
    node = (str(parts.pop("host", "localhost")), int(parts.pop("port", 6379)))
    return StoreOptions(
        nodes=(node,),
        unix_socket_path=str(parts.pop("path", "")),
        db=int(parts.pop("db", 0)),
        ssl=url.startswith("rediss"),
        username=parts.pop("username", None),
        password=parts.pop("password", None),
        extra=parts,
    )


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
    """Return the options of Feast's ``host:port,host:port,parameter=value,…``.

    Values are JSON where they can be, as with Feast: ``ssl=true``, ``db=1``; but a user name
    and a password are taken as they are written.

    Raises:
        Misconfigured: a part is malformed; values of parameters are not shown.
    """
    nodes: list[tuple[str, int]] = []
    given: dict[str, Any] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, equals, value = part.partition("=")
        if equals:
            given[name] = value if name in ("username", "password") else _json_or_text(value)
        else:
            nodes.append(_node(part))
    if redis_type not in list(Topology):
        raise Misconfigured(
            f"redis_type {redis_type!r} is unknown", hint=f"it is one of {', '.join(Topology)}"
        )
    if not nodes and "unix_socket_path" not in given:
        raise Misconfigured(
            "the connection string names no server", hint="write host:port,parameter=value"
        )
    return StoreOptions(
        topology=Topology(redis_type),
        nodes=tuple(nodes) or (("localhost", 0),),
        unix_socket_path=str(given.pop("unix_socket_path", "")),
        db=_whole(given.pop("db", 0)),
        ssl=bool(given.pop("ssl", False)),
        username=given.pop("username", None),
        password=given.pop("password", None),
        sentinel_master=sentinel_master,
        extra=given,
    )


def _node(part: str) -> tuple[str, int]:
    host, colon, port = part.rpartition(":")
    if not (colon and host and port.isdecimal()):
        raise Misconfigured(
            f"{part!r} in the connection string is no server",
            hint="write host:port, for example localhost:6379",
        )
    return host.strip("[]"), int(port)


def _whole(db: Any) -> int:
    if not isinstance(db, int) or isinstance(db, bool) or db < 0:
        raise Misconfigured("db in the connection string is no number", hint="write db=0")
    return db


def _json_or_text(value: str) -> Any:
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
