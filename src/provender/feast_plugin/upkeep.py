"""The upkeep of the online store, as `bootstrap` hands it out to what may not import Feast."""

from provender.feast_plugin.parity import verify
from provender.feast_plugin.rebuild import rebuild


class Upkeep:
    """See `bootstrap.OnlineUpkeep`."""

    verify = staticmethod(verify)
    rebuild = staticmethod(rebuild)
