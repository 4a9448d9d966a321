"""How a job's executions went, deleted ones included, in the executions view's own tables.

`query` gives them newest first, and from those that ended well how long a job typically takes. Of an
erased execution there is a row without its job's name, because the log no longer knows it.

A row keeps the positions of its execution's creation and end, between which it was open: at every
position from the one on, and no more at the other. So `as_of` tells what was open as of any position.

`search` looks for those that are there still, by conditions and in any order.
"""
