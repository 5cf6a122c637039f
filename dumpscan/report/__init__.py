"""Writers: each a function ``(Report, TextIO) -> None``, without clock, machine path or secret."""
