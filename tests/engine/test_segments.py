# SPDX-License-Identifier: Apache-2.0
"""The segment log: nothing acknowledged is lost, nothing damaged is read, nothing torn blocks."""

from __future__ import annotations

import errno
import os
import random
import re
import resource
import shutil
import struct
import threading
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.engine.local.frames import (
    FILE_HEADER_BYTES,
    GROUP_MARK,
    checked,
    file_header,
    group_bytes,
    whole_group,
)
from heptad.engine.local.mark import mark_anew
from heptad.engine.local.segment import offsets_path, segment_name
from heptad.engine.local.segments import Segments
from heptad.standards.errors import Busy, ContractError, Corrupt, UnknownName

BATCHES = [
    [f"entry {n} {'x' * (n % 7)}".encode() for n in range(k, k + 4)] for k in range(0, 40, 4)
]
RECORDS = [record for batch in BATCHES for record in batch]


def filled(folder: Path, segment_bytes: int = 64 << 20) -> Path:
    with Segments(folder, segment_bytes=segment_bytes) as log:
        for nth, batch in enumerate(BATCHES):
            log.append(batch, seal=b"seal %d" % nth)
    return folder


def unmarked(folder: Path, count: int) -> None:
    """Set the mark back, as power loss may do, for it is not synced with the log."""
    head = struct.pack("<8sQ", b"HEPMARK1", count)
    (folder / "mark").write_bytes(head + struct.pack("<I", crc32(head)))


def everything(folder: Path, **options) -> list[bytes]:
    with Segments(folder, **options) as log:
        found = list(log.iterate())
        assert found == [log.read(n) for n in range(len(log))]
        return found


def test_the_mark_of_a_restored_log_is_written_where_nothing_of_it_is(tmp_path):
    for count, folder in ((0, tmp_path / "log" / "empty"), (40, filled(tmp_path / "log" / "full"))):
        mark_anew(folder, count)
        assert len(everything(folder)) == count


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return filled(tmp_path / "one")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = filled(tmp_path / "many", segment_bytes=300)
    assert everything(folder, segment_bytes=300) == RECORDS
    return folder


def test_a_segment_is_laid_out_as_documented() -> None:
    header = file_header(5, 0xABCD)
    magic, first, salt, check = struct.unpack("<8sQII", header)
    assert (magic, first, salt, check) == (b"HEPSEG\x001", 5, 0xABCD, crc32(header[:-4]))
    group = group_bytes([b"ab", b"", b"cde"], b"seal", 5, salt)
    mark, count, first, payload, seal, check = struct.unpack_from("<4sIQQII", group)
    assert (mark, count, first, payload, seal) == (b"\xabGR\x01", 3, 5, 5, 4)
    assert check == crc32(group[:28], salt)
    assert struct.unpack_from("<3I", group, 32) == (2, 0, 3)
    assert struct.unpack_from("<3I", group, 44) == tuple(
        crc32(record, salt) for record in (b"ab", b"", b"cde")
    )
    assert group[56:65] == b"abcdeseal"
    assert struct.unpack_from("<2I", group, 65) == (3, crc32(group[:-4], salt))
    assert len(group) == 73


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(
        st.tuples(st.lists(st.binary(max_size=40), max_size=6), st.binary(max_size=20)), max_size=12
    ),
    segment_bytes=st.sampled_from([1, 200, 1 << 20]),
    reopen=st.sets(st.integers(0, 11)),
    data=st.data(),
)
def test_what_was_appended_is_read_back(tmp_path_factory, batches, segment_bytes, reopen, data):
    folder = tmp_path_factory.mktemp("log")
    log = Segments(folder, segment_bytes=segment_bytes)
    records: list[bytes] = []
    groups = []
    for nth, (batch, seal) in enumerate(batches):
        assert log.append(batch, seal) == range(len(records), len(records) + len(batch))
        groups += [(len(records), batch, seal)] if batch else []
        records += batch
        if nth in reopen:
            log.close()
            log = Segments(folder, segment_bytes=segment_bytes)
            assert log.repairs == []
        assert len(log) == len(records)
    assert [tuple(group) for group in log.groups()] == groups
    assert [log.read(n) for n in range(len(log))] == records
    start, stop = data.draw(st.integers(0, 80)), data.draw(st.integers(0, 80))
    assert list(log.iterate(start, stop)) == records[start:stop]
    log.close()


