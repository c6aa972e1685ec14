"""Runs a command and prints its seconds, its peak memory in KiB and its exit code.

This is a small process of its own, because the peak that `wait4` gives for a child is never below the memory of the
process that started it: until its `exec`, a child is a copy of its parent.
"""

import os
import sys
import time

silence = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
started = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[silence])
_, status, usage = os.wait4(process, 0)
taken = time.perf_counter() - started
unit = 1024 if sys.platform == "darwin" else 1  # macOS counts bytes
print(taken, usage.ru_maxrss // unit, os.waitstatus_to_exitcode(status))
