"""How fast vggc is, and how much memory it takes, beside peers in the same run: `python -m benchmarks`.

    __main__.py   the arguments, the groups in order, the table
    measure.py    sides in turn, children and what they took, memory
    child.py      runs one command from a process too small to hide the command's memory
    row.py        one line of the table, and its verdict
    peers.py      how others do the same
    check.py, compile.py, editor.py, build.py, module.py, write.py, runtime.py   the rows, a group each

A time says little on a machine that has other work, and less on another machine. So every row is a ratio of two sides
that ran in turn within the same seconds, again and again, and the median of the paired ratios is what counts. Where the
design sets a limit in milliseconds, it is stretched by how much slower than then a fixed piece of work is now.

A row is missed when its target lies below where the true median can be (with a confidence of 95 %), "within noise" when
the median misses it and the true one may not.
"""
