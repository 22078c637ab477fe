"""Nothing that everybody knows opens a door: the tables hold for what is rendered, and values of our own stand in their places.

The tests marked `site` read the real sources.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.kubeflow.credentials import (
    GENERATED,
    NO_SECRET,
    REPLACED,
    Credentials,
    CredentialsArgs,
    Password,
    bcrypt_of,
    check,
    first_user,
)
from mlops.bundles import Bundle, Kustomize, Places, bundles_in, load_bundles, read_lock
from mlops.errors import UserError
from mlops.folders import cache_folder
from mlops.ordering import KubeObject, from_bodies, parse_documents
from tests.components.recording import Registered, record

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = REPOSITORY / "manifests"
PLACES = Places.from_environment(checkout=REPOSITORY)

KNOWN = (
    "12341234",  # the user's password, and its hash
    "$2y$12$4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72",
    "pUBnBOY80SnXgjibTYM9ZWNzY2xreNGQok",  # client of oauth2-proxy at Dex
    "7d16fee92f8d11b8940b081b3f8b8acb",  # key of oauth2-proxy's cookies
    "minio123",
)
KNOWN_WORDS = {"", "test", "postgres", "root", "password", "minio"}
"""Values that are passwords upstream, and words elsewhere."""
SETTING = re.compile("PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
NAMES_OF_SETTINGS = {"SECRET_NAME", "ENABLE_SECRET_INFORMER_FILTERING_BY_CERT_UID"}
"""Variables that hold a name or a switch."""

DEX = """
apiVersion: v1
kind: ConfigMap
metadata: {name: dex, namespace: auth}
data:
  config.yaml: |
    staticPasswords: [{email: someone@example.org, hashFromEnv: DEX_USER_PASSWORD}]
