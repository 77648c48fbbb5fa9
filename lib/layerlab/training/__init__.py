"""Training: N networks of one shape, trained in lockstep as one computation."""

from layerlab.training.batches import data_order
from layerlab.training.config import LOSSES, OPTIMIZERS, TrainingConfig, log_spaced
from layerlab.training.history import History, evaluate
from layerlab.training.observer import Observer
from layerlab.training.trainer import train

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "History",
    "Observer",
    "TrainingConfig",
    "data_order",
    "evaluate",
    "log_spaced",
    "train",
]
