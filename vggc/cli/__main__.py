"""`python -m vggc.cli`."""

from vggc.cli import main

main()
