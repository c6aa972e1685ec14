"""What every room may use: diagnostics, errors, records, words, signals, and files that are there whole or not at all.

diagnostics, codes, errors   what is wrong, where, and what to do
records                      frozen dataclasses whose fields are their schema
words                        plurals, bytes
progress                     how far a long work is
extras                       packages that are not always installed
signals                      a process that ends tidily
scratch, staging             a folder for unfinished files; a finished file moved into place in one step
"""
