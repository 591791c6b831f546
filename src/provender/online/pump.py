"""What carries the policy from the catalog to the online store, several times a second.

Only the store's clock counts, asked for before the catalog is: so what was asked first is over
first, however late it is written. What cannot be carried is over within a `LEASE`, and servers
refuse then; so nothing is given up, and what is wrong is said once.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from provender.core.clock import Clock, utc_now
from provender.core.errors import ProvenderError
from provender.core.leases import LEASE, Leasing, PolicyLease
from provender.online.leasing import lease_key, leased_key
from provender.online.store import OnlineStore
from provender.values import to_json

log = logging.getLogger(__name__)
BEAT = 0.2
"""Seconds between renewals: a lease lasts for several, and what is revoked is gone with the next."""
FAILED_SECONDS = 5.0
RENEW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local asked, life = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = math.floor((asked + life - now) / 1000)
if left <= 0 then return 'late' end
if tonumber(redis.call('HGET', KEYS[1], 'written') or '0') > asked then return 'overtaken' end
if redis.call('HGET', KEYS[1], 'digest') ~= ARGV[3] then
  if ARGV[5] == '' then return 'body' end
  redis.call('HSET', KEYS[1], 'digest', ARGV[3], 'lease', ARGV[5])
end
redis.call('HSET', KEYS[1], 'written', string.format('%.0f', now))
redis.call('SET', KEYS[2], ARGV[3] .. ' ' .. ARGV[4], 'PX', left)
return 'renewed'
"""
TIME = """
local clock = redis.call('TIME')
return string.format('%.0f', clock[1] * 1000000 + clock[2])
"""
MICROSECONDS = 1_000_000


@dataclass(slots=True)
class Pump:
    """Carries one project's policy from the catalog to the online store. For one thread."""

    store: OnlineStore
    catalog: Leasing
    project: str
    lease: PolicyLease | None = None

    def renew(self, now: datetime) -> PolicyLease:
        """Confirm the policy that the catalog has, and return what is in force from now on.

        The catalog is asked for a word only, while nothing changed. Of several pumps one renews.

        Raises:
            Unavailable: the store or the catalog does not answer.
            NotFound: the project was never applied.
        """
        asked = self._store_time()
        lease = self.lease
        state = self.catalog.policy_state(self.project)
        if lease is None or lease.state != state or _is_over(lease, now):
            self.lease = lease = self.catalog.policy_lease(self.project)
        if self._put(lease, state, asked, body="") == "body":
            self._put(lease, state, asked, body=to_json(lease))
        return lease

    def _put(self, lease: PolicyLease, state: str, asked: int, *, body: str) -> str:
        life = LEASE.total_seconds() * MICROSECONDS
        told = (str(asked), f"{life:.0f}", lease.digest, state, body)
        with self.store.commands() as client:
            keys = lease_key(self.project), leased_key(self.project)
            word: bytes = client.eval(RENEW, 2, *keys, *told)
            return word.decode()

    def _store_time(self) -> int:
        """Return microseconds since 1970 by the clock that ends leases."""
        with self.store.commands() as client:
            return int(client.eval(TIME, 1, lease_key(self.project)))


def carry(
    store: OnlineStore,
    catalog: Leasing,
    project: str,
    *,
    ended: Event,
    renewed: Callable[[PolicyLease], None] = lambda _lease: None,
    clock: Clock = utc_now,
) -> None:
    """Renew the lease of ``project`` until it ``ended``; ``renewed`` is told of each renewal."""
    pump, problem = Pump(store, catalog, project), ""
    while not ended.is_set():
        said = ""
        try:
            renewed(pump.renew(clock()))
        except ProvenderError as error:
            said = error.message
        except Exception:
            log.exception("carrying the policy of project %s failed", project)
            ended.wait(FAILED_SECONDS)
        if said != problem:
            problem = said
            how = f"not confirmed: {said}" if said else "confirmed again"
            log.warning("the policy of project %s is %s", project, how)
        ended.wait(BEAT)


def _is_over(lease: PolicyLease, now: datetime) -> bool:
    return lease.first_end is not None and now >= lease.first_end
