"""The tables that the setting ``andamios_models`` names."""

from __future__ import annotations

import importlib

from sqlalchemy import MetaData

from andamios_orm.exceptions import ConfigurationError

__all__ = ["metadata_named"]


def metadata_named(place: str) -> MetaData:
    """Return the metadata at ``place``: of a base (``shop.models:Base``), or itself.

    An empty ``place`` is a metadata without tables.

    Raises:
        ConfigurationError: there is none.
    """
    if not place:
        return MetaData()
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name or "Base")
    except (ImportError, AttributeError) as error:
        message = f"andamios_models={place}: {error}; write it like shop.models:Base"
        raise ConfigurationError(message) from error
    metadata = getattr(found, "metadata", found)
    if not isinstance(metadata, MetaData):
        message = f"andamios_models={place} is neither a base of models nor a MetaData"
        raise ConfigurationError(message)
    return metadata
