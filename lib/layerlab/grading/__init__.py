"""Exercises that check themselves, and assignments that a course can set and grade.

In a page: `check("projection/distortion", my_function)`. In an assignment's notebook:
`assignment = open_assignment("random-projections", STUDENT)`, then `assignment.check("1a")`. A check runs a few visible
tests against values that layerlab computes itself, and names a known wrong idea where the answer shows one. It is quick
help while writing, not a mark: marks come from `layerlab grade`, which has tests of its own.
"""

from layerlab.grading.assignments import Assignment, open_assignment
from layerlab.grading.checking import agree, check, names
from layerlab.grading.report import Report

__all__ = ["Assignment", "Report", "agree", "check", "names", "open_assignment"]
