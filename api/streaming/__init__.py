"""The log as others see it: lines, read by one filter, in whatever form a client asks for.

`lines` makes the bytes of an event once, from its row; every form (pages, SSE, NDJSON, CloudEvents,
consumers, webhooks) carries those very bytes, so that whoever keeps them can check them. `reading`
finds the lines that one reader wants and may see.
"""
