"""Who and what the story is about: people, years, names."""

from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
YEARS = {2013: 1, 2023: 2}
"""Each year's version number."""
RAW = ("flights", "weather", "planes", "airports", "carriers")
SERVICE = "delay_v1"
MODEL = "delay-model"
PURPOSE = "delay-prediction"
ANA, SAM, LEE, MAX = "person:ana", "person:sam", "person:lee", "person:max"
REPLAY_AT = datetime(2023, 12, 30, 18, 0, tzinfo=UTC)
"""The time of lookups in the story: the data ends with 2023, so the clock is held shortly before."""