---
apiVersion: v1
kind: Secret
metadata: {name: dex-passwords, namespace: auth}
stringData: {DEX_USER_PASSWORD: known}
---
apiVersion: v1
kind: Secret
metadata: {name: dex-oidc-client, namespace: auth}
data: {OIDC_CLIENT_ID: Y2xpZW50, OIDC_CLIENT_SECRET: a25vd24=}
"""
PROXY = """
apiVersion: v1
kind: Secret
metadata: {name: oauth2-proxy-h675gf55ht, namespace: oauth2-proxy}
data: {client-id: Y2xpZW50, client-secret: a25vd24=, cookie-secret: a25vd24=}
"""


def bundle(name: str, text: str) -> Bundle:
    return Bundle(name, parse_documents(text, origin=name), digest="")


def small() -> tuple[Bundle, ...]:
    return bundle("dex", DEX), bundle("oauth2-proxy", PROXY)


def applied(bundles: tuple[Bundle, ...]) -> tuple[Registered, list[Any], dict[str, str]]:
    """What is registered, the bodies with their outputs known, the first credentials."""
    bodies: list[Any] = []
    first: dict[str, str] = {}

    def program() -> None:
        made = Credentials("credentials", CredentialsArgs(bundles=bundles))
        items = [item for found in made.bundles for item in found.objects]
        # outputs are looked for in Secrets only: to wrap all of Kubeflow takes minutes
        secrets: Any = [dict(item.body) for item in items if item.kind == "Secret"]
        bodies.extend(item.body for item in items if item.kind != "Secret")
        pulumi.Output.from_input(secrets).apply(bodies.extend)
        credentials: Any = dict(made.outputs.initial_credentials)
        pulumi.Output.from_input(credentials).apply(first.update)

    return record(program), bodies, first


def values(bodies: list[Any]) -> dict[tuple[str, str], str]:
    """Name of the Secret and key to the value, decoded."""
    secrets = [body for body in bodies if body["kind"] == "Secret"]
    plain = {(body["metadata"]["name"], key): text for body in secrets for key, text in (body.get("stringData") or {}).items()}
    return plain | {
        (body["metadata"]["name"], key): base64.b64decode(text, validate=True).decode()
        for body in secrets
        for key, text in (body.get("data") or {}).items()
    }


def test_values_of_our_own_in_the_form_of_the_manifest() -> None:
    registered, bodies, first = applied(small())
    assert values(bodies) == {
        ("dex-passwords", "DEX_USER_PASSWORD"): "$2a$10$hash",
        ("dex-oidc-client", "OIDC_CLIENT_ID"): "client",
        ("dex-oidc-client", "OIDC_CLIENT_SECRET"): "t" * 32,
        ("oauth2-proxy-h675gf55ht", "client-id"): "client",
        ("oauth2-proxy-h675gf55ht", "client-secret"): "t" * 32,
        ("oauth2-proxy-h675gf55ht", "cookie-secret"): "--__" * 11,
    }
    assert first == {"kubeflow/someone@example.org": "t" * 32}
    # one resource for what stands in two places, none for bundles that are not there
    assert {item.name for item in registered.of_type("random:")} == {
        "credentials-first-user",
        "credentials-login-client",
        "credentials-session-cookies",
    }
    parent = registered.one("credentials").urn
    assert {item.parent for item in registered.of_type("random:")} == {parent}
    for item in registered.of_type("RandomPassword"):
        assert item.inputs["special"] is False
        assert item.inputs["length"] >= 20
    assert registered.one("credentials-session-cookies").inputs == {"length": 32}


def test_bundles_keep_everything_else() -> None:
    _, bodies, _ = applied(small())
    before = [item.body for found in small() for item in found.objects]
    assert [{**body, "data": 0, "stringData": 0} for body in bodies] == [{**body, "data": 0, "stringData": 0} for body in before]
    assert bodies[0] == before[0]


def test_without_dex_there_is_no_first_user() -> None:
    registered, _, first = applied((bundle("oauth2-proxy", PROXY),))
    assert first == {}
    assert {item.name for item in registered.of_type("random:")} == {"credentials-login-client", "credentials-session-cookies"}


def test_a_place_that_has_moved_is_told() -> None:
    moved = PROXY.replace("cookie-secret", "cookie_secret")
    with pytest.raises(UserError) as caught:
        check((bundle("oauth2-proxy", moved),))
    text = str(caught.value)
    assert "bundle oauth2-proxy, Secret oauth2-proxy/oauth2-proxy, key cookie-secret" in text
    assert "no such key in what upstream ships" in text
    assert "key cookie_secret" in text
    assert "known to everybody" in text
    assert "credentials.py" in text


def test_a_new_secret_with_a_value_is_told() -> None:
    new = "apiVersion: v1\nkind: Secret\nmetadata: {name: new, namespace: kubeflow}\nstringData: {password: hunter2}\n"
    with pytest.raises(UserError) as caught:
        check((bundle("kserve", new),))
    assert "bundle kserve, Secret kubeflow/new, key password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_a_controller_fills_needs_no_entry() -> None:
    check((bundle("kserve", "apiVersion: v1\nkind: Secret\nmetadata: {name: certs, namespace: kubeflow}\n"),))


@pytest.mark.parametrize("users", ["[]", "[{email: a@b}, {email: c@d}]"])
def test_who_the_first_user_is_must_be_clear(users: str) -> None:
    text = re.sub(r"\[\{.*\}\]", users, DEX)
    with pytest.raises(UserError, match="who the first user is"):
        first_user((bundle("dex", text),))


def test_tables_fit_each_other() -> None:
    hashed = {bcrypt_of(name) for name, kind in GENERATED.items() if isinstance(kind, Password)}
    assert set(REPLACED.values()) <= set(GENERATED) | hashed
    assert {name for name in GENERATED if not {name, bcrypt_of(name)} & set(REPLACED.values())} == set()
    assert not set(REPLACED) & set(NO_SECRET)


def patched_script(folder: str) -> str:
    """The script that a bundle's patch starts its database with."""
    patches = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())["patches"]
    bodies = [yaml.safe_load(patch["patch"]) for patch in patches]
    (container,) = (
        container
        for body in bodies
        if isinstance(body, dict)
        for container in body["spec"]["template"]["spec"]["containers"]
        if "command" in container
    )
    return str(container["command"][2])


