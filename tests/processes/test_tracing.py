"""Which lines of a trace show that something leaves this machine."""

from pathlib import Path

import pytest

from tests.processes.tracing import leak_of


@pytest.mark.parametrize(
    "line",
    [
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(7266), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(7266), sin_addr=inet_addr("127.9.9.9")}, 16) = 0',
        '7 connect(3, {sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0',
        '7 connect(3, {sa_family=AF_INET6, inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr)}, 28) = 0',
        '7 connect(4, {sa_family=AF_UNIX, sun_path="/run/samovar/control"}, 110) = 0',
        '7 connect(4, {sa_family=AF_UNIX, sun_path=@"abstract"}, 110 <unfinished ...>',
        '7 connect(4, {sa_family=AF_UNIX, sun_path="/nowhere/nscd/socket"}, 110 <unfinished ...>',
        "7 connect(4, {sa_family=AF_UNSPEC, sa_data=...}, 16) = 0",
        "7 sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 20",
        '7 sendto(3, ""..., 9, MSG_NOSIGNAL, NULL, 0) = 9',
        '7 sendto(3, ""..., 9, 0, NULL, 0 <unfinished ...>',
        '7 sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=""..., iov_len=9}]}, 0) = 9',
        "7 <... connect resumed>) = 0",
        "7 io_uring_setup(256, 0x7ffc2b) = -1 ENOSYS (Function not implemented) (INJECTED)",
        "7 +++ exited with 0 +++",
    ],
)
def test_what_stays_on_this_machine(line: str) -> None:
    assert leak_of(line) is None


@pytest.mark.parametrize(
    "line",
    [
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("18.1.2.3")}, 16) = -1 EINPROGRESS',
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.168.1.1")}, 16 <unfinished ...>',
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("18.1.2.3")}, 16) = -1 ENETUNREACH',
        '7 connect(4, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
        '7 connect(3, {sa_family=AF_INET6, inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = 0',
        '7 connect(3, {sa_family=AF_INET6, inet_pton(AF_INET6, "::ffff:18.1.2.3", &sin6_addr)}, 28) = 0',
        "7 connect(3, {sa_family=AF_VSOCK, svm_cid=0x2}, 16) = 0",
        "7 connect(3, 0x7ffd12345678, 16) = -1 EFAULT (Bad address)",
        '7 sendto(3, ""..., 1, 0, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}, 16) = 1',
        '7 sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("1.1.1.1")}}, 0) = 1',
        '7 sendmmsg(4, [{msg_hdr={msg_name={sa_family=AF_INET, sin_addr=inet_addr("1.1.1.1")}}}], 2, 0) = 2',
        "7 io_uring_setup(8, {flags=0}) = 5",
    ],
)
def test_what_would_leave(line: str) -> None:
    leak = leak_of(line)
    assert leak
    assert leak.pid == 7


def test_the_resolver_of_the_system_counts_where_there_is_one(tmp_path: Path) -> None:
    place = tmp_path / "systemd" / "resolve" / "io.systemd.Resolve"
    line = f'7 connect(4, {{sa_family=AF_UNIX, sun_path="{place}"}}, 42) = 0'
    assert leak_of(line) is None
    place.parent.mkdir(parents=True)
    place.touch()
    assert leak_of(line)
