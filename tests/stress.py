"""How often the reliability tests do what they do: a tenth of the promised numbers, unless STRESS=10."""

import os


def times(count):
    """Return ``count``, multiplied by the environment variable STRESS (default 1)."""
    return count * int(os.environ.get("STRESS", "1"))
