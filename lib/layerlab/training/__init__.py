"""Training: N networks of one shape, trained in lockstep as one computation."""

from layerlab.training.batches import data_order
from layerlab.training.config import LOSSES, OPTIMIZERS, TrainingConfig, log_spaced
from layerlab.training.contrastive import ContrastiveBound, contrastive_bound
from layerlab.training.examples import LayerGradients, example_factors, example_gradients, example_spread
from layerlab.training.gradients import GradientCourse, GradientObserver, batch_deviation, transition
from layerlab.training.history import History, evaluate
from layerlab.training.langevin import Relaxation, relax
from layerlab.training.observer import Observer
from layerlab.training.trainer import train

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "ContrastiveBound",
    "GradientCourse",
    "GradientObserver",
    "History",
    "LayerGradients",
    "Observer",
    "Relaxation",
    "TrainingConfig",
    "batch_deviation",
    "contrastive_bound",
    "data_order",
    "evaluate",
    "example_factors",
    "example_gradients",
    "example_spread",
    "log_spaced",
    "relax",
    "train",
    "transition",
]
