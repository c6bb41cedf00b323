"""`python -m flipad_ops` is `flipadops`."""

from flipad_ops.cli.main import main

main()
