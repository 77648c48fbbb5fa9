"""Checks that a reader runs in the page: `check("projection/distortion", my_function)`.

A check runs a few visible tests against values that layerlab computes itself, and names a known wrong idea where the
answer shows one. It is quick help while writing, not a mark.
"""

from layerlab.grading.checking import check, names
from layerlab.grading.report import Report

__all__ = ["Report", "check", "names"]
