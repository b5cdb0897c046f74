"""`python -m serialfix` is the command `serialfix`."""

from serialfix.cli.main import main


main()
