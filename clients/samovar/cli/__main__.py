"""`python -m samovar.cli`, for where the `samovar` script is not on the path."""

from samovar.cli.main import main

main()
