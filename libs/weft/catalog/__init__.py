"""Who is out there: backends behind one contract."""

from weft.catalog.base import (
    Capability,
    Catalog,
    Effects,
    Entry,
    Offers,
    OutsideTerms,
    Provider,
    RiskLevel,
    Sealed,
    Snapshot,
)

__all__ = [
    "Capability",
    "Catalog",
    "Effects",
    "Entry",
    "Offers",
    "OutsideTerms",
    "Provider",
    "RiskLevel",
    "Sealed",
    "Snapshot",
]
