"""Calls by what they do, as the table of calls says: sets of names, for loops over many calls."""

from ..syscalls import CALLS, CLOSES, CONNECTS, MAKES, READS, WRITES

#: Wait for events, and return them.
POLLS = {name for name, row in CALLS.items() if row.waits}
UNREGISTERS = {name for name, row in CALLS.items() if row.unregisters}
SHUTDOWNS = {name for name, row in CALLS.items() if row.shuts_down}
#: Take a connection out of a listener, and return its new end.
ACCEPTS = READS & MAKES
#: May cause something at another end.
FEEDS = WRITES | CONNECTS | CLOSES | SHUTDOWNS
