"""Finding executions by what they carry, as vendors' searches do: in the executions view's own tables.

Beside each text that can be looked for without regard to case stands its folded form, and only that
is indexed: a question that regards case looks up the folded form and then compares the original.

`counts` holds how many executions there are by organization, job, phase and hour of creation, so
that the totals which vendors' lists give cost the same however long the history is. A question
about anything else counts what it finds.

Deleted and erased executions keep a row that no question finds.
"""
