"""The command line `jobledger`: everything but `serve` speaks to a server over HTTP.

`main` lists the commands and imports one only when it is asked for; each group of commands is one
file. Tables are for people, `--json` is for programs; both go to standard output, all else to
standard error.

Exit codes: 0 done, 1 failed (an execution ended with an error), 2 wrong usage, 3 an execution was
aborted, 4 the server cannot be reached, 5 the server refused.
"""
