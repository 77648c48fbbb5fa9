"""What a check found, as a page or a terminal shows it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from typing import Any

from layerlab.grading.exercise import Answer, Hint


@dataclass(eq=False)
class Report:
    """The outcome of the visible checks of one exercise.

    name: the exercise. answers: one per visible check that ran, in order. hints: those that fit what went wrong.
    problem: why nothing could be tried. `passed` says whether all visible checks passed; it does not say that the
    function is right everywhere.
    """

    name: str
    answers: tuple[Answer, ...] = ()
    hints: tuple[Hint, ...] = ()
    problem: str = ""
    _shown_in: int | None = field(default=None, repr=False)  # the cell, by its number

    @property
    def passed(self) -> bool:
        """Whether every visible check passed."""
        return bool(self.answers) and not self.problem and all(answer.good for answer in self.answers)

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        good, run = sum(answer.good for answer in self.answers), len(self.answers)
        if self.passed:
            return f"All {run} visible checks passed." if run > 1 else "The visible check passed."
        shared = self.problem or self._shared()
        return f"Not yet: {shared}" if shared else f"Not yet: {good} of {run} visible checks passed."

    def _shared(self) -> str:
        """What went wrong, if it is the same in every check; then it is said once."""
        says = {answer.says for answer in self.answers}
        return says.pop() if len(says) == 1 else ""

    def _items(self) -> tuple[Answer, ...]:
        return () if self.problem or (not self.passed and self._shared()) else self.answers

    def __str__(self) -> str:
        lines = [self.verdict]
        for answer in self._items():
            lines.append(f"  {'passed ' if answer.good else 'not yet'}  {answer.visible.title}")
            if answer.says:
                lines.append(f"           {_sentence(answer.says)}")
        lines += [f"  Hint: {hint.text}" for hint in self.hints]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report on {self.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        state = "passed" if self.passed else "open"
        items = "".join(map(_item, self._items()))
        hints = "".join(
            f'<p class="layerlab-check-hint"><strong>Hint.</strong> {escape(hint.text)}</p>' for hint in self.hints
        )
        items = f'<ul class="layerlab-check-list">{items}</ul>' if items else ""
        return (
            f'<div class="layerlab-check layerlab-check--{state}" role="status">'
            f'<p class="layerlab-check-verdict">{escape(self.verdict)}</p>{items}{hints}</div>'
        )

    def show(self) -> None:
        """Show it: in a notebook or a page as HTML, elsewhere as text."""
        shell = _shell()
        if shell is not None:
            from IPython.display import display

            self._shown_in = shell.execution_count
            display({"text/html": self._repr_html_(), "text/plain": str(self)}, raw=True)
        else:
            print(self)

    def _ipython_display_(self) -> None:
        """A cell that ends with `check(...)` shows the report once, not twice."""
        shell = _shell()
        if shell is None or self._shown_in != shell.execution_count:
            self.show()


def _item(answer: Answer) -> str:
    state, mark, word = ("passed", "✓", "passed") if answer.good else ("open", "✗", "not yet")
    says = f'<span class="layerlab-check-says">{escape(_sentence(answer.says))}</span>' if answer.says else ""
    return (
        f'<li class="layerlab-check-item layerlab-check-item--{state}">'
        f'<span class="layerlab-check-mark" aria-hidden="true">{mark}</span>'
        f'<span class="layerlab-check-title">{escape(answer.visible.title)}: '
        f'<strong class="layerlab-check-word">{word}</strong></span>{says}</li>'
    )


def _sentence(says: str) -> str:
    return says[:1].upper() + says[1:]


def _shell() -> Any:
    """The IPython shell that runs this, if one does (without importing IPython where none does)."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
