"""The pieces of a view that the built page and the live widget share, as HTML: claims, provenance, table.

Their class names are those of static/layerlab.css. All text is escaped here; nothing that goes in needs to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from layerlab.lab import in_words

STATIC = Path(__file__).parent / "static"

VERDICTS = {"holds": ("✓", "holds"), "fails": ("✗", "does not hold"), "untested": ("–", "not tested here")}


def number(value: float | int | None, digits: int = 4) -> str:
    """A number as a reader wants it: `digits` significant ones, a real minus sign, powers of ten written out."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "not a number"
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e7):
        return f"{int(value):,}".replace(",", "\u202f").replace("-", "−")
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    text = mantissa.replace("-", "−")
    return f"{text} × 10{_superscript(int(power))}" if power else text


def claims_html(claims: Iterable[Mapping[str, Any]]) -> str:
    """The claims of a run (`Run.claims()`) as a list: verdict, measured, expected, tolerance, source."""
    return f'<ul class="ll-claims">{"".join(_claim(claim) for claim in claims)}</ul>'


def provenance_html(provenance: Mapping[str, Any], kind: str = "stored") -> str:
    """Where a result comes from (`Provenance.as_dict()`), as a definition list; `kind` is stored or live."""
    parameters = ", ".join(f"{name} = {_plain(value)}" for name, value in provenance["parameters"].items())
    machine = " · ".join(dict.fromkeys(filter(None, (provenance["device"], provenance["device_name"]))))
    rows = [
        ("Result", f"{kind}, {provenance['date'].replace('T', ' ').replace('+00:00', ' UTC')}"),
        ("Parameters", parameters),
        ("Device", machine),
        ("Wall time", f"{number(round(provenance['wall_seconds'], 2), 3)} s"),
        ("Code", f"fingerprint {provenance['fingerprint']}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())),
    ]
    if provenance.get("data"):
        sums = ", ".join(f"{name} {checksum[:12]}" for name, checksum in provenance["data"].items())
        rows.append(("Data", sums))
    body = "".join(f"<div><dt>{term}</dt><dd>{escape(text)}</dd></div>" for term, text in rows)
    return f'<dl class="ll-facts">{body}</dl>'


def table_html(table: pd.DataFrame, caption: str) -> str:
    """The numbers behind a figure as an accessible table; a dash where a column says nothing of a row."""
    head = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row) + "</tr>"
        for row in table.itertuples(index=False, name=None)
    )
    return (
        f'<div class="ll-scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="ll-table">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def summary(provenance: Mapping[str, Any], kind: str = "stored") -> str:
    """Provenance in one line, for the head of its details."""
    seeds = provenance["parameters"].get("seeds", 1)
    took = in_words(provenance["wall_seconds"])
    return (
        f"{kind} · {seeds} seed{'s' if seeds != 1 else ''} · {provenance['device']}, {took} · {provenance['date'][:10]}"
    )


def _claim(claim: Mapping[str, Any]) -> str:
    icon, text = VERDICTS[claim["verdict"]]
    disputed = f'<p class="ll-disputed">Disputed: {escape(claim["disputed"])}</p>' if claim["disputed"] else ""
    return (
        f'<li class="ll-claim ll-claim--{claim["verdict"]}"><span class="ll-icon" aria-hidden="true">{icon}</span>'
        f'<div><p class="ll-statement">{escape(claim["statement"])} <strong class="ll-verdict">{text}</strong></p>'
        f'{_evidence(claim)}{disputed}<p class="ll-source">{escape(claim["source"])}</p></div></li>'
    )


def _evidence(claim: Mapping[str, Any]) -> str:
    if claim["verdict"] == "untested":
        return ""
    unit = f" {claim['unit']}" if claim["unit"] else ""
    spread = "" if claim["spread"] is None else f" (s.d. over seeds {number(claim['spread'], 2)})"
    tolerance = f", tolerance {number(claim['tolerance'], 2)}" if claim["tolerance"] else ""
    text = (
        f"measured {number(claim['measured'])}{unit}{spread}, "
        f"expected {claim['relation']} {number(claim['expected'])}{unit}{tolerance}"
    )
    return f'<p class="ll-evidence">{escape(text)}</p>'


def _cell(value: Any) -> str:
    return "–" if pd.isna(value) else _plain(value)


def _plain(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
