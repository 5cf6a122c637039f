"""The error tree.

DumpscanError                 anything that dumpscan itself raises; its text never holds dump bytes
├── UsageError                a bad argument or option                              (exit 2)
│   └── SignatureError        a rule that cannot be loaded; names file, line, rule  (exit 2)
└── IncompleteError           the work could not be completed                       (exit 3)
    ├── SourceError           the input cannot be read
    ├── FormatError           the dump's own structure is unusable
    └── RedactionError        the copy could not be written or does not verify
"""

from __future__ import annotations


class DumpscanError(Exception):
    """Base of everything that dumpscan raises on purpose."""


class UsageError(DumpscanError):
    """The user asked for something that cannot be done."""


class SignatureError(UsageError):
    """A signature file is wrong."""


class IncompleteError(DumpscanError):
    """The scan or the redaction could not be completed."""


class SourceError(IncompleteError):
    """The input cannot be read."""


class FormatError(IncompleteError):
    """The dump contradicts itself so badly that no region can be named."""


class RedactionError(IncompleteError):
    """The copy could not be written or does not verify."""
