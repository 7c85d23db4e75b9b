"""Attempts at in-order:

the right order in its two spellings, and wrong ones with what the verdict is to say.
"""

RIGHT = ["ECHFAGDB", tuple("ECHFAGDB")]
WRONG = {
    "CEHFAGDB": ("sleeps for ever", "asleep in ep.poll()"),
    "EHCFAGDB": ("raised", "BlockingIOError"),
    "ECFHAGDB": ("sleeps for ever", "bytes were never sent"),
    "ECHFGADB": ("raised", "BlockingIOError"),
    "ECHAFGDB": ("sleeps for ever", "bytes were never sent"),
    "ECHGFADB": ("raised", "BlockingIOError"),
    "ECHFADGB": ("sleeps for ever", "asleep in ep.poll()"),
    "ECHFAGBD": ("raised", "closed epoll"),
    "EFCHAGDB": ("raised", "answer"),
    "AECHFGDB": ("raised", "FileNotFoundError"),
    "ECHFAGD": ("not an answer yet", "each of the letters"),
    "ECHFAGDBB": ("not an answer yet", "each of the letters"),
    5: ("not an answer yet", "a list of letters"),
    len: ("not an answer yet", "a list of letters"),
}
