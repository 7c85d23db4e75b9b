"""Event masks by name and back.

Facts about the kernel
----------------------
An event mask is a number in which each bit is one condition.  ``EPOLLIN`` is bit 0, ``EPOLLERR``
bit 3, ``EPOLLHUP`` bit 4.  The kernel adds ERR and HUP to every registration, asked for or not: ask
for IN and the interest list holds ``0x19``.  Four bits are not conditions at all; they say *how* an
entry behaves: ET, ONESHOT, WAKEUP, EXCLUSIVE.

What we do about them
---------------------
The values stand here as literals, not as ``select.EPOLLIN``, so that a saved log can be read on a
system that has no epoll.  They are part of the kernel's interface to programs and never change.

*Source:* epoll_ctl(2); ``include/uapi/linux/eventpoll.h``.
"""

#: Every flag that the kernel's header names: its name → its value, in the order of the bits.
FLAGS = {
    "EPOLLIN": 0x001,
    "EPOLLPRI": 0x002,
    "EPOLLOUT": 0x004,
    "EPOLLERR": 0x008,
    "EPOLLHUP": 0x010,
    "EPOLLRDNORM": 0x040,
    "EPOLLRDBAND": 0x080,
    "EPOLLWRNORM": 0x100,
    "EPOLLWRBAND": 0x200,
    "EPOLLMSG": 0x400,
    "EPOLLRDHUP": 0x2000,
    "EPOLLEXCLUSIVE": 1 << 28,
    "EPOLLWAKEUP": 1 << 29,
    "EPOLLONESHOT": 1 << 30,
    "EPOLLET": 1 << 31,
}

IN, OUT, ERR, HUP, RDHUP, ET, ONESHOT = (
    FLAGS["EPOLL" + name] for name in ("IN", "OUT", "ERR", "HUP", "RDHUP", "ET", "ONESHOT")
)
#: What poll(2), not epoll, reports of a number that is not open.
NVAL = 0x020
#: The bits that are conditions; the four above them say how an entry behaves.
CONDITIONS = 0x0FFFFFFF
#: What the kernel reports without being asked.
ALWAYS = ERR | HUP


def names(mask: int) -> str:
    """Spell an event mask out.

    *mask* is a number from 0 to 0xFFFFFFFF.  Returns the names joined by ``|`` from the lowest bit
    up; bits that no flag names come last, in hexadecimal; a mask without bits is ``"0"``.

    Raises TypeError if *mask* is not an int, ValueError if it has no place in 32 bits.

    *Source:* epoll_ctl(2).

    >>> names(0x19)
    'EPOLLIN|EPOLLERR|EPOLLHUP'
    >>> names(0)
    '0'
    """
    if not isinstance(mask, int):
        raise TypeError(f"an event mask is an int, got {mask!r}; pass for instance select.EPOLLIN")
    if not 0 <= mask <= 0xFFFFFFFF:
        raise ValueError(
            f"an event mask lies between 0 and 0xFFFFFFFF, got {mask}; "
            "pass for instance select.EPOLLIN"
        )
    spelled = [name for name, bit in FLAGS.items() if mask & bit]
    if rest := mask & ~sum(FLAGS.values()):
        spelled.append(hex(rest))
    return "|".join(spelled) or "0"


def value(spelled: str) -> int:
    """Read a spelled event mask: the way back from `names`.

    *spelled* is flag names (with or without ``EPOLL``) or numbers, joined by ``|``.  Returns the
    mask. Raises ValueError for a word that is neither, and lists the names there are.

    >>> hex(value("EPOLLIN|EPOLLHUP")), value("IN|0x8")
    ('0x11', 9)
    """
    mask = 0
    for word in spelled.replace(" ", "").split("|"):
        flag = FLAGS.get(word if word.startswith("EPOLL") else "EPOLL" + word)
        if flag is None:
            try:
                flag = int(word, 0)
            except ValueError:
                raise ValueError(
                    f"no flag is called {word!r}; the names are {', '.join(FLAGS)}"
                ) from None
        mask |= flag
    return mask


def short(mask: int) -> str:
    """Spell a mask as `names` does, without the prefix: ``IN | HUP``.  For labels in pictures.

    >>> short(0x11)
    'IN | HUP'
    """
    return names(mask).replace("EPOLL", "").replace("|", " | ")
