"""Provender: the feature store and data catalog that stands in the read path."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provender.sdk import Workspace, connect

__all__ = ["Workspace", "connect"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        from provender import sdk

        return getattr(sdk, name)
    raise AttributeError(f"module 'provender' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__", "__version__"]
