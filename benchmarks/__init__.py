"""The speed and memory of vggc, relative to peers in the same run: `python -m benchmarks`.

    __main__.py   the arguments, the groups in order, the table
    measure.py    sides in turn, children and what they took, memory
    child.py      runs one command in a process so small that it does not hide the command's memory
    row.py        one line of the table, and its verdict
    peers.py      how others do the same
    check.py, compile.py, editor.py, ...   the rows, one group in each file

A time says little on a machine with other work, and less on another machine. So every row is a ratio of two sides that
run in turn within the same seconds, many times, and the result is the median of the paired ratios. A limit that the
design sets in milliseconds is scaled by how much slower a fixed piece of work is now than it was then.

A row is "missed" if its target is below the range of the true median (with a confidence of 95 %), and "within noise" if
the median misses the target but the true median may meet it.
"""
