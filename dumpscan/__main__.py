"""``python -m dumpscan``."""

from dumpscan.cli import main

if __name__ == "__main__":
    main()
