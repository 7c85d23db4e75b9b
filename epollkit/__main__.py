"""Say whether the course can run here: ``python -m epollkit``.

It prints one line for each thing the course needs, what was found, and, where something is missing,
what to type. The last line is ``all good``, or says how many things are to be mended. The exit
status is 0 if the course can run here. With ``--brief`` only the lines that ask for something are
printed, and the last one.

Facts. epoll is an interface of the Linux kernel: on other systems Python's ``select`` has no
``epoll``, and on Windows there is neither ``fcntl`` nor ``termios``. Some sandboxes speak Linux's
system calls and leave out parts of ``/proc``. What we do about them. Nothing that might be missing
is imported at the top of this file. Each thing is tried, not inferred from a version, and a trial
that fails in a way nobody foresaw is a line like any other, never a traceback.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import platform
import re
import socket
import sys
import threading
import warnings

from . import extras

PYTHON_NEEDED = (3, 11)
#: A notebook's own kernel has some 60 open; the server of the last chapter has 100 clients.
FILES_ENOUGH = 256
#: How long a trial waits for what takes a millisecond: reached only where something is broken.
TRIAL_S = 5

WHERE = (
    "The course runs on Linux: open it on Binder, in the dev container, or in WSL 2 "
    "(on Windows, type: wsl --install). README.md says how."
)
OTHER_KERNEL = (
    "No command mends that: this kernel, or the container around it, leaves it out. "
    "Run the course on Binder, or on an ordinary Linux. README.md says how."
)


class Missing(Exception):
    """Something the course cannot do without is missing:

    *seen* says what is there instead, *mend* what to type.
    """

    def __init__(self, seen, mend):
        super().__init__(seen)
        self.seen, self.mend = seen, mend


class Lacking(Missing):
    """Something is missing that the course can do without."""


# ---- the things that are looked at: each returns words for what is there, or raises Missing or
# Lacking


def operating_system():
    """The kernel is Linux."""
    if platform.system() != "Linux":
        raise Missing(
            f"{platform.system() or 'unknown'}, and epoll is an interface of the Linux kernel",
            WHERE,
        )
    return f"Linux {platform.release()}"


def python():
    """Python is new enough."""
    if sys.version_info < PYTHON_NEEDED:
        raise Missing(
            f"{platform.python_version()}, older than {'.'.join(map(str, PYTHON_NEEDED))}",
            "make lab   (in the course's directory: it finds a newer Python, or names one to get)",
        )
    return platform.python_version()


def epoll():
    """Python's select module has epoll, and the kernel makes one."""
    import select

    if not hasattr(select, "epoll"):
        raise Missing(
            "this Python's select module has no epoll",
            WHERE
            if platform.system() != "Linux"
            else "make lab PYTHON=/usr/bin/python3 VENV=.venv-new   "
            "(the system's Python has epoll)",
        )
    with select.epoll():
        return "there"


def interest_list():
    """/proc shows what is registered with an epoll."""
    import select

    from . import linux

    with pipe() as (r, _), select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        if [entry.number for entry in linux.interest_list(ep)] != [r]:
            raise Missing(
                "/proc/self/fdinfo does not show what is registered with an epoll", OTHER_KERNEL
            )
    return "/proc/self/fdinfo shows what is registered"


def sleeping_thread():
    """/proc shows that a thread is asleep in a call, and on which fd."""
    from . import linux

    with pipe() as (r, w):
        reader = threading.Thread(target=os.read, args=(r, 1), daemon=True)
        reader.start()
        try:
            linux.wait_until_asleep(reader, r, TRIAL_S)
        except (RuntimeError, TimeoutError) as error:
            raise Missing(
                f"/proc/self/task/<thread>/syscall does not show who sleeps: {error}", OTHER_KERNEL
            ) from error
        finally:
            os.write(w, b".")  # a thread asleep in read is not woken by closing the end it reads
            reader.join()
    return "/proc/self/task/<thread>/syscall shows who is asleep in which call"


def loopback():
    """A TCP connection to 127.0.0.1 works."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(TRIAL_S)
            with socket.create_connection(listener.getsockname(), timeout=TRIAL_S) as client:
                server, _ = listener.accept()
                with server:
                    server.settimeout(TRIAL_S)
                    client.sendall(b"parcel")
                    if server.recv(6) != b"parcel":
                        raise OSError("the bytes sent did not arrive")
    except OSError as error:
        raise Missing(
            f"no TCP connection to 127.0.0.1: {error}", "sudo ip link set lo up"
        ) from error
    return "a TCP connection to 127.0.0.1 carries bytes"


def pipe_capacity():
    """A pipe can be asked for its capacity."""
    import fcntl

    with pipe() as (r, _):
        capacity = fcntl.fcntl(r, fcntl.F_GETPIPE_SZ)
    if capacity < 65536:
        return (
            f"{capacity} bytes: less than usual, because you have very many pipes open. "
            "The course copes"
        )
    return f"{capacity} bytes"


def open_files():
    """This process may have enough files and streams open."""
    import resource

    limit, hard = resource.getrlimit(
        resource.RLIMIT_NOFILE
    )  # hard: how far one may raise the limit oneself
    if limit == resource.RLIM_INFINITY:
        return "as many as you like"
    if limit < FILES_ENOUGH:
        may_raise = hard == resource.RLIM_INFINITY or hard >= FILES_ENOUGH
        raise Lacking(
            f"{limit} at most, and the chapters on many streams want {FILES_ENOUGH}",
            f"ulimit -n {FILES_ENOUGH}   (then make lab again)"
            if may_raise
            else "sudo prlimit --pid $$ --nofile=1024:4096   (then make lab again)",
        )
    return f"{limit} at most"


def kernelspec():
    """Jupyter's kernel "python3" is this Python."""
    mend = f"{extras.python()} -m ipykernel install --sys-prefix --name python3"
    path = os.path.join(sys.prefix, "share", "jupyter", "kernels", "python3", "kernel.json")
    try:
        with open(path, encoding="utf-8") as file:
            program = json.load(file)["argv"][0]
    except FileNotFoundError:
        raise Missing("this environment has no Jupyter kernel named python3", mend) from None
    except (ValueError, LookupError, TypeError):
        raise Missing(f"{path} cannot be understood", mend) from None
    # Jupyter itself puts its own Python in place of a bare "python".
    if os.path.dirname(program) and os.path.normpath(program) != os.path.normpath(sys.executable):
        ours, theirs = os.path.dirname(sys.executable), os.path.dirname(program)
        if not (os.path.isdir(theirs) and os.path.samefile(ours, theirs)):
            raise Missing(
                f"Jupyter's kernel python3 starts {program}, and this is {sys.executable}", mend
            )
    return "Jupyter's kernel python3 is this Python"


