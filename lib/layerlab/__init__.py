"""layerlab: experiments on what happens inside neural networks, and the tested library behind them."""

__version__ = "0.1.0"
