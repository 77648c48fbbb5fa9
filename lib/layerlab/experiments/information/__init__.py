"""Experiments of the chapter Information."""
