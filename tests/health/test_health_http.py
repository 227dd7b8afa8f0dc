"""Checks of type http and tcp against servers of every temper: one test a cause, none timed."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.core.health.outcomes import outcome
from templedb_nb.core.health.proxies import loopback, proxy_for
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.health.http import HttpChecker
from templedb_nb.health.tcp import TcpChecker
from templedb_nb.model.health import (
    BODY_LIMIT,
    EVIDENCE,
    Cause,
    Health,
    HttpCheck,
    JsonExpectation,
    Measurement,
    TcpCheck,
    Timing,
)
from tests.health_servers import (
    Authority,
    Server,
    authority,
    dripping,
    resetting,
    saying,
    serving,
)

PLENTY = 60.0
"""A try that ends by itself gets this much."""
SHORT = 1.5
"""A try that would never end gets this much."""
HEAD = b"HTTP/1.1 200 OK\r\n"
BARE = {"PATH": os.environ["PATH"]}


def ask(
    url: str,
    within_s: float = PLENTY,
    *,
    environment: Mapping[str, str] = BARE,
    values: Mapping[str, str] | None = None,
    release: str = "",
    **given: Any,
) -> Measurement:
    masker = Masker()
    for name, value in (values or {}).items():
        masker.add(name, value)
    checker = HttpChecker(
        value=(values or {}).__getitem__, mask=masker.mask, environment=environment, release=release
    )
    check = HttpCheck(name="web/http", group="web", timing=Timing(), url=url, **given)
    return checker.measure(check, within_s)


def connect(host: str, port: int, within_s: float = PLENTY) -> Measurement:
    checker = TcpChecker(value={}.__getitem__, mask=str, environment=BARE)
    check = TcpCheck(name="web/tcp", group="web", timing=Timing(), host=host, port=port)
    return checker.measure(check, within_s)


def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


# --- healthy ----------------------------------------------------------------------------------


def test_answer_is_met_when_all_of_it_came_and_is_as_expected() -> None:
    with serving(saying(b'{"status": "up"}', "200 OK", "X-Release: 0123456789ab")) as server:
        found = ask(
            server.url,
            expect_body="up",
            expect_json=(JsonExpectation(path="$.status", equals="up"),),
            expect_version="{release}",
            release="0123456789abcdef" * 4,
        )
    assert (found.cause, found.message) == (Cause.MET, "status 200")
    assert found.evidence.startswith("HTTP 200 OK\n")
    assert found.evidence.endswith('{"status": "up"}')
    assert b"\r\ncache-control: no-cache\r\n" in server.asked[0].lower()


def test_port_is_met_when_it_accepts_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert connect("127.0.0.1", listening.getsockname()[1]).cause is Cause.MET


def test_server_is_reached_when_it_listens_on_ipv6_only() -> None:
    with serving(saying(), host="::1") as server:
        assert ask(server.url).cause is Cause.MET
        assert connect("[::1]", server.port).cause is Cause.MET


def test_body_is_read_when_chunked_or_compressed() -> None:
    packed = gzip.compress(b"all is well")
    with serving(saying(packed, "200 OK", "Content-Encoding: gzip")) as server:
        assert ask(server.url, expect_body="all is well").cause is Cause.MET

    def chunked(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nall\r\n5\r\n well\r\n0\r\n\r\n"
        )

    with serving(chunked) as server:
        assert ask(server.url, expect_body="^all well$").cause is Cause.MET


# --- false greens -----------------------------------------------------------------------------


def test_redirect_is_unhealthy_when_it_leads_to_a_login_page() -> None:
    def talk(connection: socket.socket, head: bytes) -> None:
        if b" /login " in head:
            saying(b"please log in; all is ok")(connection, head)
        else:
            saying(b"", "302 Found", "Location: /login")(connection, head)

    with serving(talk) as server:
        assert ask(server.url).cause is Cause.REDIRECTED
        assert len(server.asked) == 1
        assert ask(server.url, follow_redirects=True, expect_body="ok").cause is Cause.MET
        assert ask(server.url, follow_redirects=True, expect_body="^up").cause is Cause.BODY


def test_old_process_is_unhealthy_when_a_version_is_expected() -> None:
    new, old = "0123456789abcdef" * 4, b"release fedcba987654"
    with serving(saying(old)) as server:
        assert ask(server.url, expect_version="{release}", release=new).cause is Cause.VERSION


def test_version_check_is_inconclusive_when_the_release_is_unknown() -> None:
    with serving(saying()) as server:
        assert ask(server.url, expect_version="{release}").cause is Cause.NOT_MEASURED
        assert server.asked == []


def test_answer_is_unhealthy_when_its_content_is_wrong() -> None:
    with serving(saying(b'{"status": "down", "errors": "0.4"}')) as server:
        found = ask(
            server.url,
            expect_body='"up"',
            expect_json=(JsonExpectation(path="$.errors", below="0.05"),),
        )
    assert found.cause is Cause.BODY
    assert "$.errors is 0.4, not below 0.05" in found.message


@pytest.mark.parametrize("expected", [{}, {"expect_body": "ok"}])
def test_body_is_unhealthy_when_it_drips_past_the_timeout(expected: dict[str, str]) -> None:
    server: Server
    first = HEAD + b"Content-Length: 1000\r\n\r\nok"
    with serving(dripping(first, b".", lambda: server.stop)) as server:
        found = ask(server.url, SHORT, **expected)
    assert found.cause is Cause.BODY_TIMEOUT
    assert found.evidence.startswith("HTTP 200 OK")


def test_body_is_unhealthy_when_it_never_ends() -> None:
    def talk(connection: socket.socket, _: bytes) -> None:
        connection.sendall(HEAD + b"\r\nok")
        while True:
            connection.sendall(b" " * 65536)

    with serving(talk) as server:
        found = ask(server.url, expect_body="ok")
    assert found.cause is Cause.TOO_LARGE
    assert len(found.evidence.encode()) <= EVIDENCE


def test_small_body_is_unhealthy_when_it_unpacks_beyond_the_limit() -> None:
    packed = gzip.compress(b"ok" + b" " * (4 * BODY_LIMIT))
    with serving(saying(packed, "200 OK", "Content-Encoding: gzip")) as server:
        assert ask(server.url, expect_body="ok").cause is Cause.TOO_LARGE


def test_body_is_unhealthy_when_cut_off() -> None:
    with serving(saying(b"ok", length=100)) as server:
        assert ask(server.url, expect_body="ok").cause is Cause.RESET

    def chunked(connection: socket.socket, _: bytes) -> None:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")

    with serving(chunked) as server:
        assert ask(server.url, expect_body="ok").cause in {Cause.RESET, Cause.NO_HTTP}


# --- unhealthy --------------------------------------------------------------------------------


def test_connection_is_refused_when_the_port_is_closed() -> None:
    port = closed_port()
    assert ask(f"http://127.0.0.1:{port}/").cause is Cause.REFUSED
    assert connect("127.0.0.1", port).cause is Cause.REFUSED


def test_connection_is_reset_when_the_server_breaks_it() -> None:
    with serving(resetting) as server:
        assert ask(server.url).cause is Cause.RESET
    with serving(lambda *_: None) as server:
        assert ask(server.url).cause is Cause.RESET


def test_answer_is_unhealthy_when_its_status_is_not_expected() -> None:
    with serving(saying(b"busy", "503 Service Unavailable")) as server:
        found = ask(server.url)
        assert ask(server.url, expect_status=(200, 503)).cause is Cause.MET
    assert found.cause is Cause.STATUS
    assert found.message == "status 503 Service Unavailable, not 200"
    assert found.evidence.endswith("busy")


def test_answer_is_unhealthy_when_it_is_not_http() -> None:
    with serving(
        lambda connection, _: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    ) as server:
        assert ask(server.url).cause is Cause.NO_HTTP


@pytest.mark.parametrize("first", [b"", HEAD + b"X-Slow: "])
def test_answer_times_out_when_its_head_is_not_complete(first: bytes) -> None:
    server: Server
    with serving(dripping(first, b"a" if first else b"", lambda: server.stop)) as server:
        assert ask(server.url, SHORT).cause is Cause.ANSWER_TIMEOUT


def test_tls_handshake_times_out_when_the_server_never_begins_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        assert ask(url, SHORT).cause is Cause.TLS_TIMEOUT


def test_answer_is_unhealthy_when_its_json_lacks_the_expected_path() -> None:
    with serving(saying(b'{"data": {"result": []}}')) as server:
        wanted = JsonExpectation(path="$.data.result[0].value[1]", below="1")
        assert ask(server.url, expect_json=(wanted,)).cause is Cause.JSON


# --- certificates -----------------------------------------------------------------------------


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority(tmp_path / "ca")


def ask_tls(made: Authority, context: ssl.SSLContext, host: str = "localhost") -> Measurement:
    with serving(saying(), tls=context) as server:
        environment = BARE | {"SSL_CERT_FILE": str(made.file)}
        return ask(f"https://{host}:{server.port}/", environment=environment)


def test_certificate_is_met_when_its_authority_is_known(ca: Authority) -> None:
    assert ask_tls(ca, ca.context("localhost")).cause is Cause.MET
    assert ask_tls(ca, ca.context("127.0.0.1"), "127.0.0.1").cause is Cause.MET


def test_certificate_is_unhealthy_when_expired_or_not_yet_valid(ca: Authority) -> None:
    found = ask_tls(ca, ca.context("localhost", days=(-30, -1)))
    assert found.cause is Cause.CERTIFICATE_EXPIRED
    assert ask_tls(ca, ca.context("localhost", days=(2, 9))).cause is Cause.CERTIFICATE_EXPIRED


def test_certificate_is_unhealthy_when_it_names_another_host(ca: Authority) -> None:
    assert ask_tls(ca, ca.context("shop.example")).cause is Cause.CERTIFICATE_NAME
    assert ask_tls(ca, ca.context("shop.example"), "127.0.0.1").cause is Cause.CERTIFICATE_NAME


def test_certificate_is_refused_when_it_is_for_clients(ca: Authority, tmp_path: Path) -> None:
    script = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem"
        " -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext extendedKeyUsage=clientAuth"
    )
    subprocess.run(script.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    (ca.folder / "ca.pem").write_bytes((tmp_path / "c.pem").read_bytes())
    assert ask_tls(ca, context).cause is Cause.CERTIFICATE_REFUSED


def test_certificate_is_inconclusive_when_its_authority_is_unknown(
    ca: Authority, tmp_path: Path
) -> None:
    other = authority(tmp_path / "other")
    found = ask_tls(other, ca.context("localhost"))
    assert found.cause is Cause.UNKNOWN_CA
    assert "SSL_CERT_FILE" in found.message
    namesake = authority(tmp_path / "again" / "ca")
    assert ask_tls(namesake, ca.context("localhost")).cause is Cause.UNKNOWN_CA


def test_https_check_is_unhealthy_when_the_port_speaks_plain_http() -> None:
    with serving(saying(), until=b"") as server:
        assert ask(server.url.replace("http:", "https:")).cause is Cause.TLS_FAILED


# --- inconclusive -----------------------------------------------------------------------------


def test_check_is_inconclusive_when_the_name_does_not_resolve() -> None:
    assert ask("http://nobody.invalid/").cause is Cause.NAME_UNKNOWN
    assert connect("nobody.invalid", 80).cause is Cause.NAME_UNKNOWN


@pytest.mark.parametrize("url", ["http://exa mple/", "http://[::1/", "http://" + "a" * 300 + "/"])
def test_check_is_inconclusive_when_the_host_is_malformed(url: str) -> None:
    assert outcome(ask(url).cause) is Health.INCONCLUSIVE


def test_header_is_inconclusive_and_not_shown_when_it_cannot_be_sent() -> None:
    with serving(saying()) as server:
        values = {"TOKEN": "first-line\r\nX-Injected: yes"}
        found = ask(server.url, values=values, headers=(("Authorization", "{var:TOKEN}"),))
        assert server.asked in ([b""], [])
    assert found.cause is Cause.NOT_SENT
    assert "Injected" not in found.message


def test_check_is_inconclusive_when_its_pattern_never_ends() -> None:
    with serving(saying(b"a" * 5000 + b"!")) as server:
        found = ask(server.url, 3.0, expect_body="^(a+)+$")
    assert found.cause is Cause.NOT_MEASURED
    assert "patterns may be too slow" in found.message


def namespace(program: str, *words: str) -> dict[str, Any]:
    """Run a program of ours where the network is one of its own: a loopback, and no way out."""
    script = f"""
