# SPDX-License-Identifier: Apache-2.0
"""The ledger under attack: 300 entries, and whatever may be done to them is found."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from heptad.engine.local.frames import (
    Group,
    checked,
    file_header,
    group_bytes,
)
from heptad.engine.local.segment import segment_name
from heptad.engine.local.segments import Segments
from heptad.security.heads import RESUME_EVERY, audit
from heptad.security.ledger import Ledger
from heptad.security.merkle import (
    EMPTY_ROOT,
    Tree,
    leaf_hash,
    leaf_hashes,
    verify_consistency,
    verify_inclusion,
)
from heptad.security.notes import Checkpoint, note, read_note
from heptad.standards.errors import Busy, Conflict, Corrupt, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
ORIGIN = "bank/decisions"
SEGMENT_BYTES = 6000
ENTRIES = [
    f'{{"id":{n},"outcome":"{"approve" if n % 3 else "decline"}"}}'.encode() for n in range(300)
]


class Memory:
    """An `Append` in memory, whose groups a test may rearrange."""

    def __init__(self, kept: Sequence[Group] = ()) -> None:
        self.kept = list(kept)

    def append(self, records: Sequence[bytes], seal: bytes = b"") -> range:
        first = len(self)
        self.kept.append(Group(first, list(records), seal))
        return range(first, len(self))

    def read(self, index: int) -> bytes:
        return list(self.iterate())[index]

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield from [record for group in self.kept for record in group.records][start:stop]

    def groups(self, start: int = 0) -> Iterator[Group]:
        return (group for group in self.kept if group.stop > start)

    def __len__(self) -> int:
        return self.kept[-1].stop if self.kept else 0


def open_ledger(folder: Path, key: Ed25519PrivateKey = KEY, floor: int = 0) -> Ledger:
    return Ledger(Segments(folder, segment_bytes=SEGMENT_BYTES), key, ORIGIN, floor=floor)


def filled(folder: Path, key: Ed25519PrivateKey = KEY, entries: Sequence[bytes] = ENTRIES) -> str:
    """Write the entries in groups of 1 to 20 and return the checkpoint."""
    seed, at = random.Random(7), 0
    with Segments(folder, segment_bytes=SEGMENT_BYTES) as log:
        ledger = Ledger(log, key, ORIGIN)
        while at < len(entries):
            at = ledger.add(entries[at : at + seed.randint(1, 20)]).stop
        return ledger.checkpoint()


def check(folder: Path, against: str | None = None, floor: int = 0) -> None:
    """Open and verify as a user would; raises Corrupt if anything is found."""
    with Segments(folder, segment_bytes=SEGMENT_BYTES) as log:
        if log.repairs:
            raise Corrupt(log.repairs[0])
        Ledger(log, KEY, ORIGIN, floor=floor).verify(against)


def write_mark(folder: Path, count: int) -> None:
    head = struct.pack("<8sQ", b"HEPMARK1", count)
    (folder / "mark").write_bytes(head + struct.pack("<I", crc32(head)))


def rebuilt(folder: Path, groups: Sequence[Group]) -> Path:
    """Write groups as a thief would who knows the format: numbered, framed and marked rightly."""
    folder.mkdir()
    body, first = file_header(0, 9), 0
    for group in groups:
        body += group_bytes(group.records, group.seal, first, 9)
        first += len(group.records)
    (folder / segment_name(0)).write_bytes(body)
    write_mark(folder, first)
    return folder


def renumbered(groups: Sequence[Group]) -> list[Group]:
    found, first = [], 0
    for group in groups:
        found.append(Group(first, group.records, group.seal))
        first += len(group.records)
    return found


def caught(groups: Sequence[Group], against: str | None = None) -> Corrupt:
    """The error that a full check raises on groups whose framing is right."""
    numbered = renumbered([group for group in groups if group.records])
    with pytest.raises(Corrupt) as error:
        audit(numbered, PUBLIC, ORIGIN, numbered[-1].stop if numbered else 0, against)
    return error.value


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("ledger") / "log"
    checkpoint = filled(folder)
    check(folder, checkpoint, floor=300)
    assert len(list(folder.glob("*.seg"))) >= 3
    assert len(list(folder.glob("*.idx"))) >= 2
    return folder, checkpoint


@pytest.fixture
def log(kept, tmp_path: Path) -> Path:
    return shutil.copytree(kept[0], tmp_path / "log")


@pytest.fixture(scope="module")
def groups(kept) -> list[Group]:
    with Segments(kept[0], write=False) as log:
        return list(log.groups())


def test_the_log_verifies_and_its_root_is_that_of_the_entries(kept) -> None:
    folder, checkpoint = kept
    ledger = Ledger(Segments(folder, write=False), KEY, ORIGIN)
    root = Tree(leaf_hashes(ENTRIES)).root()
    found = ledger.verify(checkpoint)
    assert (found.entries, found.root, found.checkpoint) == (300, root, 300)
    assert found.heads > 20
    assert ledger.head().root == read_note(checkpoint, ORIGIN, PUBLIC).root == root
    assert [ledger.read(n) for n in range(300)] == list(ledger.iterate()) == ENTRIES


def test_every_flipped_byte_of_every_segment_is_found(kept) -> None:
    seed = random.Random(11)
    paths = sorted(kept[0].glob("*.seg"))
    tried = 0
    for path in paths:
        data = bytearray(path.read_bytes())
        first, last = int(path.stem), path is paths[-1]
        for at in range(len(data)):
            bit = 1 << seed.randrange(8)
            data[at] ^= bit
            with pytest.raises(Corrupt):
                checked(bytes(data), first, kept=300, last=last)
            data[at] ^= bit
            tried += 1
        assert checked(bytes(data), first, kept=300, last=last) is not None
    assert tried == sum(path.stat().st_size for path in paths)


def flipped(path: Path, at: int, seed: random.Random) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        byte = file.read(1)[0] ^ 1 << seed.randrange(8)
        file.seek(at)
        file.write(bytes([byte]))


def put_back(path: Path, data: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(data)


def test_flips_in_any_file_are_found_by_opening_and_verifying(log: Path) -> None:
    seed = random.Random(12)
    files = {path: path.read_bytes() for path in sorted(log.iterdir())}
    spots = [(path, at) for path, data in files.items() for at in range(len(data))]
    small = [(path, at) for path, at in spots if path.suffix != ".seg"]
    for path, at in [*small, *seed.sample(spots, 2000)]:
        flipped(path, at, seed)
        with pytest.raises(Corrupt):
            check(log)
        put_back(path, files[path])
    check(log, floor=300)


def test_flips_under_an_open_ledger_are_found(log: Path) -> None:
    ledger, seed = open_ledger(log), random.Random(13)
    for path in sorted(log.glob("*.seg")):
        data = path.read_bytes()
        for at in seed.sample(range(len(data)), 60):
            flipped(path, at, seed)
            with pytest.raises(Corrupt):
                ledger.verify()
            put_back(path, data)
    assert ledger.verify().entries == 300


def test_a_tail_cut_at_any_byte_is_found(kept, tmp_path: Path) -> None:
    folder, checkpoint = kept
    paths = sorted(folder.glob("*.seg"))
    for path in paths:
        data = path.read_bytes()
        for size in range(len(data)):
            with suppress(Corrupt):
                found = checked(data[:size], int(path.stem), kept=300, last=True)
                assert found is not None
                assert found.stop < 300
    seed = random.Random(14)
    for nth in range(100):
        copy = shutil.copytree(folder, tmp_path / f"cut{nth}")
        path = copy / seed.choice(paths).name
        for later in copy.glob("*.seg"):
            if later > path:
                later.unlink()
        os.truncate(path, seed.randrange(path.stat().st_size))
        with pytest.raises(Corrupt):
            check(copy)
        write_mark(copy, 0)
        with pytest.raises(Corrupt):
            check(copy, floor=300)
        with pytest.raises(Corrupt):
            check(copy, checkpoint)


def test_whole_groups_cut_from_the_end_are_found_by_floor_and_by_checkpoint(
    kept, groups: list[Group], tmp_path: Path
) -> None:
    for count in (1, 2, len(groups) // 2, len(groups) - 1):
        folder = rebuilt(tmp_path / str(count), groups[:count])
        check(folder)
        with pytest.raises(Corrupt, match="of 300"):
            check(folder, floor=300)
        with pytest.raises(Corrupt, match="rolled back"):
            check(folder, kept[1])


def changed(groups: list[Group], nth: int, records: list[bytes]) -> list[Group]:
    return [*groups[:nth], groups[nth]._replace(records=records), *groups[nth + 1 :]]


def entry_attacks(groups: list[Group], seed: random.Random) -> Iterator[tuple[int, list[Group]]]:
    """Every entry changed, deleted, doubled, preceded by a new one, and swapped with another."""
    for nth, group in enumerate(groups):
        for k in range(len(group.records)):
            before, entry, after = group.records[:k], group.records[k], group.records[k + 1 :]
            at = seed.randrange(len(entry))
            other = entry[:at] + bytes([entry[at] ^ 1 << seed.randrange(8)]) + entry[at + 1 :]
            for records in (
                [*before, other, *after],
                [*before, *after],
                [*before, entry, entry, *after],
                [*before, b"new", entry, *after],
                [*before, entry + b"\0", *after],
            ):
                yield nth, changed(groups, nth, records)
            other = seed.choice([n for n in range(len(groups)) if n != nth])
            j = seed.randrange(len(groups[other].records))
            theirs = list(groups[other].records)
            swapped = changed(groups, nth, [*before, theirs[j], *after])
            theirs[j] = entry
            yield min(nth, other), changed(swapped, other, theirs)


def test_entries_changed_deleted_inserted_doubled_and_swapped_are_found_where_they_are(
    groups: list[Group], tmp_path: Path
) -> None:
    seed, tried = random.Random(15), 0
    for nth, attacked in entry_attacks(groups, seed):
        if seed.random() < 0.6:
            continue
        error = caught(attacked)
        total = sum(len(group.records) for group in attacked)
        where = groups[nth].first
        if attacked[nth].records:
            assert error.what == f"The log is damaged at entry {where} of {total}."
        if tried % 20 == 0:
            with pytest.raises(Corrupt):
                check(rebuilt(tmp_path / str(tried), attacked))
        tried += 1
    assert tried > 600


def merged(one: Group, two: Group) -> Group:
    return Group(one.first, [*one.records, *two.records], two.seal)


def test_groups_removed_doubled_and_swapped_are_found(groups: list[Group], tmp_path: Path) -> None:
    for nth in range(len(groups) - 1):
        before, one, two, after = groups[:nth], groups[nth], groups[nth + 1], groups[nth + 2 :]
        for k, middle in enumerate(([two], [one, one, two], [two, one], [merged(two, one)])):
            attacked = [*before, *middle, *after]
            caught(attacked)
            if nth % 8 == 0:
                with pytest.raises(Corrupt):
                    check(rebuilt(tmp_path / f"{nth}-{k}", attacked))
    caught([*groups, groups[-1]])
    caught([*groups, Group(300, [b"unsigned"], b"")])


def test_what_is_signed_is_the_entries_and_their_order_not_how_they_were_grouped(
    groups: list[Group],
) -> None:
    found = audit([merged(groups[0], groups[1]), *groups[2:]], PUBLIC, ORIGIN, 300)
    assert (found.entries, found.heads) == (300, len(groups) - 1)
    caught([groups[0], merged(groups[1], groups[0]), *groups[2:]])


def test_an_audit_of_fewer_entries_than_there_were_fails(groups: list[Group]) -> None:
    for short in (groups[:-1], groups[:1], []):
        with pytest.raises(Corrupt, match=f"entry {sum(len(g.records) for g in short)} of 300"):
            audit(short, PUBLIC, ORIGIN, 300)
    with pytest.raises(Corrupt, match="entry 0 of 1"):
        audit(groups, PUBLIC, ORIGIN, 1)
    assert audit(groups, PUBLIC, ORIGIN, groups[2].first).heads == 2


def test_bytes_of_the_heads_changed_under_right_checksums_are_found(groups: list[Group]) -> None:
    seed = random.Random(16)
    spots = [(nth, at) for nth, group in enumerate(groups) for at in range(len(group.seal))]
    for nth, at in seed.sample(spots, 400):
        group = groups[nth]
        seal = bytearray(group.seal)
        seal[at] ^= 1 << seed.randrange(8)
        error = caught([*groups[:nth], group._replace(seal=bytes(seal)), *groups[nth + 1 :]])
        assert f"entry {group.first} of 300" in error.what
    for seal in (b"", groups[0].seal[:-1], groups[0].seal + b"\0"):
        caught([groups[0]._replace(seal=seal), *groups[1:]])


def test_a_log_rolled_back_to_an_older_copy_is_found(tmp_path: Path) -> None:
    filled(tmp_path / "log", entries=ENTRIES[:200])
    shutil.copytree(tmp_path / "log", tmp_path / "old")
    ledger = open_ledger(tmp_path / "log")
    ledger.add(ENTRIES[200:])
    last = ledger.checkpoint()
    check(tmp_path / "old")
    with pytest.raises(Corrupt, match="rolled back"):
        check(tmp_path / "old", last)
    with pytest.raises(Corrupt, match="entry 200 of 300"):
        check(tmp_path / "old", floor=300)


def test_a_fork_signed_by_the_right_key_is_found_by_the_checkpoint(kept, tmp_path: Path) -> None:
    for size in (300, 301, 400):
        for at in (0, 299):
            entries = [*ENTRIES, *(b"%d" % n for n in range(300, size))]
            entries[at] = b"another decision"
            folder = tmp_path / f"{size}-{at}"
            filled(folder, entries=entries)
            check(folder, floor=300)
            with pytest.raises(Corrupt, match="checkpoint of 300"):
                check(folder, kept[1])


def test_checkpoints_at_every_size_hold_for_the_log_as_it_grows(tmp_path: Path) -> None:
    notes = []
    ledger = open_ledger(tmp_path / "log")
    for n in range(12):
        notes.append(ledger.checkpoint())
        ledger.add(ENTRIES[3 * n : 3 * n + 1 + n % 3])
    for text in notes:
        old, new = read_note(text, ORIGIN, PUBLIC), ledger.head()
        assert ledger.verify(text).checkpoint == old.size
        proof = ledger.consistency(old.size)
        assert verify_consistency(old.size, new.size, proof, old.root, new.root)
    inside = Ledger(Memory(), KEY, ORIGIN)
    inside.add(list(ledger.iterate(0, 5)))
    assert ledger.verify(inside.checkpoint()).checkpoint == 5
    inside.add([b"not in the other"])
    with pytest.raises(Corrupt, match="checkpoint of 6"):
        ledger.verify(inside.checkpoint())


def test_a_log_written_with_another_key_or_name_is_refused(kept, tmp_path: Path) -> None:
    filled(tmp_path / "forged", OTHER)
    with pytest.raises(Corrupt, match="signature is false"):
        open_ledger(tmp_path / "forged")
    log = Segments(tmp_path / "forged", write=False)
    with pytest.raises(Corrupt, match="entry 0 of 300"):
        audit(log.groups(), PUBLIC, ORIGIN, 300)
    with pytest.raises(Corrupt, match="signature is false"):
        Ledger(Segments(kept[0], write=False), KEY, "bank/access")


def test_entries_signed_with_another_key_at_the_end_are_found(log: Path) -> None:
    with Segments(log) as segments:
        memory = Memory(list(segments.groups()))
    thief = Ledger(Memory(), OTHER, ORIGIN)
    thief.add([*ENTRIES, b"forged"])
    last = thief._append.kept[0]
    memory.append([b"forged"], last.seal)
    caught(memory.kept)
    with pytest.raises(Corrupt, match="signature is false"):
        Ledger(memory, KEY, ORIGIN)


def test_a_log_replaced_by_a_fork_while_it_is_open_is_found(groups: list[Group]) -> None:
    memory = Memory(groups)
    ledger = Ledger(memory, KEY, ORIGIN)
    fork = Ledger(Memory(), KEY, ORIGIN)
    fork.add([*ENTRIES[:-1], b"another"])
    memory.kept = fork._append.kept
    with pytest.raises(Corrupt, match="replaced"):
        ledger.verify()


def test_a_checkpoint_of_an_empty_log_has_the_root_of_nothing(kept) -> None:
    ledger = Ledger(Segments(kept[0], write=False), KEY, ORIGIN)
    for root, holds in ((EMPTY_ROOT, True), (leaf_hash(b""), False)):
        point = Checkpoint(ORIGIN, 0, root)
        text = note(point, KEY.sign(point.text().encode()), PUBLIC)
        if holds:
            assert ledger.verify(text).checkpoint == 0
        else:
            with pytest.raises(Corrupt, match="checkpoint of 0"):
                ledger.verify(text)


def test_a_checkpoint_that_proves_nothing_is_refused(kept) -> None:
    ledger = Ledger(Segments(kept[0], write=False), KEY, ORIGIN)
    with pytest.raises(InputError):
        ledger.verify("426030 entries, honestly")
    with pytest.raises(Corrupt, match="was not signed"):
        ledger.verify(Ledger(Memory(), OTHER, ORIGIN).checkpoint())


def test_opening_a_long_log_hashes_its_end_only_and_still_finds_a_changed_edge(
    tmp_path: Path, monkeypatch
) -> None:
    entries = [b"%d" % n for n in range(2 * RESUME_EVERY + 700)]
    memory = Memory()
    ledger = Ledger(memory, KEY, ORIGIN)
    for at in range(0, len(entries), 500):
        ledger.add(entries[at : at + 500])
    hashed = []
    monkeypatch.setattr(
        "heptad.security.ledger.leaf_hashes",
        lambda records: hashed.extend(records) or leaf_hashes(records),
    )
    again = Ledger(memory, KEY, ORIGIN)
    assert 0 < len(hashed) < 700
    assert again.head() == ledger.head()
    again.add([b"one more"])
    assert again.head().root == Tree(leaf_hashes([*entries, b"one more"])).root()
    assert again.verify().entries == len(entries) + 1
    nth = 2 * RESUME_EVERY // 500
    for at in range(104, len(memory.kept[nth].seal), 5):
        seal = bytearray(memory.kept[nth].seal)
        seal[at] ^= 1
        bad = Memory(memory.kept)
        bad.kept[nth] = bad.kept[nth]._replace(seal=bytes(seal))
        with pytest.raises(Corrupt):
            Ledger(bad, KEY, ORIGIN)
        if at % 4 == 0:
            caught(bad.kept)


@pytest.mark.parametrize(
    "size", [RESUME_EVERY - 1, RESUME_EVERY, RESUME_EVERY + 1, 2 * RESUME_EVERY]
)
def test_a_log_opens_at_the_sizes_around_a_kept_edge(size: int) -> None:
    for step in (RESUME_EVERY, RESUME_EVERY + 3, 1000):
        memory = Memory()
        ledger = Ledger(memory, KEY, ORIGIN)
        entries = [b"%d" % n for n in range(size)]
        for at in range(0, size, step):
            ledger.add(entries[at : at + step])
        again = Ledger(memory, KEY, ORIGIN)
        again.add([b"next"])
        assert again.head().root == Tree(leaf_hashes([*entries, b"next"])).root()


def test_proofs_convince_whoever_holds_only_a_head(kept) -> None:
    ledger = Ledger(Segments(kept[0], write=False), KEY, ORIGIN)
    head = ledger.head()
    for index in (0, 1, 127, 128, 255, 298, 299):
        leaf = leaf_hash(ledger.read(index))
        assert verify_inclusion(leaf, index, 300, ledger.inclusion(index), head.root)
        proof = ledger.inclusion(index, index + 1)
        root = Tree(leaf_hashes(ENTRIES[: index + 1])).root()
        assert verify_inclusion(leaf, index, index + 1, proof, root)
    memory = Ledger(Memory(), KEY, ORIGIN)
    memory.add(ENTRIES[:10])
    memory.inclusion(3)
    old = memory.head()
    memory.add(ENTRIES[10:])
    proof = memory.consistency(old.size)
    assert verify_consistency(10, 300, proof, old.root, head.root)
    proof = memory.inclusion(299)
    assert verify_inclusion(leaf_hash(ENTRIES[299]), 299, 300, proof, head.root)


def test_an_append_that_the_storage_refuses_changes_nothing() -> None:
    class Full(Memory):
        full = False

        def append(self, records: Sequence[bytes], seal: bytes = b"") -> range:
            if self.full:
                raise Busy("The disk is full.")
            return super().append(records, seal)

    storage = Full()
    ledger = Ledger(storage, KEY, ORIGIN)
    ledger.add(ENTRIES[:5])
    head = ledger.head()
    storage.full = True
    with pytest.raises(Busy):
        ledger.add(ENTRIES[5:9])
    assert (ledger.head(), len(ledger)) == (head, 5)
    storage.full = False
    assert ledger.add(ENTRIES[5:]) == range(5, 300)
    assert ledger.add([]) == range(300, 300)
    assert ledger.head().root == Tree(leaf_hashes(ENTRIES)).root()
    assert ledger.verify().heads == 2


def test_storage_that_counts_more_entries_than_it_gives_is_refused(groups: list[Group]) -> None:
    class Longer(Memory):
        def __len__(self) -> int:
            return 305

    with pytest.raises(Corrupt, match="of 305"):
        Ledger(Longer(groups), KEY, ORIGIN)


def test_a_second_hand_on_the_storage_is_noticed(log: Path) -> None:
    segments = Segments(log)
    ledger = Ledger(segments, KEY, ORIGIN)
    segments.append([b"unsigned"])
    with pytest.raises(Conflict, match="another hand"):
        ledger.add([b"next"])
    assert ledger.verify().entries == 300
    segments.close()
    with pytest.raises(Corrupt, match="entry 300 of 301"):
        open_ledger(log)


def test_threads_add_and_verify_side_by_side(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "log")
    got: list[int] = []

    def add(name: int) -> None:
        for n in range(20):
            got.extend(ledger.add([b"%d %d" % (name, n)] * (1 + n % 3)))

    threads = [threading.Thread(target=add, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ledger.verify(ledger.checkpoint())
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(len(ledger)))
    assert ledger.verify().heads == 60


def entry(number: int) -> bytes:
    return b"entry %d " % number + bytes(number % 97)


def write_until_killed(folder: Path, report: int, seed: int) -> None:
    """Append batches for ever, and report the number acknowledged after each."""
    choose, ledger = random.Random(seed), open_ledger(folder)
    while True:
        size = len(ledger)
        ledger.add([entry(n) for n in range(size, size + choose.randint(1, 40))])
        os.write(report, struct.pack("<Q", len(ledger)))


def killed(folder: Path, seed: int) -> int:
    """Fork a writer, kill it after some appends, and return what it had acknowledged."""
    listen, report = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.close(listen)
            write_until_killed(folder, report, seed)
        os._exit(1)
    os.close(report)
    choose, last = random.Random(seed), 0
    for _ in range(choose.randint(1, 30)):
        (last,) = struct.unpack("<Q", os.read(listen, 8))
    for _ in range(choose.randint(0, 30_000)):
        pass
    os.kill(child, signal.SIGKILL)
    while message := os.read(listen, 8):
        (last,) = struct.unpack("<Q", message)
    os.close(listen)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    return last


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    kept_note = None
    for seed in range(15):
        last = killed(folder, seed)
        with Segments(folder, segment_bytes=SEGMENT_BYTES) as log:
            ledger = Ledger(log, KEY, ORIGIN, floor=last)
            assert len(ledger) >= last
            assert list(ledger.iterate()) == [entry(n) for n in range(len(ledger))]
            assert ledger.verify(kept_note).entries == len(ledger)
            kept_note = ledger.checkpoint()
    assert last > 300


def test_an_empty_log_has_a_signed_head(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "log")
    text = ledger.checkpoint()
    assert read_note(text, ORIGIN, PUBLIC).size == 0
    found = ledger.verify(text)
    assert (found.entries, found.heads, found.checkpoint) == (0, 0, 0)
    with pytest.raises(InputError, match="log's name"):
        Ledger(Memory(), KEY, "two words")
