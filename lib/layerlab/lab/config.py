"""What an experiment can be asked to do: typed, bounded, labelled parameters."""

from __future__ import annotations

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["integer", "real", "choice"]


@dataclass(frozen=True)
class Parameter:
    """One field of a config, as a form, a slider or a command line needs to know it."""

    name: str
    label: str
    kind: Kind
    default: Any
    low: float | None = None
    high: float | None = None
    log: bool = False
    options: tuple[str, ...] = ()
    unit: str = ""
    help: str = ""

    def check(self, value: Any) -> Any:
        """`value` as the plain Python type of this field; ValueError says what is allowed."""
        if self.kind == "choice":
            if value not in self.options:
                raise ValueError(f"{self.name} must be one of {', '.join(self.options)}; it was {value!r}")
            return str(value)
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
            raise ValueError(f"{self.name} must be {self._allowed()}; it was {value!r}")
        number: Any = value
        if not math.isfinite(number) or (self.kind == "integer" and number != int(number)):
            raise ValueError(f"{self.name} must be {self._allowed()}; it was {value!r}")
        number = int(number) if self.kind == "integer" else float(number)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise ValueError(f"{self.name} must be {self._allowed()}; it was {value!r}")
        return number

    def parse(self, text: str) -> Any:
        """The value that `text` (from a command line) stands for; ValueError if it is none."""
        if self.kind == "choice":
            return self.check(text)
        try:
            value: float = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            raise ValueError(f"{self.name} must be {self._allowed()}; it was {text!r}") from None
        return self.check(value)

    def _allowed(self) -> str:
        noun = "a whole number" if self.kind == "integer" else "a number"
        if self.low is not None and self.high is not None:
            return f"{noun} from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{noun} of at least {self.low:g}"
        if self.high is not None:
            return f"{noun} of at most {self.high:g}"
        return noun


def _field(default: Any, label: str, kind: Kind, **rest: Any) -> Any:
    metadata = {"label": label, "kind": kind, **rest}
    return dataclasses.field(default=default, metadata={"parameter": metadata})


def integer(
    default: int,
    label: str,
    *,
    low: int | None = None,
    high: int | None = None,
    log: bool = False,
    unit: str = "",
    help: str = "",
) -> Any:
    """A whole-number field of a `Config`, with inclusive bounds; `log` makes its slider logarithmic."""
    return _field(default, label, "integer", low=low, high=high, log=log, unit=unit, help=help)


def real(
    default: float,
    label: str,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    unit: str = "",
    help: str = "",
) -> Any:
    """A real-number field of a `Config`, with inclusive bounds."""
    return _field(default, label, "real", low=low, high=high, log=log, unit=unit, help=help)


def choice(default: str, label: str, options: tuple[str, ...], *, help: str = "") -> Any:
    """A field of a `Config` that takes one of the named `options`."""
    return _field(default, label, "choice", options=tuple(options), help=help)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The parameters of an experiment. Subclass it, frozen, with fields made by `integer`, `real` and `choice`.

    Every config has `seed`, the base seed, and `seeds`, the number of independent repetitions: results
    carry a `seed` axis of that length, so that a spread can always be shown. Values are checked on
    construction; a value that is not allowed raises ValueError naming the field, the value and the bounds.
    """

    seed: int = integer(0, "base seed", low=0, high=2**31 - 1, help="all random numbers come from it")
    seeds: int = integer(5, "repetitions", low=1, high=100, help="independent repetitions, each with its own seed")

    def __post_init__(self) -> None:
        for parameter in parameters(type(self)):
            object.__setattr__(self, parameter.name, parameter.check(getattr(self, parameter.name)))

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain Python values, in the order in which they were declared, seeds last."""
        return {p.name: getattr(self, p.name) for p in parameters(type(self))}

    def key(self) -> str:
        """A readable name, unique among configs of one class: `d=100,k=5,seed=0,seeds=5`."""
        return ",".join(
            f"{n}={v:g}" if isinstance(v, float) and float(f"{v:g}") == v else f"{n}={v}"
            for n, v in self.as_dict().items()
        )

    def streams(self) -> list[np.random.SeedSequence]:
        """`seeds` independent seed sequences, spawned from `seed`; the i-th does not depend on `seeds`."""
        return np.random.SeedSequence(self.seed).spawn(self.seeds)


def parameters(config_class: type[Config]) -> list[Parameter]:
    """The parameters of a config class: its own in their order, then `seed` and `seeds`."""
    found = []
    for field in dataclasses.fields(config_class):
        if "parameter" not in field.metadata:
            raise TypeError(f"{config_class.__name__}.{field.name} must be made by integer(), real() or choice()")
        found.append(Parameter(name=field.name, default=field.default, **field.metadata["parameter"]))
    base = ("seed", "seeds")
    return [p for p in found if p.name not in base] + [p for p in found if p.name in base]


def torch_seed(stream: np.random.SeedSequence) -> int:
    """A seed for a torch.Generator, drawn from a numpy seed sequence."""
    return int(stream.generate_state(1, np.uint64)[0] >> np.uint64(1))
