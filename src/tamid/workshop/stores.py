"""How scikit-learn pipelines become bytes and come back: skops, with its list of types."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamid.adapters.sklearn import Store


def sklearn_store() -> Store:
    """Return the safe store of pipelines."""
    from tamid.adapters import skops
    from tamid.adapters.sklearn import Store

    return Store(dump=skops.dump, load=skops.load, untrusted=skops.untrusted)


def pipeline_file(pipeline: object) -> bytes:
    """Return a fitted pipeline as a skops file.

    Raises:
        UserCodeError: it holds types that are not on the published list.
    """
    from tamid.adapters import skops

    return skops.dump(pipeline)
