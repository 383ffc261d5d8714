"""`python -m tamid` is `tamid`."""

import sys

from tamid.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