def packages():
    """Return the packages that a notebook needs, with the least version of each: {name: "4.5"}."""
    from importlib import metadata

    try:
        return extras.packages("draw", "notebook")
    except metadata.PackageNotFoundError:
        raise Missing(
            "epollkit is not installed for this Python",
            f"make lab   (or, in the course's directory: {extras.python()} -m pip install -e .)",
        ) from None


def package(name, least):
    """The package *name* can be imported, and is of version *least* or newer."""
    from importlib import metadata

    mend = extras.install(**{name: least})
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        raise Missing("not installed", mend) from None
    if numbers(version) < numbers(least):
        raise Missing(f"{version}, older than {least}", mend)
    try:
        # Some packages warn or print when they are imported: that is not about this machine.
        aside = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(aside),
            contextlib.redirect_stderr(aside),
        ):
            warnings.simplefilter("ignore")
            importlib.import_module(name.replace("-", "_"))
    except Exception as error:
        raise Missing(
            f"{version}, but import {name} fails: {type(error).__name__}: {error}",
            mend.replace(" install ", " install --force-reinstall "),
        ) from error
    return version


# ---- small tools


def numbers(version):
    """Return the release numbers at the head of a version: "7.4.0rc1" gives (7, 4, 0)."""
    return tuple(int(part) for part in re.match(r"\d*(?:\.\d+)*", version)[0].split(".") if part)


@contextlib.contextmanager
def pipe():
    """A pipe (read end, write end) for the length of a block."""
    r, w = os.pipe()
    try:
        yield r, w
    finally:
        os.close(r)
        os.close(w)


# ---- the report


def look():
    """Look at everything, and yield (what, None or the Missing, words for what was found) for
    each thing.
    """

    def tried(what, trial, *arguments):
        try:
            return what, None, trial(*arguments)
        except Missing as missing:
            return what, missing, missing.seen
        except Exception as error:  # what nobody foresaw is still a line, and not a traceback
            seen = f"could not be tried: {type(error).__name__}: {error}"
            mend = WHERE if platform.system() != "Linux" else OTHER_KERNEL
            return what, Missing(seen, mend), seen

    system = tried("operating system", operating_system)
    yield system
    version = tried("Python", python)
    yield version
    if system[1] is not None or version[1] is not None:
        # the rest would be mended elsewhere, or with another Python: twenty lines that say so help
        # nobody
        return
    has_epoll = tried("select.epoll", epoll)
    yield has_epoll
    if has_epoll[1] is None:
        yield tried("interest list", interest_list)
    yield tried("sleeping threads", sleeping_thread)
    yield tried("loopback", loopback)
    yield tried("pipe capacity", pipe_capacity)
    yield tried("open files", open_files)
    what, missing, needed = tried("epollkit", packages)
    if missing is not None:
        yield what, missing, needed
        return
    for name, least in needed.items():
        yield tried(name, package, name, least)
    yield tried("Jupyter kernel", kernelspec)


def main(arguments=None):
    """Print the report. Returns the exit status: 0 if the course can run here."""
    parser = argparse.ArgumentParser(
        prog="python -m epollkit", description="Say whether the course can run here."
    )
    parser.add_argument(
        "--brief", action="store_true", help="print only what asks for something, and the last line"
    )
    options = parser.parse_args(arguments)
    must = may = 0
    for what, missing, seen in look():
        optional = isinstance(missing, Lacking)
        must += missing is not None and not optional
        may += optional
        if missing is not None or not options.brief:
            word = "ok" if missing is None else "better" if optional else "MEND"
            print(f"{word:6}  {what:16}  {seen}")
        if missing is not None:
            print(f"{'':6}  {'':16}  -> {missing.mend}")
    if must:
        print(f"{must} thing{'s' * (must > 1)} to mend before the course can run here")
    elif may:
        print(f"the course can run here; {may} thing{'s' * (may > 1)} would be better mended")
    else:
        print("all good")
    return 1 if must else 0


if __name__ == "__main__":
    sys.exit(main())
