"""The system calls that student code is refused: those that no computation needs and that reach around the limits.

New namespaces would give back rights and mounts without a size; anonymous memory files and System V memory are counted
by no limit; sockets other than the internet's and the local ones can reach a host from its virtual machine; the rest
has been the way into kernels. Refused calls fail with "Operation not permitted".
"""

from __future__ import annotations

import errno
import struct

# numbers from the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
NUMBERS: dict[str, tuple[int, int]] = {  # x86_64, aarch64
    "shmget": (29, 194),
    "msgget": (68, 186),
    "ptrace": (101, 117),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "quotactl": (179, 60),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
    "memfd_secret": (447, 447),
}
MACHINES = {  # position in NUMBERS, AUDIT_ARCH of linux/audit.h, clone, clone3, socket
    "x86_64": (0, 0xC000003E, 56, 435, 41),
    "aarch64": (1, 0xC00000B7, 220, 435, 198),
}
NEW_NAMESPACES = 0x7E020000  # the CLONE_NEW flags of linux/sched.h
FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
X32 = 0x40000000  # the second set of numbers of x86_64

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/filter.h
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # linux/seccomp.h; the second with an error number
NUMBER, ARCH, FIRST = 0, 4, 16  # offsets in struct seccomp_data


def program(machine: str) -> bytes:
    """The filter as the kernel takes it, for a machine as `platform.machine()` calls it; raises OSError for others."""
    if machine not in MACHINES:
        raise OSError(f"the system calls of {machine!r} are not known here, only those of {', '.join(MACHINES)}")
    column, arch, clone, clone3, socket = MACHINES[machine]
    denied = [numbers[column] for numbers in NUMBERS.values()]
    refused = _step(RETURN, REFUSE | errno.EPERM)
    code = [
        _step(LOAD, ARCH),
        _step(EQUAL, arch, yes=1),
        refused,
        _step(LOAD, NUMBER),
        _step(AT_LEAST, X32, no=1),
        refused,
    ]
    for number in denied:
        code += [_step(EQUAL, number, no=1), refused]
    # the C library then asks with clone, whose flags can be read
    code += [_step(EQUAL, clone3, no=1), _step(RETURN, REFUSE | errno.ENOSYS)]
    code += [_step(EQUAL, clone, no=4), _step(LOAD, FIRST), _step(ANY_BIT, NEW_NAMESPACES, no=1), refused]
    code += [_step(RETURN, ALLOW)]
    code += [_step(EQUAL, socket, no=len(FAMILIES) + 2), _step(LOAD, FIRST)]
    code += [_step(EQUAL, family, yes=len(FAMILIES) - place) for place, family in enumerate(FAMILIES)]
    return b"".join([*code, refused, _step(RETURN, ALLOW)])


def _step(what: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many instructions a test skips."""
    return struct.pack("=HBBI", what, yes, no, value)
