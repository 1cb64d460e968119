"""`python -m avatar_lab ...` is the same as `avatar-lab ...`."""

from __future__ import annotations

import sys

from avatar_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
