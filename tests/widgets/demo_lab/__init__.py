"""A package of one small experiment, for the tests of the page."""
