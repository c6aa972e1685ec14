"""What every package may use.

diagnostics, codes, errors   what is wrong, where, and what to do
records                      frozen dataclasses whose fields are their schema
words                        counts, shapes, sizes and lists in words
progress                     how long work reports its progress
extras                       packages that may not be installed
signals                      signals as exceptions, so that a process cleans up
scratch, staging             a folder for unfinished files; a finished file moved into place in one step
"""