def test_an_append_is_one_write_and_one_sync(tmp_path: Path, monkeypatch) -> None:
    with Segments(tmp_path / "log") as log:
        log.append(BATCHES[0])
        calls = watch(monkeypatch)
        log.append(BATCHES[1])
        segment = segment_name(0)
        assert calls == [("pwrite", segment), ("fdatasync", segment), ("pwrite", "mark")]


def watch(monkeypatch) -> list[tuple[str, str]]:
    """Note each storage call from now on, and the name of its file."""
    calls = []

    def watched(name: str):
        really = getattr(os, name)

        def call(fd, *rest):
            calls.append((name, Path(f"/proc/self/fd/{fd}").readlink().name))
            return really(fd, *rest)

        return call

    for name in ("write", "pwrite", "fdatasync", "fsync", "ftruncate"):
        monkeypatch.setattr(os, name, watched(name))
    return calls


def test_appends_go_over_zeros_that_lie_there(tmp_path: Path) -> None:
    with Segments(tmp_path / "log") as log:
        path = tmp_path / "log" / segment_name(0)
        sizes = set()
        for n in range(3000):
            log.append([b"record %d" % n])
            sizes.add(path.stat().st_size)
        assert len(sizes) <= 3
        assert len(list(log.groups())) == 3000
        log.append([bytes(70_000)])
        with Segments(tmp_path / "log", write=False) as reader:
            assert len(list(reader.iterate())) == 3001
    with Segments(tmp_path / "log") as log:
        assert log.repairs == []
        assert path.stat().st_size == log.extents(len(log))[0][1]


@pytest.mark.parametrize("spare", [1, 700, 1 << 20])
def test_zeros_that_a_kill_left_are_no_torn_append(one: Path, spare: int) -> None:
    path = one / segment_name(0)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(bytes(spare))
    with Segments(one) as log:
        assert log.repairs == []
        assert log.append([b"next"]) == range(40, 41)
        assert list(log.iterate()) == [*RECORDS, b"next"]
        assert path.stat().st_size >= size + spare
    assert everything(one) == [*RECORDS, b"next"]


def test_an_append_torn_within_zeros_is_cut(one: Path) -> None:
    path = one / segment_name(0)
    data = path.read_bytes()
    begin = data.rindex(GROUP_MARK)
    for hole in range(begin, len(data), 7):
        torn = data[:hole] + bytes(7) + data[hole + 7 :]
        path.write_bytes(torn + bytes(5000))
        unmarked(one, 36)
        whole = torn == data
        assert everything(one) == (RECORDS if whole else RECORDS[:36])


def test_a_new_segment_begins_once_the_last_is_settled_and_counts_once_it_is_named(
    tmp_path: Path, monkeypatch
) -> None:
    with Segments(tmp_path / "log", segment_bytes=1) as log:
        log.append(BATCHES[0])
        calls = watch(monkeypatch)
        log.append(BATCHES[1])
        segment = segment_name(4)
        assert calls == [
            ("fdatasync", "mark"),
            ("ftruncate", segment_name(0)),
            ("fsync", segment_name(0)),
            ("pwrite", segment),
            ("fdatasync", segment),
            ("fsync", "log"),
            ("pwrite", "mark"),
        ]


def framed(body: bytes, salt: int) -> bytes:
    return body + struct.pack("<I", crc32(body, salt))