import json, os, socket, subprocess, sys
sys.path[:0] = {sys.path!r}
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
from tests.health.test_health_http import ask, connect
{program}
print(json.dumps([found.cause, found.message]))
"""
    runs = subprocess.run(
        ["unshare", "-rmn", sys.executable, "-c", script, *words],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert runs.returncode == 0, runs.stderr
    cause, message = json.loads(runs.stdout)
    return {"cause": Cause(cause), "message": message}


def _may_unshare() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return (
        subprocess.run(["unshare", "-rmn", "true"], check=False, capture_output=True).returncode
        == 0
    )


alone = pytest.mark.skipif(not _may_unshare(), reason="no network namespace may be made here")


@alone
def test_check_is_inconclusive_when_the_host_has_no_route() -> None:
    assert namespace("found = ask('http://192.0.2.1/')")["cause"] is Cause.NO_ROUTE
    assert namespace("found = connect('192.0.2.1', 80)")["cause"] is Cause.NO_ROUTE


@pytest.mark.skipif(sys.platform != "linux", reason="Linux drops what finds a full queue")
def test_check_is_inconclusive_when_the_connection_attempt_gets_no_reply() -> None:
    with socket.socket() as full, socket.socket() as queued:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        queued.connect(("127.0.0.1", port))
        assert ask(f"http://127.0.0.1:{port}/", SHORT).cause is Cause.CONNECT_TIMEOUT
        assert connect("127.0.0.1", port, SHORT).cause is Cause.CONNECT_TIMEOUT


@alone
def test_check_is_inconclusive_when_name_resolution_hangs(tmp_path: Path) -> None:
    """A name server that hears and never answers."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: dns\n")
    program = f"""
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
for name in ("resolv.conf", "nsswitch.conf"):
    subprocess.run(["mount", "--bind", {str(tmp_path)!r} + "/" + name, "/etc/" + name], check=True)
found = ask('http://shop.example/', 1.5)
assert silent.recv(512)
"""
    assert namespace(program)["cause"] is Cause.NAME_TIMEOUT


