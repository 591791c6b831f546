"""What readers of a version have to mind, said to whoever runs the code that reads it."""

import warnings

from provender.core.datasets import DatasetVersion, Release


class CautionWarning(UserWarning):
    """A version that is read is deprecated, recalled, a draft or quarantined."""


def heeded(release: Release) -> DatasetVersion:
    """Return the version of ``release``, after its warnings were given as Python gives warnings."""
    for text in release.warnings:
        warnings.warn(text, CautionWarning, stacklevel=4)
    return release.version
