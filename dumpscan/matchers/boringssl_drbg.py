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

from dumpscan.matchers.base import View

OWNER = b"BoringSSL's random generator"
_SCHEDULE = 240
_ROUNDS = (13, 14)
"""As AES-NI's code counts them, and as others do."""
_LAST_INPUT = struct.pack(">II", 2, 0)


def is_generator(view: View, start: int) -> bool:
    """Whether the AES-256 schedule (in plain order) at ``start`` is of the generator, or of its derivation function."""
    if view.pointer_size != 8 or view.byte_order != "little" or start < 0:
        return False
    behind = bytes(view.data[start + _SCHEDULE : start + _SCHEDULE + 80])
    if len(behind) < 80 or int.from_bytes(behind[:4], "little") not in _ROUNDS:
        return False
    return _is_state(behind) or _is_derivation(bytes(view.data[start : start + 32]), behind)


def _is_state(behind: bytes) -> bool:
    block, stream, reseeded, *rest = struct.unpack("<QQ16xQ3Q", behind[8:72])
    pointers = all(0x1000 <= word < 1 << 56 for word in (block, stream))
    calls = [word & 0xFFFFFFFF for word in rest]
    return pointers and len(set(behind[24:40])) > 8 and 0 < reseeded < 1 << 32 and reseeded - 1 in calls


def _is_derivation(key: bytes, behind: bytes) -> bool:
    place = behind.find(key, 4, 20 + len(key))
    end = place + len(key) + 16
    return place > 0 and behind[end : end + 8] == _LAST_INPUT
