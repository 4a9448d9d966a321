"""The web page, served at `/ui` from the API process and built on the public API alone.

`pages.py` serves what lies in `page/`: ES modules, custom elements and CSS as browsers read them.
There is no framework, no build step, and nothing is fetched from elsewhere. One view a file in
`page/views`, named after what it shows; what views share is in `page/parts`; what a reviewer's
browser checks by itself is in `page/proof`.

Decisions:

- The page has no rights of its own. Its visitor signs in with a key, which stays in the tab
  (`sessionStorage`), never in a cookie, so no other site can act with it.
- Text out of the ledger becomes text nodes, nothing else. The policy sent along forbids inline
  scripts and styles, and `trusted-types 'none'` makes the browser refuse any markup made of text.
- Lists are not tailed event by event. A pulse (one long-poll a tab) says that the log has grown, and
  the page that is on screen is read again, at most once a second: a view costs what it shows,
  whatever the rate of events. What must have no hole, the stream and one execution's events, is
  streamed and resumed by position.
- Tabs that are hidden let go of their connections and go on from their position when seen again: a
  browser gives all tabs of an origin six.
- Modules are addressed by a digest of all of them, so they are kept for ever by caches and never
  mixed between versions; only the document is asked for again.
"""
