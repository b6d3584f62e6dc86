"""`python -m bayesmixer` is the command line."""

import sys

from bayesmixer.cli.main import main

if __name__ == "__main__":
    sys.argv[0] = "bayesmixer"  # what results record as their command can be typed again
    main()