def test_a_group_that_contradicts_itself_is_refused_though_its_checksum_is_right(
    tmp_path: Path,
) -> None:
    group = group_bytes([b"one", b"two"], b"", 0, 9)
    assert whole_group(group, 0, 9) is not None
    other_count = group[:-8] + struct.pack("<I", 3)
    assert whole_group(framed(other_count, 9), 0, 9) is None
    shorter = framed(group[:32] + struct.pack("<I", 2) + group[36:-4], 9)
    assert whole_group(shorter, 0, 9) is not None
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / segment_name(0)).write_bytes(file_header(0, 9) + shorter)
    unmarked(folder, 2)
    with Segments(folder) as log, pytest.raises(Corrupt, match="entry 0 of 2"):
        list(log.groups())


def test_every_flipped_byte_of_an_acknowledged_segment_is_found(one: Path) -> None:
    data = (one / segment_name(0)).read_bytes()
    seed = random.Random(1)
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1 << seed.randrange(8)
        with pytest.raises(Corrupt):
            checked(bytes(bad), 0, kept=len(RECORDS), last=True)


def test_every_flipped_byte_of_any_file_is_found_when_the_log_is_opened(many: Path) -> None:
    seed = random.Random(2)
    paths = sorted(many.iterdir())
    assert {path.suffix for path in paths} == {".seg", ".idx", ""}
    for path in paths:
        data = path.read_bytes()
        for at in seed.sample(range(len(data)), min(len(data), 40)):
            bad = bytearray(data)
            bad[at] ^= 1 << seed.randrange(8)
            path.write_bytes(bad)
            if path.suffix == ".idx":
                with Segments(many, segment_bytes=300) as log:
                    assert log.repairs == [f"made the offsets of {path.stem}.seg again"]
                    assert list(log.iterate()) == RECORDS
                assert path.read_bytes() == data
            else:
                with pytest.raises(Corrupt):
                    Segments(many, segment_bytes=300)
        path.write_bytes(data)
    assert everything(many, segment_bytes=300) == RECORDS


def test_a_flip_under_an_open_log_is_found_by_read_and_by_a_full_pass(many: Path) -> None:
    with Segments(many, segment_bytes=300) as log:
        for path in sorted(many.glob("*.seg")):
            data = path.read_bytes()
            for at in range(0, len(data), 7):
                path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
                with pytest.raises(Corrupt):
                    list(log.groups())
            path.write_bytes(data)
        path = many / segment_name(0)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"entry 2", b"entry Z", 1))
        assert log.read(1) == RECORDS[1]
        with pytest.raises(Corrupt, match="entry 2 of 40"):
            log.read(2)
        with pytest.raises(Corrupt, match="entry 2 of 40"):
            list(log.iterate(2, 3))


@pytest.mark.parametrize("number", [0, 1, 18, 38, 39])
def test_damage_names_the_entry(one: Path, number: int) -> None:
    path = one / segment_name(0)
    data = path.read_bytes()
    at = data.index(RECORDS[number])
    path.write_bytes(data[:at] + b"E" + data[at + 1 :])
    with pytest.raises(Corrupt, match=f"entry {number} of 40"):
        Segments(one)


def test_an_acknowledged_log_cut_anywhere_is_refused(one: Path) -> None:
    path = one / segment_name(0)
    data = path.read_bytes()
    for size in range(len(data)):
        with suppress(Corrupt):
            found = checked(data[:size], 0, kept=40, last=True)
            assert found is not None
            assert found.stop < 40
    for size in (*range(0, len(data), 29), data.rindex(GROUP_MARK)):
        path.write_bytes(data[:size])
        with pytest.raises(Corrupt):
            Segments(one)


