"""The process of the command `vggc`, and of `python -m vggc`."""

import atexit
import gc


def run() -> None:
    """Run the command line.

    Nothing of what a command imports is garbage, and looking for it, while importing and when the process ends, takes a
    fifth of the time of `vggc check`.
    """
    gc.disable()
    from vggc.cli import main

    gc.freeze()
    gc.enable()
    atexit.register(gc.freeze)
    main()


if __name__ == "__main__":
    run()
