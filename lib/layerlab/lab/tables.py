"""The numbers behind a figure, as a table that a person can read."""

from __future__ import annotations

import pandas as pd
import xarray as xr


def tidy(result: xr.Dataset) -> pd.DataFrame:
    """One row per point of the result: coordinates first, then each variable.

    A variable with a `seed` axis gives two columns, mean and standard deviation over the seeds (ddof 1). Variables over
    different axes are put one under the other. Column names are the `long_name`, with the unit in brackets.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, variable in result.data_vars.items():
        dims = tuple(str(d) for d in variable.dims if d != "seed")
        groups.setdefault(dims, []).append(str(name))
    frames = [_frame(result, dims, names) for dims, names in groups.items()]
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0] if frames else pd.DataFrame()


def _frame(result: xr.Dataset, dims: tuple[str, ...], names: list[str]) -> pd.DataFrame:
    columns: dict[str, xr.DataArray] = {}
    for name in names:
        variable = result[name]
        label = _label(variable, name)
        if "seed" in variable.dims:
            columns[f"{label}, mean"] = variable.mean("seed")
            if variable.sizes["seed"] > 1:
                columns[f"{label}, s.d."] = variable.std("seed", ddof=1)
        else:
            columns[label] = variable
    if not dims:
        return pd.DataFrame({label: [value.item()] for label, value in columns.items()})
    plain = xr.Dataset(
        {label: value.drop_vars([c for c in value.coords if c not in dims]) for label, value in columns.items()}
    )
    frame = plain.to_dataframe(dim_order=list(dims)).reset_index()
    return frame.rename(columns={d: _label(result[d], d) for d in dims})


def _label(variable: xr.DataArray, name: str) -> str:
    text = str(variable.attrs.get("long_name", name))
    unit = variable.attrs.get("units", "")
    return f"{text} [{unit}]" if unit else text