def test_an_append_torn_by_power_loss_is_cut_and_the_log_goes_on(one: Path, tmp_path: Path) -> None:
    data = (one / segment_name(0)).read_bytes()
    begin = data.rindex(GROUP_MARK)
    for size in range(begin, len(data), 4):
        for tail in (data[:size], data[:size] + b"\0" * (len(data) - size)):
            (one / segment_name(0)).write_bytes(tail)
            unmarked(one, 36)
            with Segments(one) as log:
                assert list(log.iterate()) == RECORDS[:36]
                torn = len(tail) - begin if any(tail[begin:]) else 0
                assert log.repairs == ([] if torn == 0 else [log.repairs[0]])
                assert not torn or f"cut {torn} bytes" in log.repairs[0]
                assert log.append([b"next"]) == range(36, 37)
            assert everything(one) == [*RECORDS[:36], b"next"]


def test_a_torn_first_append_of_a_new_segment_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path / "log", segment_bytes=1)
    path = folder / segment_name(36)
    data = path.read_bytes()
    for size in range(0, len(data), 5):
        path.write_bytes(data[:size])
        unmarked(folder, 36)
        with Segments(folder, segment_bytes=1) as log:
            assert list(log.iterate()) == RECORDS[:36]
            assert "removed" in log.repairs[0]
            log.append(BATCHES[-1], seal=b"seal 9")
        assert everything(folder) == RECORDS


def test_a_torn_tail_that_holds_a_copy_of_a_whole_group_is_still_torn(one: Path) -> None:
    path = one / segment_name(0)
    copied = path.read_bytes()
    with Segments(one) as log:
        log.append([copied, b"end"])
    path.write_bytes(path.read_bytes()[:-3])
    unmarked(one, 40)
    assert everything(one) == RECORDS


def test_damage_before_a_whole_group_is_no_torn_tail(one: Path) -> None:
    path = one / segment_name(0)
    data = path.read_bytes()
    unmarked(one, 32)
    path.write_bytes(data.replace(RECORDS[33], RECORDS[33].upper()))
    with pytest.raises(Corrupt, match="entry 33 of"):
        Segments(one)


def test_a_whole_group_beyond_the_mark_is_written_again_before_it_counts(
    one: Path, monkeypatch
) -> None:
    path = one / segment_name(0)
    data = path.read_bytes()
    unmarked(one, 33)
    written = []
    pwrite = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: (written.append((at, data)), pwrite(fd, data, at))[1]
    )
    assert everything(one) == RECORDS
    begin = written[0][0]
    assert data[begin : begin + 4] == GROUP_MARK
    assert written[0][1] == data[begin:]
    assert b"entry 33" in data[begin:]
    written.clear()
    assert everything(one) == RECORDS
    assert written == []


def failing(error: int):
    def call(*_):
        raise OSError(error, os.strerror(error))

    return call


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("segment_bytes", [1, 1 << 20])
def test_after_a_failed_write_or_sync_the_log_refuses_until_it_is_opened_again(
    tmp_path: Path, monkeypatch, call: str, error: int, segment_bytes: int
) -> None:
    folder = filled(tmp_path / "log", segment_bytes)
    with Segments(folder, segment_bytes=segment_bytes) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing(error))
            with pytest.raises(Busy, match=re.escape(os.strerror(error))):
                log.append([b"lost"])
        calls = []
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", lambda *call: calls.append(call))
            with pytest.raises(Busy, match="cannot be written"):
                log.append([b"refused"])
        assert calls == []
        assert len(log) == 40
        assert list(log.iterate()) == RECORDS
    with Segments(folder, segment_bytes=segment_bytes) as log:
        assert list(log.iterate()) in (RECORDS, [*RECORDS, b"lost"])
        numbers = log.append([b"kept"])
        assert log.read(numbers[0]) == b"kept"
    assert everything(folder)[numbers[0]] == b"kept"


def test_a_disk_that_takes_half_an_append_loses_nothing_acknowledged(one: Path) -> None:
    size = (one / segment_name(0)).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Segments(one) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
        try:
            with pytest.raises(Busy, match="50 of"):
                log.append([b"x" * 100])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(log.groups())[-1].stop == 40
    with Segments(one) as log:
        assert log.repairs == [
            "cut 50 bytes of an append to " + segment_name(0) + " that was never acknowledged"
        ]
        assert list(log.iterate()) == RECORDS
        log.append([b"x" * 100])
    assert everything(one) == [*RECORDS, b"x" * 100]


