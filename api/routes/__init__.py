"""Every native route: who may call it, what it takes and gives.

`table` puts the other modules' lists together: the API at a glance, what `api.app` serves, and the
source of its description. A module is named after what its routes are about.
"""
