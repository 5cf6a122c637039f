"""Java heap dumps: made ones in every detail, other projects' real ones, one of a JVM started here, damaged ones."""

from __future__ import annotations

import bz2
import contextlib
import os
import re
import shutil
import struct
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumpscan.errors import FormatError
from dumpscan.formats.base import HEAD_SIZE
from dumpscan.formats.hprof import MAX_REGIONS, Hprof
from dumpscan.formats.hprof_classes import looks_secret
from dumpscan.formats.hprof_objects import HeapIndex
from dumpscan.formats.hprof_records import (
    HEAP_DUMP,
    HEAP_SEGMENT,
    INSTANCE,
    OBJECT_ARRAY,
    PRIMITIVE_ARRAY,
    Records,
    Walk,
    read_header,
)
from dumpscan.model import Layout, Region
from dumpscan.source import FileSource
from tests.makers.fixtures import Row, manifest
from tests.makers.hprof import Dump
from tests.makers.source import BytesSource

ROWS = [row for row in manifest() if "hprof JAVA" in row.format]
REAL = pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
WORDS = pytest.mark.parametrize("word", [4, 8])


def assert_partition(layout: Layout, size: int) -> None:
    position = 0
    for region in layout.regions:
        assert region.offset == position
        assert region.size > 0
        position = region.end
    assert position == size


def layout_of(data: bytes) -> Layout:
    layout = Hprof().layout(BytesSource(data))
    assert_partition(layout, len(data))
    return layout


def memory(layout: Layout) -> list[Region]:
    return [region for region in layout.regions if region.kind == "memory"]


class Everything:
    """Contains every ID."""

    def __contains__(self, item: object) -> bool:
        return True


def census(data: bytes) -> Counter[int]:
    """How many instances and arrays there are, by tag; the walk must end with the record."""
    source = BytesSource(data)
    header = read_header(source)
    counts: Counter[int] = Counter()
    for record in Records(source, header):
        if record.tag in (HEAP_DUMP, HEAP_SEGMENT):
            walk = Walk(source, header, ids=Everything())
            counts.update(tag for _, tag in walk.hits(record.body, record.end))
            assert walk.position == record.end
    return counts


def application(word: int = 8, version: str = "1.0.2") -> tuple[Dump, dict[str, int]]:
    """A dump with a configuration object, a SecretKeySpec, and strings; file offsets of what is in arrays."""
    dump = Dump(word, version)
    dump.kind("java.lang.Object", [])
    dump.kind("java.lang.String", [("value", "ref"), ("hash", "int")], "java.lang.Object")
    dump.kind("java.math.BigInteger", [("signum", "int"), ("mag", "ref")], "java.lang.Object")
    dump.kind("[Ljava.lang.Object;", [], "java.lang.Object")
    dump.kind("com.example.Base", [("user", "ref"), ("password", "ref")], "java.lang.Object")
    dump.kind("com.example.Config", [("flag", "boolean"), ("pin", "int"), ("apiKey", "ref")], "com.example.Base")
    dump.kind("javax.crypto.spec.SecretKeySpec", [("key", "ref"), ("algorithm", "ref")], "java.lang.Object")
    ids = {name: dump.new_id() for name in ("user", "password", "static", "loose", "big", "listed", "config")}
    arrays = {name: dump.new_id() for name in ids} | {"key": dump.new_id(), "apiKey": dump.new_id()}
    dump.kind("com.example.Holder", [], statics=[("count", "int", 9), ("TOKEN", "ref", ids["static"])])
    dump.roots()
    # the configuration comes before its strings, some strings before and some after their arrays
    body = bytes([1]) + struct.pack(">I", 4711) + dump.ref(arrays["apiKey"])
    config = dump.instance("com.example.Config", body + dump.ref(ids["user"]) + dump.ref(ids["password"]))
    for name in ("password", "listed"):
        dump.primitives("byte", f"text of {name}".encode(), arrays[name])
    for name in ("user", "password", "static", "loose", "listed"):
        dump.instance("java.lang.String", dump.ref(arrays[name]) + bytes(4), ids[name])
    for name in ("user", "static", "loose"):
        dump.primitives("byte", f"text of {name}".encode(), arrays[name])
    dump.primitives("int", bytes(range(64)), arrays["big"])
    dump.instance("java.math.BigInteger", bytes(4) + dump.ref(arrays["big"]), ids["big"])
    dump.objects("[Ljava.lang.Object;", [0, ids["listed"], ids["big"]])
    dump.instance("javax.crypto.spec.SecretKeySpec", dump.ref(arrays["key"]) + dump.ref(0))
    dump.primitives("byte", bytes(range(100, 132)), arrays["key"])
    dump.primitives("char", "chars".encode("utf-16-be"), arrays["apiKey"])
    places = {name: dump.heap_at() + dump.places[number] for name, number in arrays.items() if number in dump.places}
    places["pin"] = dump.heap_at() + dump.places[config] + 1
    return dump, places


