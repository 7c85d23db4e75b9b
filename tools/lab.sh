#!/bin/sh
# Open the course in JupyterLab, from the environment in VENV.
#
# JupyterLab is rooted at the checkout, so that the package's source can be opened beside a notebook, and its first page
# is the first notebook. It prints its address in any case.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
set -- --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00-start-here.ipynb "$@"
# JupyterLab refuses to run as root unless told to; nobody else is to be told that it is all right.
[ "$(id -u)" -ne 0 ] || set -- --allow-root "$@"
# Without a screen there is no browser to open, and a text browser would take over the terminal.
if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}${BROWSER:-}" ]; then
    echo "No screen here: open the address below, the one that begins with http://127.0.0.1, in a browser. Ctrl-C twice ends it."
    set -- --no-browser "$@"
fi
exec "${VENV:-.venv}/bin/python" -m jupyterlab "$@"
