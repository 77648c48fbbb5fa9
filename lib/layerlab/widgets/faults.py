"""An error in a run, as one message that a reader can use."""

from __future__ import annotations

import traceback
from html import escape


def fault_html(error: BaseException) -> str:
    """The message of an error, as an alert; for an unexpected one also its type and, folded away, where it came from.

    ValueError (a parameter that cannot be) and DataError (data that is not here or not whole) are written for readers:
    their text stands alone.
    """
    if _for_readers(error):
        return _alert(escape(str(error) or type(error).__name__))
    message = ": ".join(filter(None, (type(error).__name__, str(error))))
    trace = "".join(traceback.format_exception(error))
    return _alert(escape(message), f"<details><summary>Where it happened</summary><pre>{escape(trace)}</pre></details>")


def _for_readers(error: BaseException) -> bool:
    if isinstance(error, ValueError):
        return True
    from layerlab.data import DataError

    return isinstance(error, DataError)


def _alert(message: str, rest: str = "") -> str:
    return f'<div class="ll-error layerlab-error" role="alert"><p>{message}</p>{rest}</div>'
