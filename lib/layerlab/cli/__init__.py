"""The command line: `layerlab`."""

from layerlab.cli.main import main

__all__ = ["main"]
