"""Data sets: real ones from original files, synthetic ones by formula.

`load(name)` reads what is here and never downloads; `fetch(name)` downloads; `available()` says what is here. The
folder of original files is named by LAYERLAB_DATA; downloads go to LAYERLAB_CACHE or the system's cache folder.
"""

from .dataset import Dataset
from .download import fetch
from .errors import DataDamaged, DataError, DataMissing
from .folders import Status, available
from .loaders import load, names
from .synthetic import digits, gaussian

__all__ = [
    "DataDamaged",
    "DataError",
    "DataMissing",
    "Dataset",
    "Status",
    "available",
    "digits",
    "fetch",
    "gaussian",
    "load",
    "names",
]