def test_an_append_interrupted_between_write_and_sync_is_not_appended_over(
    one: Path, monkeypatch
) -> None:
    def interrupt(_):
        raise KeyboardInterrupt

    with Segments(one) as log:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", interrupt)
            with pytest.raises(KeyboardInterrupt):
                log.append([b"half"])
        with pytest.raises(Busy, match="interrupted"):
            log.append([b"next"])
    assert everything(one) == [*RECORDS, b"half"]


def lose_first(folder: Path) -> None:
    (folder / segment_name(0)).unlink()


def lose_middle(folder: Path) -> None:
    sorted(folder.glob("*.seg"))[1].unlink()


def lose_last(folder: Path) -> None:
    max(folder.glob("*.seg")).unlink()


def lose_mark(folder: Path) -> None:
    (folder / "mark").unlink()


def empty_mark(folder: Path) -> None:
    (folder / "mark").write_bytes(b"")


def longer_mark(folder: Path) -> None:
    (folder / "mark").write_bytes((folder / "mark").read_bytes() + b"\0")


def swap_two(folder: Path) -> None:
    first, second, *_ = sorted(folder.glob("*.seg"))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def rename_one(folder: Path) -> None:
    last = max(folder.glob("*.seg"))
    last.rename(folder / segment_name(99))


def append_junk_inside(folder: Path) -> None:
    with min(folder.glob("*.seg")).open("ab") as file:
        file.write(b"junk")


def bare_header_inside(folder: Path) -> None:
    path = sorted(folder.glob("*.seg"))[1]
    path.write_bytes(path.read_bytes()[:FILE_HEADER_BYTES])


@pytest.mark.parametrize(
    "attack",
    [
        lose_first, lose_middle, lose_last, lose_mark, empty_mark, longer_mark, swap_two,
        rename_one, append_junk_inside, bare_header_inside,
    ],
)  # fmt: skip
def test_missing_and_exchanged_files_are_found_and_nothing_is_changed(many: Path, attack) -> None:
    attack(many)
    before = {path.name: path.read_bytes() for path in many.iterdir()}
    for write in (True, False):
        with pytest.raises(Corrupt):
            Segments(many, segment_bytes=300, write=write)
    assert {path.name: path.read_bytes() for path in many.iterdir()} == before


def test_a_file_that_grows_shrinks_or_goes_under_an_open_log_is_found(many: Path) -> None:
    paths = sorted(many.glob("*.seg"))
    with Segments(many, segment_bytes=300) as log:
        assert [record for group in log.groups() for record in group.records] == RECORDS
        for path in (paths[0], paths[-1]):
            data = path.read_bytes()
            for other in (data + b"\0", data[:-1], b""):
                path.write_bytes(other)
                with pytest.raises(Corrupt):
                    list(log.groups())
            path.unlink()
            with pytest.raises(Corrupt):
                list(log.groups())
            with pytest.raises(Corrupt, match="cannot be read"):
                log.read(0 if path is paths[0] else 39)
            path.write_bytes(data)
        for count in (12, 41):
            unmarked(many, count)
            with pytest.raises(Corrupt, match="mark"):
                list(log.groups())


def test_a_floor_stands_in_for_a_lost_mark_and_finds_a_shorter_log(one: Path) -> None:
    lose_mark(one)
    with Segments(one, floor=40) as log:
        assert len(log) == 40
    path = one / segment_name(0)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(GROUP_MARK)])
    unmarked(one, 36)
    with pytest.raises(Corrupt, match="entry 36 of 40"):
        Segments(one, floor=40)
    assert everything(one, floor=36) == RECORDS[:36]


