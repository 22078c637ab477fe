"""remote.Command and the copies against a real sshd on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mlops.rehearsal.standins.command.resources import provider
from mlops.rehearsal.standins.command.ssh import _tcp
from mlops.rehearsal.standins.values import ARCHIVE, ASSET, CONFIDENTIAL, SIGNATURE, UNKNOWN

COMMAND = "command:remote:Command"
COPY = "command:remote:CopyToRemote"


@pytest.fixture
def remote(client: Callable[..., Any]) -> Any:
    return client(provider())


def test_create_gives_both_streams_without_their_last_newline(remote: Any, sshd: Any) -> None:
    identity, outputs = remote.create(COMMAND, {"connection": sshd.connection(), "create": "echo out; echo; echo err >&2"})
    assert identity.startswith("it")
    assert (outputs["stdout"], outputs["stderr"]) == ("out\n", "err")
    assert outputs["connection"][SIGNATURE] == CONFIDENTIAL
    assert sorted(text for _, text in remote.logged) == ["", "err", "out"]


def test_a_host_that_has_lost_its_power_is_noticed_as_the_official_provider_does(sshd: Any) -> None:
    to = sshd.connection()
    bare = asyncio.run(_tcp(to["host"], int(to["port"])))
    with bare:
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        idle, interval, count = (bare.getsockopt(socket.IPPROTO_TCP, option) for option in options)
        assert bare.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert idle + interval * count == 150


def test_stdin_is_delivered_whole(remote: Any, sshd: Any) -> None:
    text = "line\n" * 100_000
    given = {"connection": sshd.connection(), "create": "wc -c", "stdin": text, "logging": "none"}
    assert remote.create(COMMAND, given)[1]["stdout"].strip() == str(len(text))


def test_command_that_reads_no_stdin_succeeds(remote: Any, sshd: Any) -> None:
    given = {"connection": sshd.connection(), "create": "exec true", "stdin": "x" * 1_000_000}
    assert remote.create(COMMAND, given)[1]["stdout"] == ""


def test_failure_names_status_command_and_output(remote: Any, sshd: Any) -> None:
    with pytest.raises(remote.aborted) as failure:
        remote.create(COMMAND, {"connection": sshd.connection(), "create": 'echo "no disk"; exit 7'})
    assert str(failure.value) == 'Process exited with status 7: running "echo \\"no disk\\"; exit 7":\nno disk\n'


def test_update_runs_update_or_else_create(remote: Any, sshd: Any) -> None:
    given = {"connection": sshd.connection(), "create": "echo created"}
    _, state = remote.create(COMMAND, given)
    assert remote.update(COMMAND, state, given | {"stdin": "x"})["stdout"] == "created"
    assert remote.update(COMMAND, state, given | {"update": "echo updated"})["stdout"] == "updated"


def test_previous_output_reaches_the_next_command(remote: Any, sshd: Any) -> None:
    given = {"connection": sshd.connection(), "create": "echo one; echo two >&2", "update": 'echo "<$PULUMI_COMMAND_STDOUT>"'}
    _, state = remote.create(COMMAND, given)
    assert remote.update(COMMAND, state, given)["stdout"] == "<one>"
    # The server accepts the first variable only: a warning, not a failure.
    assert [text for _, text in remote.logged if "PULUMI_COMMAND_STDERR" in text]
    assert remote.update(COMMAND, state, given | {"addPreviousOutputInEnv": False})["stdout"] == "<>"


def test_environment_needs_the_servers_consent(remote: Any, sshd: Any) -> None:
    given = {"connection": sshd.connection(), "create": "echo $ALLOWED"}
    assert remote.create(COMMAND, given | {"environment": {"ALLOWED": "yes"}})[1]["stdout"] == "yes"
    with pytest.raises(remote.aborted, match='could not set environment variable "REFUSED"'):
        remote.create(COMMAND, given | {"environment": {"REFUSED": "x"}})


def test_delete_runs_delete_with_the_stored_connection(remote: Any, sshd: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    _, state = remote.create(COMMAND, {"connection": sshd.connection(), "create": f"touch {mark}", "delete": f"rm {mark}"})
    assert mark.exists()
    remote.delete(COMMAND, state)
    assert not mark.exists()


def test_preview_never_connects(remote: Any) -> None:
    given = {"connection": {"host": "127.0.0.1", "port": 1}, "create": "true"}
    _, outputs = remote.create(COMMAND, given, preview=True)
    assert (outputs["stdout"], outputs["stderr"]) == (UNKNOWN, UNKNOWN)
    state = given | {"stdout": "old", "stderr": ""}
    assert remote.update(COMMAND, state, given | {"create": "false"}, preview=True)["stdout"] == UNKNOWN


def test_wrong_host_key_is_refused(remote: Any, sshd: Any, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(remote.aborted) as failure:
        remote.create(COMMAND, {"connection": sshd.connection(hostKey=other), "create": f"touch {tmp_path}/ran"})
    assert str(failure.value) == "after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    assert not (tmp_path / "ran").exists()


def test_host_key_of_another_algorithm_is_refused(remote: Any, sshd: Any) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    with pytest.raises(remote.aborted, match="after 0 failed attempts: ssh: handshake failed: "):
        remote.create(COMMAND, {"connection": sshd.connection(hostKey=other), "create": "true"})


def test_without_a_host_key_any_is_taken(remote: Any, sshd: Any) -> None:
    assert remote.create(COMMAND, {"connection": sshd.connection(hostKey=None), "create": "echo in"})[1]["stdout"] == "in"


def test_text_that_is_no_host_key(remote: Any, sshd: Any) -> None:
    with pytest.raises(remote.aborted, match="failed to parse host key: ssh: no key found"):
        remote.create(COMMAND, {"connection": sshd.connection(hostKey="nonsense"), "create": "true"})


def test_wrong_user_is_tried_again_up_to_the_limit(remote: Any, sshd: Any) -> None:
    with pytest.raises(remote.aborted) as failure:
        remote.create(COMMAND, {"connection": sshd.connection(user="nosuchuser", dialErrorLimit=2), "create": "true"})
    assert str(failure.value) == (
        "after 2 failed attempts: ssh: handshake failed: ssh: unable to authenticate, no supported methods remain"
    )
    assert [text for _, text in remote.logged] == ["Dial 1/2 failed: retrying", "Dial 2/2 failed: retrying"]


def test_stale_agent_is_an_error_even_with_a_key(remote: Any, sshd: Any) -> None:
    with pytest.raises(remote.aborted, match="dial unix /nonexistent: connect: no such file or directory"):
        remote.create(COMMAND, {"connection": sshd.connection(agentSocketPath="/nonexistent"), "create": "true"})


def test_encrypted_key(remote: Any, sshd: Any) -> None:
    key = asyncssh.import_private_key(sshd.private_key).export_private_key("pkcs8-pem", passphrase="word").decode()
    given = {"connection": sshd.connection(privateKey=key, privateKeyPassword="word"), "create": "echo in"}
    assert remote.create(COMMAND, given)[1]["stdout"] == "in"
    with pytest.raises(remote.aborted, match="password is missing or wrong"):
        remote.create(COMMAND, given | {"connection": sshd.connection(privateKey=key, privateKeyPassword="other")})


def test_refused_connection_is_tried_until_the_server_comes(remote: Any, make_server: Callable[[], Any]) -> None:
    server = make_server()

    def come() -> None:
        wait_for(lambda: len(remote.logged) >= 2)
        server.start()

    thread = threading.Thread(target=come)
    thread.start()
    given = {"connection": server.connection(dialErrorLimit=-1), "create": "echo in"}
    assert remote.create(COMMAND, given)[1]["stdout"] == "in"
    thread.join()
    assert remote.logged[0][1] == "Dial 1/inf failed: retrying"


def test_refused_connection_ends_at_the_limit(remote: Any, make_server: Callable[[], Any]) -> None:
    server = make_server()
    with pytest.raises(remote.aborted) as failure:
        remote.create(COMMAND, {"connection": server.connection(dialErrorLimit=1), "create": "true"})
    expected = f"after 1 failed attempts: dial tcp 127.0.0.1:{server.port}: connect: connection refused"
    assert str(failure.value) == expected


def test_killed_session_is_a_failure_and_not_run_again(remote: Any, sshd: Any, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    # $PPID is the session's own sshd: the connection breaks in the middle of the command.
    given = {"connection": sshd.connection(dialErrorLimit=5), "create": f"echo run >>{runs}; kill -9 $PPID; sleep 60"}
    with pytest.raises(remote.aborted, match="without exit status or exit signal: running"):
        remote.create(COMMAND, given)
    assert runs.read_text() == "run\n"


def test_command_killed_by_a_signal(remote: Any, sshd: Any) -> None:
    with pytest.raises(remote.aborted, match="Process exited with status 143 from signal TERM: running"):
        remote.create(COMMAND, {"connection": sshd.connection(), "create": "kill $$"})


@pytest.mark.parametrize(
    ("size", "logging", "passes"), [(65_535, "stdout", True), (65_536, "stdout", False), (200_000, "none", True)]
)
def test_long_lines(remote: Any, sshd: Any, size: int, logging: str, passes: bool) -> None:
    given = {"connection": sshd.connection(), "create": f"head -c {size} /dev/zero | tr '\\0' x", "logging": logging}
    if passes:
        assert len(remote.create(COMMAND, given)[1]["stdout"]) == size
    else:
        with pytest.raises(remote.aborted, match="official provider would hang"):
            remote.create(COMMAND, given)


def test_logging_modes(remote: Any, sshd: Any) -> None:
    for mode, expected in (("stdout", ["o"]), ("stderr", ["e"]), ("none", [])):
        remote.logged.clear()
        remote.create(COMMAND, {"connection": sshd.connection(), "create": "echo o; echo e >&2", "logging": mode})
        assert [text for _, text in remote.logged] == expected


def test_cancel_ends_a_running_command(remote: Any, sshd: Any, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    failures: list[BaseException] = []

    def run() -> None:
        try:
            # It ends when nobody takes its output any more.
            remote.create(
                COMMAND, {"connection": sshd.connection(), "create": f"echo $$ >{mark}; while echo x; do sleep 0.1; done"}
            )
        except remote.aborted as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: mark.exists() and mark.read_text().strip())
    remote.provider.cancel()
    thread.join(5)
    assert [str(failure) for failure in failures] == ["context canceled"]
    wait_for(lambda: not Path(f"/proc/{mark.read_text().strip()}").exists())


def test_nothing_starts_after_a_cancel(remote: Any) -> None:
    remote.provider.cancel()
    with pytest.raises(remote.aborted, match="context canceled"):
        remote.create(COMMAND, {"connection": {"host": "127.0.0.1"}, "create": "true"})


def test_through_a_proxy_with_its_own_host_key(remote: Any, sshd: Any, make_server: Callable[[], Any]) -> None:
    bastion = make_server()
    bastion.start()
    hop = bastion.connection()
    given = {"connection": sshd.connection() | {"proxy": hop}, "create": "echo $SSH_CONNECTION"}
    assert remote.create(COMMAND, given)[1]["stdout"].startswith("127.0.0.1")
    with pytest.raises(remote.aborted, match=r"^proxy: after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch"):
        remote.create(COMMAND, given | {"connection": sshd.connection() | {"proxy": hop | {"hostKey": sshd.host_key}}})


def test_diff(remote: Any) -> None:
    old = {"connection": {"host": "a"}, "create": "x", "triggers": [1]}
    assert remote.diff(COMMAND, old, old).changes == 1
    moved = remote.diff(COMMAND, old, old | {"connection": {"host": "b"}})
    assert (moved.changes, list(moved.replaces), list(moved.detailedDiff)) == (2, [], ["connection.host"])
    triggered = remote.diff(COMMAND, old, old | {"triggers": [2]})
    assert (list(triggered.replaces), list(triggered.detailedDiff)) == (["triggers"], ["triggers[0]"])
    sealed = remote.diff(COMMAND, old, old | {"create": {SIGNATURE: CONFIDENTIAL, "value": "x"}})
    assert list(sealed.diffs) == ["create"]
    unknown = remote.diff(COMMAND, old, old | {"stdin": UNKNOWN})
    assert list(unknown.diffs) == ["stdin"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"connection": {"host": "a"}, "creat": "x"}, [("creat", "unrecognized property")]),
        ({"create": "x"}, [("connection", "missing required property 'connection'")]),
        ({"connection": {"user": "a"}}, [("connection.host", "missing required property 'connection.host'")]),
        ({"connection": {"host": "a", "port": "22"}}, [("connection.port", "expected number, got str")]),
        (
            {"connection": {"host": "a"}, "logging": "all"},
            [("logging", "expected one of stdout, stderr, stdoutAndStderr, none, got all")],
        ),
    ],
)
def test_bad_inputs(remote: Any, inputs: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert remote.check(COMMAND, inputs)[1] == expected


def test_secret_inputs_stay_secret(remote: Any, sshd: Any) -> None:
    word = {SIGNATURE: CONFIDENTIAL, "value": "hidden"}
    _, outputs = remote.create(COMMAND, {"connection": sshd.connection(), "create": "cat >/dev/null", "stdin": word})
    assert outputs["stdin"] == word
    assert outputs["connection"][SIGNATURE] == CONFIDENTIAL


def test_copies(remote: Any, sshd: Any, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_text("leaf")
    to = tmp_path / "to"

    def copy(source: dict[str, Any], path: str) -> None:
        remote.create(COPY, {"connection": sshd.connection(), "source": source, "remotePath": path})

    copy({SIGNATURE: ASSET, "text": "words", "hash": "1"}, f"{to}/deep/text")
    assert (to / "deep" / "text").read_text() == "words"
    copy({SIGNATURE: ASSET, "path": f"{tmp_path}/tree/sub/file"}, str(to / "deep"))
    assert (to / "deep" / "file").read_text() == "leaf"
    copy({SIGNATURE: ARCHIVE, "path": f"{tmp_path}/tree"}, str(to))
    assert (to / "tree" / "sub" / "file").read_text() == "leaf"
    copy({SIGNATURE: ARCHIVE, "path": f"{tmp_path}/tree/"}, str(to / "bare"))
    assert (to / "bare" / "sub" / "file").read_text() == "leaf"
    copy({SIGNATURE: ARCHIVE, "assets": {"a/b": {SIGNATURE: ASSET, "text": "c"}}}, str(to / "assets"))
    assert (to / "assets" / "a" / "b").read_text() == "c"
    with pytest.raises(remote.aborted, match="is a directory; when using a text asset"):
        copy({SIGNATURE: ASSET, "text": "words"}, str(to))


def test_copy_again_only_when_content_or_path_changes(remote: Any, sshd: Any, tmp_path: Path) -> None:
    given = {
        "connection": sshd.connection(),
        "source": {SIGNATURE: ASSET, "text": "one", "hash": "1"},
        "remotePath": f"{tmp_path}/f",
    }
    _, state = remote.create(COPY, given)
    (tmp_path / "f").write_text("edited by hand")
    remote.update(COPY, state, given | {"connection": sshd.connection(dialErrorLimit=3)})
    assert (tmp_path / "f").read_text() == "edited by hand"
    remote.update(COPY, state, given | {"source": {SIGNATURE: ASSET, "text": "two", "hash": "2"}})
    assert (tmp_path / "f").read_text() == "two"


def test_copy_file(remote: Any, sshd: Any, tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"\x00\xff")
    given = {"connection": sshd.connection(), "localPath": f"{tmp_path}/from", "remotePath": f"{tmp_path}/to"}
    remote.create("command:remote:CopyFile", given)
    assert (tmp_path / "to").read_bytes() == b"\x00\xff"
    assert list(remote.diff("command:remote:CopyFile", given, given | {"localPath": "x"}).replaces) == ["localPath"]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
