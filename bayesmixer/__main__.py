"""`python -m bayesmixer` is the command line, and the command `bayesmixer` the same: here Ctrl-C is
heard before anything else is imported.
"""

import sys


def main() -> None:
    """Run the command line (`bayesmixer.cli.main.main`)."""
    try:
        from bayesmixer.cli.main import main as run
    except KeyboardInterrupt:
        print("stopped: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    sys.argv[0] = "bayesmixer"  # what results record as their command can be typed again
    main()
