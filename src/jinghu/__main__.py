"""``python -m jinghu``."""

from jinghu.cli import main

if __name__ == "__main__":
    main()