# ---------------------------------------------------------------- records


@WORDS
@pytest.mark.parametrize("version", ["1.0.1", "1.0.2", "1.0.3"])
def test_names_and_heap_are_told_apart(word: int, version: str) -> None:
    dump, _ = application(word, version)
    data = dump.build()
    layout = layout_of(data)
    assert Hprof().sniff(data[:HEAD_SIZE])
    assert (layout.byte_order, layout.pointer_size, layout.unread) == ("big", word, ())
    (heap,) = memory(layout)
    assert data[heap.offset : heap.end].endswith(dump.heap)
    assert {region.kind for region in layout.regions} == {"header", "names", "memory"}
    assert census(data) == {INSTANCE: 8, PRIMITIVE_ARRAY: 8, OBJECT_ARRAY: 1}


@WORDS
@pytest.mark.parametrize("wrong", [0, 5, 1000])
def test_a_wrong_length_of_the_heap_is_corrected(word: int, wrong: int) -> None:
    dump, _ = application(word, "1.0.1")
    data = dump.build(tag=HEAP_DUMP, length=wrong)
    layout = layout_of(data)
    assert not layout.unread
    (heap,) = memory(layout)
    assert heap.size == 9 + len(dump.heap)
    assert census(data).total() == 17


def test_a_heap_of_length_0_at_the_end_of_the_file() -> None:
    dump, _ = application()
    (heap,) = memory(layout_of(dump.build(tag=HEAP_DUMP, length=0, end=b"")))
    assert heap.size == 9 + len(dump.heap)


class Sparse:
    """A heap of more than 4 GiB: one array of zeros between two ends."""

    def __init__(self, head: bytes, zeros: int, tail: bytes) -> None:
        self.head, self.zeros, self.tail = head, zeros, tail
        self.size = len(head) + zeros + len(tail)

    def read(self, offset: int, size: int) -> bytes:
        size = max(min(size, self.size - offset), 0)
        assert size < 64 << 20, "memory does not grow with the dump"
        piece = bytearray(size)
        for start, part in ((0, self.head), (len(self.head) + self.zeros, self.tail)):
            first, last = max(offset, start), min(offset + size, start + len(part))
            if first < last:
                piece[first - offset : last - offset] = part[first - start : last - start]
        return bytes(piece)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.read(offset, len(buffer))

    def close(self) -> None:
        pass


def test_a_length_that_wrapped_is_unwrapped() -> None:
    dump, _ = application(8, "1.0.1")
    array = b"\x23" + bytes(12) + struct.pack(">IB", 1 << 29, 11)  # 4 GiB of long
    wrapped = len(dump.heap) + len(array)
    head = dump.start() + dump.head + struct.pack(">BII", HEAP_DUMP, 0, wrapped) + dump.heap + array
    source = Sparse(head, 1 << 32, struct.pack(">BII", 0x2C, 0, 0))
    began = time.perf_counter()
    layout = Hprof().layout(source)
    assert_partition(layout, source.size)
    assert [region.end for region in memory(layout)] == [source.size - 9]
    assert not layout.unread
    index = HeapIndex(source)
    assert len(list(index.named_values())) == 4
    assert index.owners([len(head) + (1 << 31)]) == {len(head) + (1 << 31): "long[]"}
    assert time.perf_counter() - began < 30


@WORDS
def test_a_truncated_dump_is_read_as_far_as_it_goes(word: int) -> None:
    dump, places = application(word)
    data = dump.build()
    layout = layout_of(data[:-20])
    assert [(item.offset, item.length) for item in layout.unread] == [(len(data) - 20, 11)]
    assert layout_of(data[:-9]).unread[0].reason.endswith("without its end record")
    assert layout_of(data[:-4]).unread[0].length == 4
    cut = data[: places["key"] + 10]
    assert HeapIndex(BytesSource(cut)).owners([places["key"] + 3]) == {
        places["key"] + 3: "javax.crypto.spec.SecretKeySpec.key (byte[])"
    }


def test_regions_stay_few() -> None:
    record = struct.pack(">BII", 1, 0, 8) + bytes(8), struct.pack(">BII", 5, 0, 0)
    data = Dump().start() + b"".join(record) * 100_000
    assert len(layout_of(data).regions) < 600
    segments = struct.pack(">BII", 0x1C, 0, 0) + record[0]
    assert len(layout_of(Dump().start() + segments * 50_000).regions) <= MAX_REGIONS + 1