# --- proxies ----------------------------------------------------------------------------------


def proxied(port: int) -> dict[str, str]:
    return BARE | {"HTTP_PROXY": f"http://127.0.0.1:{port}", "https_proxy": f"127.0.0.1:{port}"}


@pytest.mark.parametrize("url", ["http://shop.invalid/", "https://shop.invalid/"])
def test_check_is_inconclusive_when_the_proxy_refuses(url: str) -> None:
    with serving(saying(b"no", "403 Forbidden")) as proxy:
        found = ask(url, environment=proxied(proxy.port), proxy=True)
    assert found.cause is Cause.PROXY
    assert "403" in found.message


@pytest.mark.parametrize("url", ["http://shop.invalid/", "https://shop.invalid/"])
def test_check_is_inconclusive_when_the_proxy_is_missing_or_breaks_the_connection(url: str) -> None:
    assert ask(url, environment=proxied(closed_port()), proxy=True).cause is Cause.PROXY
    with serving(resetting) as proxy:
        assert ask(url, environment=proxied(proxy.port), proxy=True).cause is Cause.PROXY


def test_check_is_inconclusive_when_the_proxy_hangs() -> None:
    proxy: Server
    with serving(dripping(b"", b"", lambda: proxy.stop)) as proxy:
        found = ask("https://shop.invalid/", SHORT, environment=proxied(proxy.port), proxy=True)
    assert found.cause is Cause.PROXY


