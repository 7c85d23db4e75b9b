"""Draw a log:

numbers first (`layout`), then ink, then a `Timeline` that shows itself in a notebook.
"""
