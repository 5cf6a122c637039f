"""dumpscan: find secrets in crash and memory dumps, and take them out."""

__version__ = "0.1.0"