def test_rubbish_after_the_records_is_covered() -> None:
    data = application()[0].build() + b"\xee" * 5000
    layout = layout_of(data)
    assert layout.regions[-1].kind == "raw"
    assert layout.unread[0].reason.startswith("no record at")


@pytest.mark.parametrize("size", [0, 5, 18, 19, 22, 30])
def test_a_header_that_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(FormatError):
        Hprof().layout(BytesSource(application()[0].build()[:size]))


def test_other_sizes_of_identifiers_are_refused() -> None:
    data = bytearray(application()[0].build())
    data[22] = 16
    with pytest.raises(FormatError, match="16 bytes"):
        Hprof().layout(BytesSource(bytes(data)))
    assert not Hprof().sniff(b"JAVA PROFILE 1.0.1, created Mon")


# ---------------------------------------------------------------- objects


@WORDS
def test_owners(word: int) -> None:
    dump, places = application(word)
    index = HeapIndex(BytesSource(dump.build()))
    asked = {name: place + 2 for name, place in places.items()}
    told = index.owners(list(asked.values()))
    assert {name: told[place] for name, place in asked.items() if place in told} == {
        "user": "com.example.Base.user (java.lang.String)",
        "password": "com.example.Base.password (java.lang.String)",
        "static": "com.example.Holder.TOKEN (java.lang.String)",
        "apiKey": "com.example.Config.apiKey (char[])",
        "key": "javax.crypto.spec.SecretKeySpec.key (byte[])",
        "loose": "java.lang.String",
        "listed": "element of java.lang.Object[] (java.lang.String)",
        "big": "element of java.lang.Object[] (java.math.BigInteger)",
        "pin": "com.example.Config.pin (int)",
    }
    assert index.owners([0, 40, 1 << 50]) == {}
    assert not index.limits


@WORDS
def test_named_values(word: int) -> None:
    dump, _ = application(word)
    data = dump.build()
    values = {label: data[start : start + size] for start, size, label in HeapIndex(BytesSource(data)).named_values()}
    assert values == {
        "com.example.Base.password": b"text of password",
        "com.example.Holder.TOKEN": b"text of static",
        "com.example.Config.apiKey": "chars".encode("utf-16-be"),
        "javax.crypto.spec.SecretKeySpec.key": bytes(range(100, 132)),
    }


@pytest.mark.parametrize("name", ["password", "dbPasswd", "api_key", "apiKey", "CLIENT_SECRET", "authToken", "pwd"])
def test_telling_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["value", "key", "tokenizer", "tokenType", "pass", "hash", "path"])
def test_names_that_tell_nothing(name: str) -> None:
    assert not looks_secret(name)


# ---------------------------------------------------------------- damage


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from((4, 8)))
    dump, places = application(word, data.draw(st.sampled_from(("1.0.1", "1.0.3"))))
    broken = bytearray(dump.build(tag=data.draw(st.sampled_from((HEAP_DUMP, HEAP_SEGMENT)))))
    for _ in range(data.draw(st.integers(0, 12))):
        place = data.draw(st.integers(23, len(broken) - 1))
        broken[place] = data.draw(st.sampled_from((0, 1, 0x0C, 0x1C, 0x20, 0x21, 0x22, 0x23, 0x2C, 0x7F, 0xFF)))
    del broken[data.draw(st.integers(20, len(broken))) :]
    with contextlib.suppress(FormatError):
        layout_of(bytes(broken))
        index = HeapIndex(BytesSource(bytes(broken)))
        index.owners([*places.values(), *range(0, len(broken), 7)])
        for start, size, _ in index.named_values():
            assert 0 < start < start + size <= len(broken)


# ---------------------------------------------------------------- real dumps


def content(row: Row) -> bytes:
    data = row.file.read_bytes()
    return bz2.decompress(data) if data[:3] == b"BZh" else data


@REAL
def test_real_dumps_are_walked_to_their_end(row: Row) -> None:
    data = content(row)
    layout = layout_of(data)
    assert not layout.unread
    assert memory(layout)
    index = HeapIndex(BytesSource(data))
    strings = [match.start() for match in re.finditer(rb"\0j\0a\0v\0a", data)][:200]
    assert all("." in name or "[]" in name for name in index.owners(strings).values())
    list(index.named_values())
    assert not index.limits
    assert census(data).total() > 1000


