"""`python -m bayesmixer` is the command line."""

from bayesmixer.cli.main import main

if __name__ == "__main__":
    main()
