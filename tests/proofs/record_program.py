"""Record one of the programs beside this file, and say what it counted: for test_real_programs.py.

    python record_program.py NAME LOG

saves the log at LOG, and prints as JSON the bytes that were counted outside the recording: by the
relay between its client and its server, or by the program itself.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import epollkit

HERE = Path(__file__).parent


def main(name, path):
    sys.path.insert(0, str(HERE / "programs"))
    program = importlib.import_module(name).program
    # The relay is there, and its pipes are open, before anything is recorded.
    with subprocess.Popen(
        [sys.executable, str(HERE / "relay.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as relay_process:
        relay_port = int(relay_process.stdout.readline())

        def relay(port):
            print(port, file=relay_process.stdin, flush=True)
            return relay_port

        with epollkit.record() as log:
            counted = program(relay)
        relay_process.stdin.close()
        passed_on = sum(map(int, relay_process.stdout.read().split()))
    # What the relay passed on was written by one end here, and read by the other.
    counted = counted or {"written": passed_on, "read": passed_on}
    log.save(path)
    print(json.dumps(counted))


if __name__ == "__main__":
    main(*sys.argv[1:])
