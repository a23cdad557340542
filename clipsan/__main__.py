"""`python -m clipsan` is the command `clipsan`."""

from clipsan.cli import main

main()
