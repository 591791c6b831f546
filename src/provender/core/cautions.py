"""What has to be minded, said to whoever runs the code: of versions that are read, of tokens."""

import warnings

from provender.core.datasets import DatasetVersion, Release


class CautionWarning(UserWarning):
    """A version that is read is deprecated, recalled, a draft or quarantined."""


def heeded(release: Release) -> DatasetVersion:
    """Return the version of ``release``, after its warnings were given as Python gives warnings."""
    for text in release.warnings:
        warnings.warn(text, CautionWarning, stacklevel=4)
    return release.version


class TokenUnused(UserWarning):
    """A token was given where nobody looks at it: who asks is not whom it says."""


def warn_of_token(why: str, *, hint: str) -> None:
    """Warn that a token is not used: ``why``, and what to do."""
    warnings.warn(f"{why}; {hint}", TokenUnused, stacklevel=3)