_PROGRAM = """
import java.security.*;
import javax.crypto.spec.*;
public class Victim {
  static class HikariConfig { String password; char[] passphrase; long filler; }
  static class Sub extends HikariConfig { byte[] apiToken; byte flag; String other; }
  static Sub config = new Sub();
  static SecretKeySpec key;
  static java.security.interfaces.RSAPrivateCrtKey rsa;
  public static void main(String[] arguments) throws Exception {
    String mark = arguments[0];
    config.password = mark + "-latin1";
    config.other = mark + "-\\u20ac-utf16";
    config.passphrase = (mark + "-chars").toCharArray();
    config.apiToken = (mark + "-bytes").getBytes();
    byte[] raw = new byte[32];
    for (int i = 0; i < 32; i++) raw[i] = (byte) (i * 7 + 1);
    key = new SecretKeySpec(raw, "AES");
    KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    rsa = (java.security.interfaces.RSAPrivateCrtKey) generator.generateKeyPair().getPrivate();
    System.out.println(rsa.getPrimeP().toString(16));
    System.out.flush();
    System.in.read();
  }
}
"""
_NEEDS_JAVA = pytest.mark.skipif(not (shutil.which("java") and shutil.which("jcmd")), reason="needs a JDK")


@pytest.fixture(scope="module")
def jvm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A heap dump of a running program, and a prime of its RSA key."""
    folder = tmp_path_factory.mktemp("jvm")
    (folder / "Victim.java").write_text(_PROGRAM)
    command = ["java", "-Xmx64m", "Victim.java", "hunter2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout
            prime = int(process.stdout.readline(), 16)
            dump = folder / "heap.hprof"
            subprocess.run(["jcmd", str(process.pid), "GC.heap_dump", str(dump)], check=True, capture_output=True)
        finally:
            process.kill()
    return dump, prime


@_NEEDS_JAVA
def test_a_live_jvm(jvm: tuple[Path, int]) -> None:
    dump, prime = jvm
    data = dump.read_bytes()
    with FileSource(dump) as source:
        layout = Hprof().layout(source)
        assert_partition(layout, len(data))
        assert not layout.unread
        index = HeapIndex(source)
        needles = {
            b"hunter2-latin1": "Victim$HikariConfig.password (java.lang.String)",
            "hunter2-\u20ac-utf16".encode("utf-16-le"): "Victim$Sub.other (java.lang.String)",
            "hunter2-chars".encode("utf-16-be"): "Victim$HikariConfig.passphrase (char[])",
            b"hunter2-bytes": "Victim$Sub.apiToken (byte[])",
            bytes((i * 7 + 1) & 255 for i in range(32)): "javax.crypto.spec.SecretKeySpec.key (byte[])",
            prime.to_bytes(128): "sun.security.rsa.RSAPrivateCrtKeyImpl.p (java.math.BigInteger)",
        }
        places = {needle: [m.start() for m in re.finditer(re.escape(needle), data)] for needle in needles}
        owners = index.owners([place for found in places.values() for place in found])
        for needle, label in needles.items():
            assert label in {owners.get(place) for place in places[needle]}
        values = {label: data[start : start + size] for start, size, label in index.named_values()}
    assert values["Victim$HikariConfig.password"] == b"hunter2-latin1"
    assert values["Victim$Sub.apiToken"] == b"hunter2-bytes"
    assert values["Victim$HikariConfig.passphrase"] == "hunter2-chars".encode("utf-16-be")
    assert not index.limits


@_NEEDS_JAVA
def test_overwriting_contents_leaves_the_objects(jvm: tuple[Path, int], tmp_path: Path) -> None:
    data = jvm[0].read_bytes()
    before = census(data)
    changed = bytearray(data)
    spans = [(start, size) for start, size, _ in HeapIndex(BytesSource(data)).named_values()]
    for start, size in spans:
        changed[start : start + size] = b"X" * size
    assert len(changed) == len(data)
    assert census(bytes(changed)) == before
    again = {(start, size) for start, size, _ in HeapIndex(BytesSource(bytes(changed))).named_values()}
    assert again == set(spans)
    jar = os.environ.get("DUMPSCAN_HEAP_JAR")
    if jar:
        copy = tmp_path / "copy.hprof"
        copy.write_bytes(changed)
        assert _visualvm(jar, copy, tmp_path) == _visualvm(jar, jvm[0], tmp_path)


_SUMMARY = """
import java.io.File;
import org.graalvm.visualvm.lib.jfluid.heap.*;
public class Summary {
  public static void main(String[] a) throws Exception {
    Heap heap = HeapFactory.createHeap(new File(a[0]));
    HeapSummary s = heap.getSummary();
    System.out.println(heap.getAllClasses().size() + " " + s.getTotalLiveInstances() + " " + s.getTotalLiveBytes()
      + " " + heap.getGCRoots().size() + " " + heap.getJavaClassByName("java.lang.String").getInstancesCount());
  }
}
"""


def _visualvm(jar: str, dump: Path, folder: Path) -> str:
    """What VisualVM's heap library (``org-graalvm-visualvm-lib-jfluid-heap.jar``) counts."""
    (folder / "Summary.java").write_text(_SUMMARY)
    command = ["java", "-cp", jar, str(folder / "Summary.java"), str(dump)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
