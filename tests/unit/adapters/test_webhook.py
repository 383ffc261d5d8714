"""The webhook against a real receiver: trouble, signatures, redirects, forbidden addresses."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tamid.adapters._egress import public
from tamid.adapters.webhook import WebhookSink, verify_signature
from tamid.core.errors import SinkDown, UsageError
from tamid.testing.receiver import Receiver, Trouble
from tamid.testing.sink_suite import ONE, parcel

SECRET = "a secret of the workspace"
NOW = datetime(2026, 1, 4, 6, tzinfo=UTC)
PARCEL = parcel({"a": 0.75, "ב": 0.5})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver that checks signatures."""
    check = Receiver(check=lambda body, headers: verify_signature(body, headers, SECRET))
    with check.running() as running:
        yield running


def sink(receiver: Receiver, secret: str = SECRET, seconds: float = 60) -> WebhookSink:
    """Return a sink that may reach this machine."""
    timeout = timedelta(seconds=seconds)
    return WebhookSink(receiver.url, secret, lambda: NOW, private=True, timeout=timeout)


def test_the_request_says_all_and_is_signed(receiver: Receiver) -> None:
    """Key, period, revision, columns and rows arrive; the signature covers id, time and body."""
    sink(receiver).deliver(PARCEL)
    data = receiver.periods["churn", ONE]
    assert (data["key"], data["period"], data["revision"]) == (PARCEL.key, ONE, 1)
    assert [row[0] for row in data["rows"]] == ["a", "ב"]
    assert data["rows"][0][data["columns"].index("as_of")] == "2026-01-04T06:00:00.000000Z"
    headers = receiver.headers[0]
    assert headers["Idempotency-Key"] == headers["webhook-id"] == PARCEL.key
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    body = receiver.bodies[0]
    assert verify_signature(body, headers, SECRET)
    assert not verify_signature(body + b" ", headers, SECRET)
    assert not verify_signature(body, {**headers, "webhook-timestamp": "1"}, SECRET)
    assert not verify_signature(body, headers, SECRET + "x")
    assert not verify_signature(body, {}, SECRET)


def test_a_receiver_that_recovers_gets_the_scores_once(receiver: Receiver) -> None:
    """Two failures, then success: one commit, and the same request each time but for nothing."""
    receiver.troubles += ["500", "503"]
    for _ in range(2):
        with pytest.raises(SinkDown, match="answered 50"):
            sink(receiver).deliver(PARCEL)
    assert sink(receiver).deliver(PARCEL)
    assert receiver.taken == 1
    assert receiver.requests[PARCEL.key] == 3
    assert len(set(receiver.bodies)) == 1


def test_an_answer_lost_after_the_commit_leads_to_no_second_one(receiver: Receiver) -> None:
    """The receiver took the scores but its answer got lost: the repetition changes nothing."""
    receiver.troubles.append("drop_after_commit")
    with pytest.raises(SinkDown, match="cannot be reached") as failure:
        sink(receiver).deliver(PARCEL)
    assert "not known" in failure.value.why
    sink(receiver).deliver(PARCEL)
    assert receiver.taken == 1


@pytest.mark.parametrize("trouble", ["drop", "silence", "redirect"])
def test_a_receiver_in_trouble_is_down(receiver: Receiver, trouble: Trouble) -> None:
    """A dropped connection, silence and a redirect all mean: not delivered, and not waited for."""
    receiver.troubles.append(trouble)
    with pytest.raises(SinkDown):
        sink(receiver, seconds=0.3 if trouble == "silence" else 60).deliver(PARCEL)
    while not receiver.requests:  # what was sent may still be on its way
        time.sleep(0.01)
    assert receiver.taken == 0
    assert sum(receiver.requests.values()) == 1


def test_an_endless_answer_is_cut_off(receiver: Receiver) -> None:
    """Ten megabytes of answer are not read, and the delivery counts."""
    receiver.troubles.append("long")
    assert sink(receiver).deliver(PARCEL)


def test_another_secret_is_refused_by_the_receiver(receiver: Receiver) -> None:
    """Whoever does not know the secret delivers nothing."""
    with pytest.raises(SinkDown, match="answered 401"):
        sink(receiver, secret="another secret, long enough").deliver(PARCEL)
    assert receiver.taken == 0


def test_nobody_listening_is_down() -> None:
    """A closed port is a target that is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SinkDown, match="cannot be reached: ConnectionRefusedError"):
        WebhookSink(f"http://127.0.0.1:{port}/", SECRET, lambda: NOW, private=True).deliver(PARCEL)


def test_an_answer_that_is_no_http_is_down() -> None:
    """Rubbish on the line is an error in words."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def rubbish() -> None:
            line, _ = server.accept()
            line.recv(65536)
            line.sendall(b"\x00\x01 not http\r\n\r\n")
            line.close()

        thread = threading.Thread(target=rubbish)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(SinkDown):
            WebhookSink(url, SECRET, lambda: NOW, private=True).deliver(PARCEL)
        thread.join()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "0.0.0.0", "[::]",
        "[::ffff:127.0.0.1]", "169.254.169.254", "[fd00:ec2::254]", "100.64.0.1", "10.0.0.1",
        "192.168.1.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "localhost",
        "224.0.0.1",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_reached(host: str) -> None:
    """This machine, this network, cloud metadata and gateways are refused in every spelling."""
    target = WebhookSink(f"https://{host}/hook", SECRET, lambda: NOW)
    with pytest.raises(SinkDown, match="is not a public address"):
        target.deliver(PARCEL)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    """The guard lets the open internet through."""
    assert public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook", "ftp://example.com/", "file:///etc/passwd", "gopher://x/",
        "https://", "https://user:pw@example.com/", "https://example.com:99999/", "example.com",
        "https://example.com/a\r\nX: y", "https://exämple.com/",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    """Other schemes, plain http to the outside, user names and line breaks: refused when set up."""
    with pytest.raises(UsageError, match="address cannot be used"):
        WebhookSink(url, SECRET, lambda: NOW)


def test_a_short_secret_is_refused() -> None:
    """A secret that can be guessed protects nothing."""
    with pytest.raises(UsageError, match="shorter than 16 bytes"):
        WebhookSink("https://example.com/", "short", lambda: NOW)


def test_no_answer_and_no_address_gets_into_the_message(receiver: Receiver) -> None:
    """What the receiver says, and what stands in the address's query, is never shown."""
    receiver.troubles.append("500")
    with pytest.raises(SinkDown) as failure:
        sink(receiver).deliver(PARCEL)
    text = f"{failure.value.what} {failure.value.why} {failure.value.remedy}"
    assert "marketing" not in text
    assert json.loads(receiver.bodies[0])["model"] == "churn"
