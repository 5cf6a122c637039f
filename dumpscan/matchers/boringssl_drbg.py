"""The random generator of BoringSSL and AWS-LC, one for each thread: by what stands behind its AES-256 schedule.

``struct rand_thread_state`` (crypto/fipsmodule/rand/rand.cc.inc, internal.h): ``AES_KEY`` (60 words, rounds, padding),
two pointers to functions, the counter block, ``uint64_t reseed_counter`` from 1 up, in newer versions ``int df``,
mostly ``uint64_t fork_generation``, and ``calls`` from 0 up; both counts begin anew with each seeding. Contexts of
ciphers (``EVP_AES_KEY``) begin alike and end with the pointers. While it is seeded, ``block_cipher_df`` has a second
schedule on the stack, and behind that its key, a block, and the number of the last of its three inputs. Met in
Chromium 156. Read for 64-bit processes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dumpscan.matchers.base import View
from dumpscan.model import Clue

OWNER = b"BoringSSL's random generator"
_SCHEDULE = 240
_ROUNDS = (13, 14)
"""As AES-NI's code counts them, and as others do."""
_LAST_INPUT = struct.pack(">II", 2, 0)


_BEFORE = 64
"""Bytes before the schedule in which its function's call left a return address."""
_FRAME = 4096
"""Bytes from the schedule to the end of its function's frame, at most."""


_CLANG = 3, 0x210, 0x230
"""How Clang lays the derivation function out in Chromium 156: from the schedule three words down to the return address,
bytes up to its frame's saved register, and up to what the word before the schedule points to, the caller's buffer."""


def clues(view: View, key: bytes, start: int) -> Iterator[Clue]:
    """What the surroundings of the AES-256 schedule (in plain order) at ``start`` say of its owner.

    ``drbg-key``: it is the generator's, or its derivation function's. ``drbg-call``: what that called left there.
    ``schedule-call``: what the function of a schedule called that is not told left, in the note. ``drbg-frame``: its
    frame is that of the derivation function, if this is a process with such a generator.
    """
    if view.pointer_size != 8 or view.byte_order != "little" or start < 0:
        return
    behind = bytes(view.data[start + _SCHEDULE : start + _SCHEDULE + 80])
    whole = len(behind) == 80 and int.from_bytes(behind[:4], "little") in _ROUNDS
    derived = whole and _is_derivation(key, behind)
    call = _call(view, start)
    if derived or (whole and _is_state(behind)):
        yield Clue("drbg-key", key, start, start + 32, "octets", OWNER)
    elif call:
        yield Clue("schedule-call", key, start, start + 32, "octets", call)
        (out,) = struct.unpack_from("<Q", view.data, start - 8)
        if (*struct.unpack("<QQ", call[:16]), out - view.address_of(start)) == _CLANG:
            yield Clue("drbg-frame", key, start, start + 32, "octets", OWNER)
    if derived and call:
        yield Clue("drbg-call", call, start, start + 32, "octets", OWNER)


def _call(view: View, start: int) -> bytes:
    """Where before ``start`` a call left its return address and the frame that holds the schedule; or nothing."""
    address = view.address_of(start)
    if address < 0:
        return b""
    first = max(start - _BEFORE, start % 8)
    words = struct.unpack_from(f"<{(start - first) // 8}Q", view.data, first)
    for place in range(len(words) - 1, 0, -1):
        frame, back = words[place - 1] - address, words[place]
        if _SCHEDULE <= frame < _FRAME and 0x1000 <= back < 1 << 47 and not -(1 << 23) < back - address < 1 << 23:
            return struct.pack("<QQQ", len(words) - place, frame, back)
    return b""


def _is_state(behind: bytes) -> bool:
    block, stream, reseeded, *rest = struct.unpack("<QQ16xQ3Q", behind[8:72])
    pointers = all(0x1000 <= word < 1 << 56 for word in (block, stream))
    calls = [word & 0xFFFFFFFF for word in rest]
    return pointers and len(set(behind[24:40])) > 8 and 0 < reseeded < 1 << 32 and reseeded - 1 in calls


def _is_derivation(key: bytes, behind: bytes) -> bool:
    place = behind.find(key, 4, 20 + len(key))
    end = place + len(key) + 16
    return place > 0 and behind[end : end + 8] == _LAST_INPUT
