"""The account of a pipe's slots, which the kernel cannot be asked for.

Facts about pipes
-----------------
* A pipe counts slots, a page each, not bytes.  A small write goes into the page that was begun
  last, if it fits in there whole.  What is read leaves a hole at the front of the oldest page,
  which nobody can use: the slot is free when it is empty.  So a pipe with one byte in its oldest
  slot may be full.

What we do about them
---------------------
`Slots` keeps an account, from the sizes of the writes and reads.  `Slots.check` holds it against
what the kernel does say.

*Source:* pipe(7); ``fs/pipe.c``, pipe_write() and pipe_read().
"""

import os

PAGE = os.sysconf("SC_PAGESIZE")


class Slots:
    """The account of a pipe's slots:

    of each page how much was read from its front, and how much it holds.
    """

    def __init__(self, count):
        self.count, self.pages, self.pending, self.known = count, [], 0, True

    def write(self, size, times=1) -> int:
        """Enter *times* writes of *size* bytes, of which all but the first go into the page
        begun; return what fits.
        """
        rest, tail = size * times, size % PAGE
        if times > 1 or (self.pages and tail and sum(self.pages[-1]) + tail <= PAGE):
            part = rest if times > 1 else tail
            self.pages[-1][1] += part
            rest -= part
        return size * times - self._append(rest)

    def _append(self, rest):
        while rest and len(self.pages) < self.count:
            self.pages.append([0, min(PAGE, rest)])
            rest -= self.pages[-1][1]
        return rest

    def fitting(self, size) -> int:
        """Tell how many writes of *size* go into the page that was begun."""
        return (PAGE - sum(self.pages[-1])) // size if self.pages else 0

    def read(self, size):
        while size and self.pages:
            part = min(size, self.pages[0][1])
            self.pages[0][0] += part
            self.pages[0][1] -= part
            size -= part
            if not self.pages[0][1]:
                del self.pages[0]
        self.pending = self._append(self.pending)

    def check(self, level, writable):
        """Hold the account against the kernel: from then on it is known, or not known until the
        pipe is empty.

        *writable* is None if the writer's end is closed.
        """
        if level == 0:
            self.pages, self.known = [], True
        elif sum(held for _, held in self.pages) != level or writable not in (
            None,
            len(self.pages) < self.count,
        ):
            self.known = False
