"""Event masks by name and back."""

import doctest
import select

import pytest

import epollkit
from epollkit import masks


def test_the_values_are_those_of_this_pythons_select():
    for name, value in masks.FLAGS.items():
        assert getattr(select, name, value) == value


def test_names():
    assert epollkit.names(0x19) == "EPOLLIN|EPOLLERR|EPOLLHUP"
    assert epollkit.names(0) == "0"
    assert epollkit.names(select.EPOLLIN | select.EPOLLET) == "EPOLLIN|EPOLLET"
    assert epollkit.names(0x20 | 1) == "EPOLLIN|0x20"
    assert masks.short(0x11) == "IN | HUP"
    for mask in (*masks.FLAGS.values(), 0, 0xFFFFFFFF, 0x19, 0x20):
        assert masks.value(masks.names(mask)) == mask
    assert masks.value("IN | hup".upper()) == 0x11


@pytest.mark.parametrize(
    "wrong, kind",
    [
        (-1, ValueError),
        (1 << 32, ValueError),
        ("x", TypeError),
        (1.0, TypeError),
        (None, TypeError),
    ],
)
def test_what_is_no_mask(wrong, kind):
    with pytest.raises(kind, match="an event mask"):
        epollkit.names(wrong)


def test_what_is_no_name():
    with pytest.raises(ValueError, match="no flag is called 'EPOLLX'; the names are EPOLLIN, "):
        masks.value("EPOLLIN|EPOLLX")


def test_the_examples():
    assert doctest.testmod(masks).failed == 0
