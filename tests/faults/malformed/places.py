# SPDX-License-Identifier: Apache-2.0
"""Where files lie: links and globs that leave the folder, and things that are no files."""

from __future__ import annotations

import os
import socket

from tests.faults.malformed.case import Case, lines, loaded, payment, refused

ONE = lines(payment(1))


def _link(target):
    return lambda folder: (folder / "a.csv").symlink_to(target)


def _outside(folder):
    """A file beside the project, and a link to it."""
    (folder.parent.parent / "outside.csv").write_text(ONE)
    (folder / "a.csv").symlink_to(folder.parent.parent / "outside.csv")


def _folder_link(folder):
    elsewhere = folder.parent.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "a.csv").write_text(ONE)
    (folder / "sub").symlink_to(elsewhere)


def _beside(folder):
    (folder.parent.parent / "outside.csv").write_text(ONE)


def _loop(folder):
    (folder / "a.csv").symlink_to(folder / "b.csv")
    (folder / "b.csv").symlink_to(folder / "a.csv")


def _circle(folder):
    (folder / "a.csv").write_text(ONE)
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder)


def _pipe(folder):
    os.mkfifo(folder / "a.csv")


def _socket(folder):
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()  # noqa: PTH109 - a socket's name is short only from its own folder
        os.chdir(folder)
        made.bind("a.csv")
        os.chdir(here)


def _sparse(folder):
    """A row, and 256 MiB of nothing, as a crash may leave it."""
    with (folder / "a.csv").open("wb") as file:
        file.write(ONE.encode())
        file.truncate(1 << 28)


def _unreadable(folder):
    (folder / "a.csv").write_text(ONE)
    (folder / "a.csv").chmod(0)


def _one_bad(folder):
    for n in range(3):
        (folder / f"{n}.csv").write_text(lines(payment(n)))
    (folder / "1.csv").write_bytes(b"")


def _kinds(folder):
    (folder / "a.csv").write_text(ONE)
    (folder / "b.jsonl").write_text("{}\n")


def _twice(folder):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(ONE)


def _strange(folder):
    (folder / "a\x1b[31m\n.csv").write_text(lines(payment(1), "p2"))


def _bytes(folder):
    (folder / os.fsdecode(b"a\xff.csv")).write_text(lines(payment(1), "p2"))


CASES = [
    Case("no file", None, refused("input", "No file")),
    Case("a name that is almost right", lambda f: (f / "payments.csv").write_text(ONE),
         refused("input", "did you mean 'payments.csv'"), origin="in/payment.csv"),
    Case("a file that is not there, of which nothing kept in the project is meant", None,
         refused("input", "No file", "put it into"), origin="catalog.sqlit"),
    Case("a path upwards", _beside, refused("refused", "outside", "allow"),
         origin="../outside.csv"),
    Case("a glob upwards", _beside, refused("refused", "outside"), origin="../*/../outside*"),
    Case("an absolute path", None, refused("refused", "outside"), origin="/etc/passwd"),
    Case("a link to a file outside", _outside, refused("refused", "outside")),
    Case("a folder's link to outside, within a glob", _folder_link, refused("refused", "outside"),
         origin="in/**/*.csv"),
    Case("a link to /proc/self/environ", _link("/proc/self/environ"), refused("refused", "outside")),
    Case("a link to /dev/zero", _link("/dev/zero"), refused("refused", "outside")),
    Case("a link that leads nowhere", _link("gone.csv"), refused("input", "cannot be read")),
    Case("links in a circle", _loop, refused("input", "cannot be read")),
    Case("a link to its own folder, within a glob", _circle, refused("input", "regular"),
         origin="in/**"),
    Case("a folder", lambda f: (f / "a.csv").mkdir(), refused("input", "regular")),
    Case("a pipe that nobody writes", _pipe, refused("input", "regular")),
    Case("a socket", _socket, refused("input", "regular")),
    Case("256 MiB of zeros behind a row", _sparse, loaded(1, length=1)),
    Case("a file that may not be read", _unreadable,
         refused("input", "cannot be read") if os.geteuid() else loaded(1)),
    Case("a file that grows while it is read", lines(*(payment(n) for n in range(50))),
         refused("busy", "changed", "again"), changing=payment(99).encode() + b"\n"),
    Case("one bad file among three", _one_bad, refused("input", "empty", "1.csv")),
    Case("files of two kinds", _kinds, refused("input", "one kind", "csv, jsonl")),
    Case("the same content twice", _twice, loaded(1)),
    Case("a file's name with an escape sequence", _strange, loaded(1, columns=1)),
    Case("a file's name that is no text", _bytes, refused("input", "name", "rename it")),
    Case("a path with a zero byte", None, refused("input"), origin="in/a\\u0000b.csv"),
    Case("a path of 5,000 characters", None, refused("input"), origin="in/" + "x" * 5000),
    Case("a glob that is no pattern", None, refused("input", "No file"), origin="in/[!"),
    Case("a glob of a thousand stars", None, refused("input"), origin="in/" + "*" * 1000),
    Case("a source over http", None, refused("input", "changed on its way"),
         origin="http://bank.example/a.csv"),
    Case("a source in a private network", None, refused("refused", "private network"),
         origin="https://127.0.0.1/a.csv"),
    Case("a file by its URL", None, refused("input"), origin="file:///etc/passwd"),
    Case("a package that is not there", None, refused("unknown", "not installed"),
         origin="package:no-such-package-here/a.csv"),
    Case("a package's path upwards", None, refused("unknown", "no such file"),
         origin="package:numpy/../../../../etc/passwd"),
    Case("the project's own catalog", None, refused("refused", "itself keeps"), origin="catalog.sqlite"),
    Case("the project's own keys", None, refused("refused", "itself keeps"), origin="keys/*"),
    Case("the project's own catalog by SQL", None, refused("refused", "itself keeps"),
         'query = "loads"\n', origin="sqlite:///catalog.sqlite"),
]  # fmt: skip
