"""Getting the book to its readers: the Sphinx extension that builds it, the server that serves it live."""
