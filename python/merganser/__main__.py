"""``python -m merganser`` is the command ``merganser``."""

from merganser.cli import main

if __name__ == "__main__":
    main()
