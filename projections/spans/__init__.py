"""When each execution was open, as an interval of positions: from its creation to its end.

An execution is open at every position from its creation on, and no more at the position of its end. So
what was open as of any position is what intervals hold it, found by an index on intervals; how it
stood there is told by its events up to that position (see `api.native.as_of`).
"""
