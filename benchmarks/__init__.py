"""How fast vggc is, and how much memory it takes, beside peers in the same run: `python -m benchmarks`.

    __main__.py   the arguments, the groups in order, the table
    measure.py    sides in turn, children and what they took, memory
    child.py      runs one command from a process too small to hide the command's memory
    row.py        one line of the table, and its verdict
    peers.py      how others do the same
    check.py, compile.py, build.py, module.py, write.py, runtime.py   the rows, a group each

A time says little on a machine that has other work, and less on another machine. So every row is a ratio of two sides
that ran in turn within the same second or so, again and again; the median of the paired ratios is what counts. Targets
are those of the design.
"""
