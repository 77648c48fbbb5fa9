"""Experiments of the chapter Projections."""
