"""What can go wrong with a data set, in one sentence each."""


class DataError(RuntimeError):
    """A data set cannot be had; the message is a sentence for the reader."""


class DataMissing(DataError):
    """The files are not here, and could not be brought here; the message says what to do."""


class DataDamaged(DataError):
    """A file is not what it should be; the message names it, what was expected and what was found."""
