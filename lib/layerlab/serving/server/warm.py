"""What the kernel in reserve does while it waits, so that a reader's first figure need not."""

from __future__ import annotations

import contextlib


def warm() -> None:
    """Import what the book's cells import, and draw one stored figure. Whatever fails, fails again visibly later."""
    with contextlib.suppress(Exception):
        import ipywidgets  # noqa: F401
        import matplotlib.pyplot  # noqa: F401
        import torch  # noqa: F401
        import xarray  # noqa: F401

        import layerlab.widgets  # noqa: F401
    from layerlab import lab

    store = lab.Store()
    drawn = False
    for name in lab.names():
        with contextlib.suppress(Exception):
            experiment = lab.get(name)
            run = None if drawn else store.load(experiment, experiment.grid()[0])
            if run is not None:
                lab.figure_svg(experiment, run.result, "warm")
                drawn = True
