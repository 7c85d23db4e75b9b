"""A log on disk: JSON Lines, one line for each call.

The first line is the header: format, version, and how many lines of each kind follow.  Then one
line about the whole, one for each stream or epoll, one for each call.  Bytes stand as ``{"bytes":
"hexadecimal"}``; every list comes back a tuple.
"""

import json
from dataclasses import asdict

FORMAT = "epollkit log"
VERSION = 2


def lines(log):
    """Yield the lines of *log*."""
    columns = log.columns()
    header = {
        "format": FORMAT,
        "version": VERSION,
        **log.header,
        "objects": len(log.objects),
        "calls": len(log),
    }
    whole = {
        "threads": [asdict(thread) for thread in log.threads],
        "lines": log.lines,
        "sources": list(log.sources.items()),
        "notes": log.notes,
        "remarks": log.remarks,
        "evidence": log.evidence,
        "awake_at_the_end": sorted(log.awake_at_the_end),
        "columns": list(columns),
    }
    encode = json.JSONEncoder(default=_encode, separators=(",", ":")).encode
    yield encode(header)
    yield encode(whole)
    yield from (encode(asdict(stream)) for stream in log.objects)
    yield from map(encode, zip(*columns.values(), strict=True))


def write(log, path):
    """Write *log* to *path*, and return the path."""
    if not log.is_complete:
        raise ValueError("this log is still recording: save it after the with block")
    path.write_text("".join(line + "\n" for line in lines(log)), encoding="utf-8")
    return path


def read(log, path, makers):
    """Fill *log* from what `write` wrote to *path*, and return its columns.  *makers* make what a
    log holds.

    Raises ValueError, and says what was found instead, if that is no log, is of another version, or
    was cut off.
    """
    try:
        text = path.read_text(encoding="utf-8")
        header = json.loads(text.partition("\n")[0])
        known = header["format"] == FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise ValueError(
            f"{path} is not an epollkit log: its first line is not the header of one. "
            "Pass a file that log.save(path) wrote."
        )
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path} is an epollkit log of version {header.get('version')}, this epollkit reads "
            f"version {VERSION}. Record it again, or read it with the epollkit that wrote it."
        )
    try:
        objects, calls = header.pop("objects"), header.pop("calls")
        body = json.loads(f"[{','.join(text.splitlines()[1:])}]", object_hook=_decode)
        if text.endswith("\n") and len(body) == 1 + objects + calls:
            return _fill(log, header, body, objects, makers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # what is said is the same, whatever was damaged
    raise ValueError(
        f"{path} was cut off or damaged: lines are missing, or broken. Save the log again."
    )


def _fill(log, header, body, objects, makers):
    """Fill *log* from the parts of a file.  Returns its columns."""
    whole = body[0]
    log.header = {key: value for key, value in header.items() if key not in ("format", "version")}
    log.threads = tuple(makers["thread"](**fields) for fields in whole["threads"])
    log.lines = tuple(makers["line"](*fields) for fields in whole["lines"])
    log.sources, log.remarks = dict(whole["sources"]), whole["remarks"]
    log.notes = [tuple(note) for note in whole["notes"]]
    log.evidence = [tuple(each) for each in whole["evidence"]]
    log.awake_at_the_end = set(whole["awake_at_the_end"])
    log.objects = tuple(
        makers["object"](**{key: _tuples(value) for key, value in fields.items()})
        for fields in body[1 : 1 + objects]
    )
    rows = body[1 + objects :]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(whole["columns"])
    return {
        name: list(map(_tuples, column))
        for name, column in zip(whole["columns"], columns, strict=True)
    }


def _tuples(value):
    return tuple(map(_tuples, value)) if value.__class__ is list else value


def _encode(value):
    return {"bytes": value.hex()} if isinstance(value, bytes) else {"text": repr(value)}


def _decode(value):
    if value.keys() == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return value["text"] if value.keys() == {"text"} else value
