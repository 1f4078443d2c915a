"""`python -m service.cli` is `earwitness`."""

from service.cli.main import main

main()
