"""The laboratory: it runs any experiment, stores what it measured, and knows where each result comes from."""

from layerlab.lab import devices, style
from layerlab.lab.cache import remember
from layerlab.lab.claims import Claim, Evidence, spread
from layerlab.lab.config import Config, Parameter, choice, integer, real, torch_seed
from layerlab.lab.drawing import draw, figure_svg, to_svg
from layerlab.lab.estimate import estimate, in_words
from layerlab.lab.experiment import Experiment, UnknownExperiment, from_module, get, names, titles
from layerlab.lab.fingerprint import closure, fingerprint
from layerlab.lab.progress import Cancelled, Progress
from layerlab.lab.queue import accelerator_queue
from layerlab.lab.runs import BadResult, Provenance, Run, execute, versions
from layerlab.lab.store import DamagedRun, NoStore, Store, Stored
from layerlab.lab.sweep import Point, sweep

__all__ = [
    "BadResult",
    "Cancelled",
    "Claim",
    "Config",
    "DamagedRun",
    "Evidence",
    "Experiment",
    "NoStore",
    "Parameter",
    "Point",
    "Progress",
    "Provenance",
    "Run",
    "Store",
    "Stored",
    "UnknownExperiment",
    "accelerator_queue",
    "choice",
    "closure",
    "devices",
    "draw",
    "estimate",
    "execute",
    "figure_svg",
    "fingerprint",
    "from_module",
    "get",
    "in_words",
    "integer",
    "names",
    "real",
    "remember",
    "spread",
    "style",
    "sweep",
    "titles",
    "to_svg",
    "torch_seed",
    "versions",
]