def test_answer_is_met_when_it_comes_through_the_proxy() -> None:
    with serving(saying(b"from afar")) as proxy:
        found = ask(
            "http://shop.invalid/x", environment=proxied(proxy.port), proxy=True, expect_body="afar"
        )
        assert proxy.asked[0].startswith(b"GET http://shop.invalid/x HTTP/1.1\r\n")
    assert found.cause is Cause.MET


def test_proxy_is_not_asked_when_the_check_does_not_say_so() -> None:
    with serving(saying(b"the proxy")) as proxy:
        found = ask("http://shop.invalid/", environment=proxied(proxy.port))
        assert proxy.asked == []
    assert found.cause is Cause.NAME_UNKNOWN


def test_proxy_is_not_asked_when_the_server_is_on_this_machine() -> None:
    with serving(saying(b"the proxy")) as proxy, serving(saying(b"itself")) as server:
        found = ask(server.url, environment=proxied(proxy.port), proxy=True, expect_body="^itself$")
        assert proxy.asked == []
    assert found.cause is Cause.MET


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "shop.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1",
     "127.8.9.10", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "0"],
)  # fmt: skip
def test_loopback_host_is_recognized_when_written_in_other_forms(host: str) -> None:
    assert loopback(host)
    assert proxy_for("http", host, 80, {"HTTP_PROXY": "http://proxy:1"}) == ""


@pytest.mark.parametrize(
    ("left_out", "direct"),
    [
        ("", False), ("*", True), ("example", True), (".example", True), ("*.example", True),
        ("shop.example:80", True), ("shop.example:81", False), ("op.example", False),
        ("other, shop.example", True), ("10.0.0.0/8", False),
    ],
)  # fmt: skip
def test_host_is_asked_directly_when_no_proxy_names_it(left_out: str, direct: bool) -> None:  # noqa: FBT001
    environ = {"http_proxy": "proxy:3128", "HTTP_PROXY": "http://other:1", "NO_PROXY": left_out}
    found = proxy_for("http", "Shop.Example", 80, environ)
    assert found == ("" if direct else "http://proxy:3128")
    assert proxy_for("http", "10.1.2.3", 80, {"http_proxy": "p:1", "no_proxy": "10.0.0.0/8"}) == ""


