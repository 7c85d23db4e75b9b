"""server() and visit(): clients of every temper come to an echo server that the learner wrote.

`clients` has the clients, `visit` lets them come, in a process of its own, `verdict` says what was
seen, and `page` shows it.
"""
