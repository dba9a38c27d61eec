"""What can go wrong, each with one line that says what and where."""


class Error(Exception):
    """Everything that this package raises by itself is one."""


class ArgumentError(Error, ValueError):
    """An array of another shape or type, or an option that does not fit."""


class FileError(Error):
    """A file that is not there, cannot be read, is damaged, or is not what was asked for."""


class NumericsError(Error, ArithmeticError):
    """Values that are not finite."""


class LibraryError(Error, ImportError):
    """A library of Spikeloom that was not found, or is of another version."""
