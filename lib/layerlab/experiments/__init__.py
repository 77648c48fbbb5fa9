"""The experiments of the book: one module each, in folders named like the chapters."""