def run(script: str, entrypoint: str, scratch: Path, **environment: str) -> str:
    """Run a script with another entry point of the image; what it prints."""
    path = scratch / "docker-entrypoint.sh"
    path.write_text(f"#!/bin/bash\n{entrypoint}\n")
    path.chmod(0o755)
    done = subprocess.run(
        ["bash", "-ec", script, "mysqld", "--datadir", "x"],
        env={"PATH": f"{scratch}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(("folder", "data"), [("pipelines", "/var/lib/mysql"), ("katib", "/var/lib/mysql/datadir")])
def test_mysql_takes_the_password_on_files_that_are_there(folder: str, data: str, tmp_path: Path) -> None:
    script = patched_script(folder)
    assert f"{data}/mysql " in script
    script = script.replace(data, str(tmp_path)).replace("/tmp/root.sql", f"{tmp_path}/root.sql")  # noqa: S108 - in the container
    echo = 'echo "$@"'
    assert run(script, echo, tmp_path, MYSQL_ROOT_PASSWORD="new") == "mysqld --datadir x\n"
    (tmp_path / "mysql").mkdir()
    file = tmp_path / "root.sql"
    assert run(script, echo, tmp_path, MYSQL_ROOT_PASSWORD="new") == f"mysqld --datadir x --init-file={file}\n"
    assert file.read_text() == "ALTER USER root@'%' IDENTIFIED BY 'new';\nALTER USER root@'localhost' IDENTIFIED BY 'new';\n"
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("folder", ["model-registry", "model-catalog"])
def test_postgres_takes_the_password_on_files_that_are_there(folder: str, tmp_path: Path) -> None:
    entrypoint = """
if [ "${BASH_SOURCE[0]}" = "$0" ]; then echo "start $*"; exit; fi
docker_setup_env() { DATABASE_ALREADY_EXISTS=$EXISTS; }
docker_temp_server_start() { echo "temporary $*"; }
docker_process_sql() { echo "sql $*"; cat; }
docker_temp_server_stop() { echo stop; }
"""
    script = patched_script(folder)
    assert run(script, entrypoint, tmp_path, EXISTS="") == "start postgres\n"
    first, *statements, stopped, started = run(script, entrypoint, tmp_path, EXISTS="true").splitlines()
    assert (first, stopped, started) == ("temporary postgres", "stop", "start postgres")
    assert statements == [
        "sql --dbname postgres",
        r"\getenv role POSTGRES_USER",
        r"\getenv password POSTGRES_PASSWORD",
        "ALTER ROLE :\"role\" PASSWORD :'password';",
    ]


@cache
def kubeflow() -> tuple[Bundle, ...]:
    lock = read_lock(MANIFESTS / "sources.lock.yaml").values()
    missing = [s.name for s in lock if not any(isinstance(place, Path) and place.is_file() for place in PLACES.candidates(s))]
    if missing:
        pytest.skip(f"no archive at hand of {', '.join(missing)}; put a mirror beside the checkout as shared/upstream")
    return load_bundles(
        bundles_in(MANIFESTS), manifests=MANIFESTS, places=PLACES, cache=cache_folder(), kustomize=Kustomize.pinned()
    )


@cache
def installed() -> tuple[KubeObject, ...]:
    """All objects as they are registered."""
    return from_bodies(applied(kubeflow())[1], origin="test")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (str(key), *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)


def containers(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in an object that has environment variables: containers of all kinds of workloads and templates."""
    if isinstance(value, dict):
        # schemas of CRDs have mappings by these names
        if isinstance(value.get("env") or value.get("envFrom"), list):
            yield value
        for inner in value.values():
            yield from containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from containers(inner)


@pytest.mark.site
def test_the_tables_know_every_secret_of_kubeflow() -> None:
    check(kubeflow())
    assert {place.bundle for place in (*REPLACED, *NO_SECRET)} <= {found.name for found in kubeflow()}


@pytest.mark.site
def test_no_known_value_is_left() -> None:
    def found(objects: list[Any]) -> set[str]:
        everything = "\n".join(texts(objects)) + "\n" + "\n".join(values(objects).values())
        return {known for known in KNOWN if known in everything}

    shipped = [item.body for item_bundle in kubeflow() for item in item_bundle.objects]
    assert found(shipped) == set(KNOWN) - {"12341234"}  # so that this test can fail
    bodies = [item.body for item in installed()]
    assert found(bodies) == set()
    names = {(item.secret.rpartition("/")[2], item.key) for item in NO_SECRET}
    left = {place for place, value in values(bodies).items() if value in KNOWN_WORDS}
    assert {(re.sub("-h[0-9a-z]{9}$", "", name), key) for name, key in left} <= names


@pytest.mark.site
def test_no_password_is_typed_in_an_environment() -> None:
    typed = {
        f"{item.ref} {variable['name']}"
        for item in installed()
        for container in containers(item.body)
        for variable in container.get("env") or []
        if variable.get("value") and SETTING.search(variable["name"]) and variable["name"] not in NAMES_OF_SETTINGS
    }
    assert typed == set()
    in_maps = {
        f"{item.ref} {key}"
        for item in installed()
        if item.kind == "ConfigMap"
        for key, value in (item.body.get("data") or {}).items()
        if SETTING.search(key) and value not in {"true", "false"} and not value.lstrip().startswith("{")
    }
    assert in_maps == set()
    assert not any("ALLOW_EMPTY_PASSWORD" in json.dumps(item.body, default=str) for item in installed())


@pytest.mark.site
def test_every_reference_to_a_secret_of_ours_finds_its_key() -> None:
    keys = {
        (item.namespace, item.name): {*(item.body.get("data") or {}), *(item.body.get("stringData") or {})}
        for item in installed()
        if item.kind == "Secret"
    }
    missing = [
        f"{item.ref} {variable['name']}"
        for item in installed()
        for container in containers(item.body)
        for variable in container.get("env") or []
        if (reference := (variable.get("valueFrom") or {}).get("secretKeyRef"))
        and reference["key"] not in keys.get((item.namespace, reference["name"]), {reference["key"]})
    ]
    assert missing == []
    readers = {
        (item.namespace, reference["name"])
        for item in installed()
        for container in containers(item.body)
        for reference in [
            *((variable.get("valueFrom") or {}).get("secretKeyRef") for variable in container.get("env") or []),
            *(source.get("secretRef") for source in container.get("envFrom") or []),
        ]
        if reference
    }
    # and every Secret that gets a value of ours has a reader; none is filled for nobody
    assert {f"{namespace}/{re.sub('-h[0-9a-z]{9}$', '', name)}" for namespace, name in readers} >= {p.secret for p in REPLACED}


@pytest.mark.site
def test_mysql_of_pipelines_has_the_password_that_its_clients_use() -> None:
    password = {"secretKeyRef": {"name": "mysql-secret", "key": "password"}}
    having = {
        item.name
        for item in installed()
        for container in containers(item.body)
        if any(variable.get("valueFrom") == password for variable in container.get("env") or [])
    }
    assert having == {"mysql", "cache-server", "metadata-grpc-deployment", "ml-pipeline"}


@pytest.mark.site
def test_the_first_user_owns_the_first_profile() -> None:
    (owner,) = (item.spec["owner"] for item in installed() if item.kind == "Profile")
    assert owner == {"kind": "User", "name": first_user(kubeflow())}
