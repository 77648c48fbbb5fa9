"""Data sets: real ones from original files, synthetic ones by formula.

`load(name)` reads what is here and never downloads; `fetch(name)` downloads; `available()` says what is here. The
folder of original files is named by LAYERLAB_DATA; downloads go to LAYERLAB_CACHE or the system's cache folder.
"""

from .dataset import Dataset
from .download import fetch
from .errors import DataDamaged, DataError, DataMissing
from .folders import Status, available
from .loaders import load, names
from .rule import Rule, committee_machine, symmetric_rule
from .synthetic import digits, gaussian

__all__ = [
    "DataDamaged",
    "DataError",
    "DataMissing",
    "Dataset",
    "Rule",
    "Status",
    "available",
    "committee_machine",
    "digits",
    "fetch",
    "gaussian",
    "load",
    "names",
    "symmetric_rule",
]
