"""How often the reliability tests do what they do: a tenth of the promised numbers, unless STRESS=10."""

import os

STRESS = int(os.environ.get("STRESS", "1"))
STRESSED = STRESS > 1


def times(count, *, calm=None):
    """Return ``count``, multiplied by the environment variable STRESS (default 1).

    Without STRESS it is ``calm``, where a tenth of the promised number still takes minutes.
    """
    return count * STRESS if STRESSED or calm is None else calm
