import socket

import pytest

from jinghu.api.serve import listen
from jinghu.grid.errors import ConfigError


def test_both_families_on_one_socket():
    with listen("::", 0) as found:
        port = found.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        if socket.has_dualstack_ipv6():
            with socket.create_connection(("::1", port), 5):
                pass


def test_answers_wait_for_nobodys_acknowledgement():
    with listen("127.0.0.1", 0) as found, socket.create_connection(found.getsockname(), 5):
        accepted, _ = found.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_one_line():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}: the port is in use") as caught:
            listen("127.0.0.1", port)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0), ("a b", 0)])
def test_addresses_that_cannot_be(host, port):
    with pytest.raises(ConfigError):
        listen(host, port)
