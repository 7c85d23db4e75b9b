#!/bin/sh
# Make the virtual environment that the Makefile's targets run in, or find that it is ready.
#
#   VENV=.venv PYTHON= AGAIN="make lab" sh tools/setup_venv.sh [dev]
#
# It gets what the course needs (the extra "course" of pyproject.toml), and with "dev" the group dev too: what else the
# tests and the tools use.
#
# VENV    where the environment is, or shall be.
# PYTHON  the Python to make it with; empty: the newest of python3.13, python3.12, python3.11 and python3 that will do.
# AGAIN   what the reader typed, for the messages that end in "then again".
#
# Facts. A virtual environment holds absolute paths: moved, it must be made or filled again. `git checkout` changes the
# times of files and not their contents, so times cannot tell whether the pins are still the same ones.
# pip knows groups of packages from 25.1 on, and a venv brings the pip of its Python, which may be older.
# What we do about them. Two stamps inside the environment, one for the course and one for the group, hold a checksum of
# what it was filled from, and where. A stamp is written last: without it the work is done again. An environment that this
# script began and could not finish is removed. The first package that is installed is the pip that constraints.txt pins.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-}
again=${AGAIN:-make lab}
parts="course ${1:-}"
stamp() { echo "$venv/.epollkit-$1"; }
sudo="sudo "
[ "$(id -u)" -ne 0 ] || sudo=""

die() { printf '%s\n' "$@" >&2; exit 1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' </dev/null 2>/dev/null; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' </dev/null >/dev/null 2>&1; }
has_python() { "$venv/bin/python" -c '' </dev/null >/dev/null 2>&1; }
has_pip() { "$venv/bin/python" -c 'import pip' </dev/null >/dev/null 2>&1; }

# The stamp is compared first: on every start but the first this is all that happens.
wanted="$(cat pyproject.toml constraints.txt | cksum) in $(pwd -P)"
asked=""
lacking=""
if [ -n "$python" ]; then
    new_enough "$python" || die "PYTHON=$python cannot be used: it must be a Python 3.11 or newer, and it is $(version "$python" || echo "not there")." \
        "What to type: leave PYTHON out, and the newest suitable one is found."
    asked=$(version "$python")
fi
if has_python; then
    has=$(version "$venv/bin/python")
    if [ -n "$asked" ] && [ "$asked" != "$has" ]; then
        die "$venv was made with Python $has, and PYTHON=$python is Python $asked." \
            "What to type: the same command with an environment of its own, VENV=.venv-$asked"
    fi
    for part in $parts; do
        [ "$(cat "$(stamp "$part")" 2>/dev/null)" = "$wanted" ] || lacking="$lacking $part"
    done
    [ -n "$lacking" ] || exit 0
    has_pip || die "$venv has no pip: it is not finished, or another tool made it." \
        "What to type:   rm -rf '$venv'" \
        "then again:     $again"
fi

find_python() {  # sets python to the newest suitable one, and unfit to the newest that only lacks ensurepip
    unfit=""
    for candidate in python3.13 python3.12 python3.11 python3; do
        if new_enough "$candidate"; then
            if can_make_venv "$candidate"; then python=$candidate; return; fi
            unfit=${unfit:-$candidate}
        fi
    done
}

made=""
finish() {
    status=$?
    [ "$status" -eq 0 ] || [ -z "$made" ] || rm -rf "$venv"
    exit "$status"
}

if ! has_python; then
    # Only what is an environment, or nothing at all, is replaced: VENV might name a directory that holds something else.
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
        die "$venv is there and is not a virtual environment, so it is left alone." \
            "What to type: the same command with another place, such as VENV=.venv-new"
    fi
    if [ -n "$python" ]; then
        unfit=""
        can_make_venv "$python" || unfit=$python
    else
        find_python
    fi
    if [ -n "$unfit" ] && { [ -z "$python" ] || [ "$python" = "$unfit" ]; }; then
        v=$(version "$unfit")
        die "$unfit is Python $v, and its venv package is not installed (the module ensurepip is missing)." \
            "What to type:" \
            "    Debian, Ubuntu:    ${sudo}apt install python$v-venv" \
            "    another system:    install the whole of Python $v, with ensurepip" \
            "then again:            $again"
    fi
    if [ -z "$python" ]; then
        there=$(version python3 || true)
        die "Python 3.11 or newer is needed, and none was found as python3.13, python3.12, python3.11 or python3${there:+ (which is $there)}." \
            "What to type:" \
            "    Debian, Ubuntu 24.04 or newer:  ${sudo}apt install python3 python3-venv" \
            "    Ubuntu 22.04:                   ${sudo}apt install python3.11 python3.11-venv" \
            "    Fedora:                         ${sudo}dnf install python3.13" \
            "    openSUSE:                       ${sudo}zypper install python313" \
            "    Arch:                           ${sudo}pacman -S python" \
            "then again:                         $again" \
            "A Python somewhere else:            $again PYTHON=/where/it/is/bin/python3"
    fi
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    made=yes
    echo "Making $venv with Python $(version "$python") ..."
    rm -rf "$venv"
    "$python" -m venv "$venv" || die "Python could not make $venv: see its message above." "then again: $again"
fi

install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"; }
fill() {
    rm -f "$(stamp "$1")"
    case $1 in
        course)
            echo "Installing the course's packages into $venv, once: a minute or a few ..."
            # What installs and builds epollkit is pinned too: it is installed first, and the build is told to use it.
            # It warns of each editable install, whatever stands in the directory.
            install pip setuptools && PYTHONWARNINGS='ignore:Editable' install --no-build-isolation -e '.[course]' ;;
        *)
            echo "Installing what the tests and the tools use into $venv, once ..."
            install --group "$1" ;;
    esac || die "The packages could not be installed: see pip's message above. Without a network there is no way to get them." \
        "When it is mended, again: $again"
}
for part in ${lacking:-$parts}; do
    fill "$part"
    # The first import of matplotlib's fonts would print a warning into the learner's first picture.
    [ "$part" != course ] || "$venv/bin/python" -c 'import matplotlib.font_manager'
    printf '%s\n' "$wanted" >"$(stamp "$part")"
    # Whether the course can run here is said once. What is missing then is named, with what to type; it stops nothing.
    [ "$part" != course ] || "$venv/bin/python" -m epollkit --brief || true
done