# --- secrets ----------------------------------------------------------------------------------


def test_variable_values_are_sent_and_masked_when_the_server_echoes_them() -> None:
    secret, session = "opensesame-4711", "d41d8cd98f"

    def talk(connection: socket.socket, head: bytes) -> None:
        saying(head + b" " * EVIDENCE, "200 OK", f"X-Echo: {secret}", f"Set-Cookie: s={session}")(
            connection, head
        )

    with serving(talk) as server:
        values = {"TOKEN": secret, "PLACE": f"127.0.0.1:{server.port}"}
        found = ask(
            "http://{var:PLACE}/health",
            values=values,
            headers=(("Authorization", "Bearer {var:TOKEN}"),),
            expect_body=f"Bearer {secret}",
        )
        assert secret.encode() in server.asked[0]
        wrong = ask("http://{var:PLACE}/", values=values, expect_body=secret + "!")
    assert (found.cause, wrong.cause) == (Cause.MET, Cause.BODY)
    for each in (found, wrong):
        assert secret not in repr(each)
        assert session not in repr(each)
        assert "***[TOKEN]" in each.evidence


def test_secret_is_masked_when_the_evidence_is_cut_inside_it() -> None:
    secret = "opensesame-" + "x" * 400
    with serving(saying(b"." * (EVIDENCE - 300) + secret.encode())) as server:
        found = ask(server.url, values={"TOKEN": secret})
    assert "opensesame" not in found.evidence
    assert len(found.evidence.encode()) <= EVIDENCE


def test_evidence_has_no_control_characters_when_the_answer_has_them() -> None:
    with serving(
        saying(b"\x1b[2Jgone \x9b1m\x07 \xe2\x80\xae", "500 No", "X-A: \x1b]0;x")
    ) as server:
        found = ask(server.url)
    assert not set(found.evidence) & {"\x1b", "\x9b", "\x07", "\u202e"}


def test_headers_stay_with_the_origin_when_a_redirect_leaves_it() -> None:
    with serving(saying(b"elsewhere")) as other:
        with serving(saying(b"", "302 Found", f"Location: {other.url}")) as server:
            headers = (("Authorization", "Bearer abcdef"), ("X-Api-Key", "ghijkl"))
            found = ask(server.url, follow_redirects=True, headers=headers)
            assert b"abcdef" in server.asked[0]
        assert b"abcdef" not in other.asked[0]
        assert b"ghijkl" not in other.asked[0]
    assert found.cause is Cause.MET


def test_redirects_are_unhealthy_when_they_never_end() -> None:
    with serving(saying(b"", "302 Found", "Location: ?again")) as server:
        assert ask(server.url, follow_redirects=True).cause is Cause.REDIRECTED
        assert len(server.asked) <= 6


def test_redirect_is_unhealthy_when_it_leaves_tls(ca: Authority) -> None:
    with serving(saying()) as plain:
        talk = saying(b"", "302 Found", f"Location: {plain.url}")
        with serving(talk, tls=ca.context("localhost")) as server:
            found = ask(
                f"https://localhost:{server.port}/",
                environment=BARE | {"SSL_CERT_FILE": str(ca.file)},
                follow_redirects=True,
            )
        assert plain.asked == []
    assert found.cause is Cause.REDIRECTED


def test_user_is_sent_as_basic_authorization_when_the_address_names_a_user() -> None:
    with serving(saying()) as server:
        values = {"SHOP_URL": f"http://ada:p%40ss@127.0.0.1:{server.port}/x?q=1"}
        found = ask("{var:SHOP_URL}", values=values)
        assert b"Authorization: Basic YWRhOnBAc3M=" in server.asked[0]
        assert server.asked[0].startswith(b"GET /x?q=1 ")
    assert found.cause is Cause.MET


def test_probe_leaves_no_process_behind_when_it_timed_out() -> None:
    import psutil

    server: Server
    with serving(dripping(HEAD, b"X", lambda: server.stop)) as server:
        ask(server.url, SHORT)
    assert [
        each
        for each in psutil.Process().children(recursive=True)
        if "probe.py" in str(each.cmdline())
    ] == []
