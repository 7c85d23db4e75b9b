"""The model of epoll agrees with this machine's kernel, call by call, on random programs."""

import doctest
import os
import platform

import pytest

from epollkit import model, programs

PROGRAMS = int(os.environ.get("EPOLLKIT_PROGRAMS", "3000"))


def test_random_programs_end_alike_on_the_model_and_on_the_kernel():
    ends = set()
    for seed in range(PROGRAMS):
        program, outcomes = programs.draw(seed)
        assert programs.difference(program, outcomes) is None, f"program {seed}"
        ends |= {
            (call[0], end) for call, end in zip(program, outcomes, strict=True) if type(end) is str
        }
    errors = {error for _, error in ends}
    assert {
        "EAGAIN",
        "EPIPE",
        "ECONNRESET",
        "EBADF",
        "EEXIST",
        "ENOENT",
        "EINVAL",
        "ELOOP",
        "ENXIO",
    } <= errors


def test_the_same_seed_draws_the_same_program():
    assert programs.draw(7) == programs.draw(7) != programs.draw(8)


def test_a_kernel_leaves_nothing_open():
    before = os.listdir("/proc/self/fd")
    for seed in range(50):
        program, _ = programs.draw(seed)
        kernel = programs.Kernel()
        programs.run(program, kernel)
        kernel.close_all()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("module", [model, programs])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda m: m.listen("s"), "no 'listen'"),
        (lambda m: m.register("ep", "r", 1 << 29), "flags 0x20000000"),
        (lambda m: m.shutdown("u", 1), "shutdown of a UDP socket"),
        (lambda m: m.write("u", 1001), "1 to 1000 bytes"),
        (lambda m: [m.write("u", 1) for _ in range(65)], "64 datagrams waiting"),
        (lambda m: (m.close("v"), m.write("u", 1)), "ICMP"),
    ],
)
def test_what_is_not_modelled_is_refused_in_words(act, words):
    world = model.Model()
    world.pipe("r", "w")
    world.udp("u", "v")
    world.epoll("ep")
    with pytest.raises(model.NotModelled, match=words):
        act(world)


@pytest.mark.skipif(
    not platform.release().startswith("6.18") or platform.machine() != "x86_64",
    reason="elsewhere the model takes what programs.this_machine() measures",
)
def test_the_sizes_of_unix_messages_are_those_of_this_kernel():
    sizes = (1, 192, 193, 704, 705, 1728, 1729, 3776, 3777, 4289, 7873, 30000, 36544)
    assert [model.truesize(size) for size in sizes] == [programs.truesize(size) for size in sizes]