def test_an_offsets_file_forged_with_a_right_checksum_misleads_nobody(many: Path) -> None:
    path = offsets_path(many / segment_name(0))
    body = bytearray(path.read_bytes()[:-4])
    at = len(body) - 8 * 4
    body[at] ^= 1
    path.write_bytes(bytes(body) + struct.pack("<I", crc32(body)))
    with Segments(many, segment_bytes=300) as log, pytest.raises(Corrupt):
        list(log.groups())
    path.unlink()
    assert everything(many, segment_bytes=300) == RECORDS


def test_a_log_opens_where_offsets_cannot_be_written(many: Path, monkeypatch) -> None:
    for path in many.glob("*.idx"):
        path.unlink()

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half)
        assert everything(many, segment_bytes=300) == RECORDS
    assert list(many.glob("*.idx")) == []
    assert everything(many, segment_bytes=300) == RECORDS
    assert len(list(many.glob("*.idx"))) == len(list(many.glob("*.seg"))) - 1


def test_one_process_writes_and_others_read_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er" / "log"
    with Segments(folder) as log:
        log.append(BATCHES[0])
        with pytest.raises(Busy, match="Another process"):
            Segments(folder)
        with Segments(folder, write=False) as reader:
            log.append(BATCHES[1])
            assert list(reader.iterate()) == BATCHES[0]
            assert [group.stop for group in reader.groups()] == [4]
            with pytest.raises(Busy, match="reading only"):
                reader.append([b"no"])
        half = group_bytes([b"unfinished"], b"", 8, 0)[:-9]
        with (folder / segment_name(0)).open("ab") as file:
            file.write(half)
        with Segments(folder, write=False) as reader:
            assert list(reader.iterate()) == [*BATCHES[0], *BATCHES[1]]
            assert reader.repairs == []
        assert (folder / segment_name(0)).read_bytes().endswith(half)
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_a_reader_of_a_log_that_never_was_sees_nothing_and_makes_nothing(tmp_path: Path) -> None:
    with Segments(tmp_path / "none", write=False) as log:
        assert len(log) == 0
        assert list(log.groups()) == []
    assert not (tmp_path / "none").exists()


def test_threads_read_while_one_appends(tmp_path: Path) -> None:
    log = Segments(tmp_path / "log", segment_bytes=1000)
    log.append([b"%06d" % n for n in range(3)])
    wrong: list[object] = []

    def read() -> None:
        seed = random.Random(3)
        while (size := len(log)) < 300:
            number = seed.randrange(size)
            seen = log.read(number), next(log.iterate(size - 3)), next(log.groups()).records[0]
            if seen != (b"%06d" % number, b"%06d" % (size - 3), b"000000"):
                wrong.append(seen)

    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(3, 300, 3):
        log.append([b"%06d" % n for n in range(start, start + 3)])
    for thread in threads:
        thread.join()
    assert wrong == []
    log.close()


def test_impossible_requests_are_refused_and_do_no_harm(one: Path, monkeypatch) -> None:
    with Segments(one) as log:
        for index in (-1, 40):
            with pytest.raises(UnknownName, match="no entry"):
                log.read(index)
        monkeypatch.setattr("heptad.engine.local.frames._LONGEST", 100)
        with pytest.raises(ContractError, match="1 GiB"):
            log.append([b"x" * 101])
        assert log.append([b"x"]) == range(40, 41)
        assert log.append([]) == range(41, 41)
    with pytest.raises(Busy, match="closed"):
        log.append([b"late"])
    assert log.read(40) == b"x"


def test_a_folder_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Busy, match="cannot be opened"):
        Segments(tmp_path / "file" / "log")


def test_a_crash_while_the_first_mark_is_made_leaves_a_log_that_opens(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    for content in (b"", b"\0" * 20, b"HEPM"):
        (folder / "mark").write_bytes(content)
        with Segments(folder) as log:
            assert len(log) == 0


def test_a_copied_log_opens(one: Path, tmp_path: Path) -> None:
    shutil.copytree(one, tmp_path / "copy")
    assert everything(tmp_path / "copy") == RECORDS
