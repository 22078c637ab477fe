"""Credentials of our own in place of those that Kubeflow ships and everybody knows.

What is generated, and the keys of Secrets that it goes to, are two tables. A key of a Secret that neither stands in them nor is
known to hold no secret is an error: another version of Kubeflow brings no password unseen.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_random as random
import yaml

from components.outputs import LayerOutputs
from mlops.bundles import Bundle
from mlops.errors import Problem, UserError
from mlops.ordering import KubeObject

_TABLES = "components/kubeflow/credentials.py"
_HASH = re.compile(r"-[bcdfghkmt2456789]{10}$")  # what kustomize appends to the names that it generates


@dataclass(frozen=True, slots=True)
class Password:
    """Letters and digits: it goes through shells, SQL, URLs and data source names unchanged.

    Attributes:
        length: number of characters.
    """

    length: int = 32


@dataclass(frozen=True, slots=True)
class Key:
    """Octets in the URL-safe base64 alphabet.

    Attributes:
        octets: number of octets before encoding.
    """

    octets: int


@dataclass(frozen=True, slots=True)
class Place:
    """One key of one Secret.

    Attributes:
        bundle: bundle that the Secret is in.
        secret: namespace and name; without the hash that kustomize appends to a generated name.
        key: key in ``data`` or ``stringData``.
    """

    bundle: str
    secret: str
    key: str

    def __str__(self) -> str:
        return f"bundle {self.bundle}, Secret {self.secret}, key {self.key}"


def bcrypt_of(credential: str) -> str:
    """Name of the bcrypt hash of a password in :data:`GENERATED`."""
    return f"bcrypt of {credential}"


FIRST_USER = "first-user"

GENERATED: Mapping[str, Password | Key] = {
    FIRST_USER: Password(20),
    "login-client": Password(),
    # oauth2-proxy wants the key of AES, and decodes this alphabet only (its pkg/encryption/utils.go)
    "session-cookies": Key(32),
    "object-store": Password(),
    "pipelines-database": Password(),
    "katib-database": Password(),
    "model-registry-database": Password(),
    "model-catalog-database": Password(),
}

REPLACED: Mapping[Place, str] = {
    Place("dex", "auth/dex-passwords", "DEX_USER_PASSWORD"): bcrypt_of(FIRST_USER),
    Place("dex", "auth/dex-oidc-client", "OIDC_CLIENT_SECRET"): "login-client",
    Place("oauth2-proxy", "oauth2-proxy/oauth2-proxy", "client-secret"): "login-client",
    Place("oauth2-proxy", "oauth2-proxy/oauth2-proxy", "cookie-secret"): "session-cookies",
    Place("pipelines", "kubeflow/mlpipeline-minio-artifact", "secretkey"): "object-store",
    Place("pipelines", "kubeflow/mysql-secret", "password"): "pipelines-database",
    Place("katib", "kubeflow/katib-mysql-secrets", "MYSQL_ROOT_PASSWORD"): "katib-database",
    Place("model-registry", "kubeflow-user-example-com/model-registry-db-secrets", "POSTGRES_PASSWORD"): "model-registry-database",
    Place("model-catalog", "kubeflow/model-catalog-postgres", "POSTGRES_PASSWORD"): "model-catalog-database",
}

NO_SECRET: Mapping[Place, str] = {
    Place("dex", "auth/dex-oidc-client", "OIDC_CLIENT_ID"): "name of the client",
    Place("oauth2-proxy", "oauth2-proxy/oauth2-proxy", "client-id"): "name of the client",
    # SeaweedFS changes the secret key of an access key that it knows; another access key it takes in beside the first, which
    # stays good (its weed/shell/command_s3_configure.go). So this name stays the same when the secret key changes.
    Place("pipelines", "kubeflow/mlpipeline-minio-artifact", "accesskey"): "name of the account",
    Place("pipelines", "kubeflow/mysql-secret", "username"): "name of the user",
    Place("model-registry", "kubeflow-user-example-com/model-registry-db-secrets", "POSTGRES_USER"): "name of the user",
    Place("model-catalog", "kubeflow/model-catalog-postgres", "POSTGRES_USER"): "name of the user",
    # opens nothing, and no source of the catalogue asks for it
    Place("model-catalog", "kubeflow/model-catalog-hf-api-key", "HF_API_KEY"): "text that says where a key would go",
}


@dataclass(frozen=True, kw_only=True)
class CredentialsArgs:
    """What credentials are for.

    Attributes:
        bundles: bundles of Kubeflow as they are rendered; those that are left out need no credentials.
    """

    bundles: Iterable[Bundle]


class Credentials(pulumi.ComponentResource):
    """Generated credentials: made once, kept in the state, the same in every run.

    Attributes:
        bundles: the bundles, with outputs in their Secrets in place of what upstream ships.
        outputs: the first user's password.
    """

    bundles: tuple[Bundle, ...]
    outputs: LayerOutputs

    def __init__(self, name: str, args: CredentialsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("onprem-mlops:kubeflow:Credentials", name, {}, opts)
        bundles = tuple(args.bundles)
        check(bundles)
        present = {bundle.name for bundle in bundles}
        wanted = {place: credential for place, credential in REPLACED.items() if place.bundle in present}
        made: dict[str, pulumi.Output[str]] = {}
        for credential in GENERATED:
            if {credential, bcrypt_of(credential)} & set(wanted.values()):
                made |= self._made(name, credential)
        values = {place: made[credential] for place, credential in wanted.items()}
        self.bundles = tuple(replace(bundle, objects=tuple(_filled(bundle, values))) for bundle in bundles)
        self.outputs = LayerOutputs(
            initial_credentials={f"kubeflow/{first_user(bundles)}": made[FIRST_USER]} if FIRST_USER in made else {}
        )
        self.register_outputs({})

    def _made(self, name: str, credential: str) -> Mapping[str, pulumi.Output[str]]:
        """The credential, and its hash where it is a password."""
        options = pulumi.ResourceOptions(parent=self)
        kind = GENERATED[credential]
        if isinstance(kind, Key):
            key = random.RandomBytes(f"{name}-{credential}", length=kind.octets, opts=options)
            return {credential: key.base64.apply(lambda text: text.translate(str.maketrans("+/", "-_")))}
        password = random.RandomPassword(f"{name}-{credential}", length=kind.length, special=False, opts=options)
        return {credential: password.result, bcrypt_of(credential): password.bcrypt_hash}


def check(bundles: Iterable[Bundle]) -> None:
    """Hold the Secrets of bundles against the tables.

    Raises:
        UserError: a place that is not there, and a key that no table knows.
    """
    bundles = tuple(bundles)
    present = {bundle.name for bundle in bundles}
    expected = {place for place in (*REPLACED, *NO_SECRET) if place.bundle in present}
    found = {place for bundle in bundles for item in bundle.objects for place, *_ in _places(bundle, item)}
    problems = [
        Problem(
            str(place),
            "no such key in what upstream ships",
            "the places where credentials go",
            f"find where upstream has moved it, and correct {_TABLES}",
        )
        for place in sorted(expected - found, key=str)
    ]
    problems += [
        Problem(
            str(place),
            "a value that upstream ships, known to everybody",
            "values that are generated, or are no secret",
            f"enter it in REPLACED or NO_SECRET of {_TABLES}",
        )
        for place in sorted(found - expected, key=str)
    ]
    if problems:
        raise UserError("the credentials of Kubeflow are not those that are known", problems)


def first_user(bundles: Iterable[Bundle]) -> str:
    """E-mail address of the one user that Dex knows.

    Raises:
        UserError: Dex is not among the bundles, or it knows none or several.
    """
    configurations = (
        item.body["data"]["config.yaml"]
        for bundle in bundles
        for item in bundle.objects
        if (bundle.name, item.kind, item.name) == ("dex", "ConfigMap", "dex")
    )
    emails = [user["email"] for text in configurations for user in yaml.safe_load(text).get("staticPasswords", ())]
    if len(emails) != 1:
        problem = Problem("bundle dex, ConfigMap auth/dex, staticPasswords", ", ".join(emails), "one user, the first")
        raise UserError("it is not clear who the first user is", [problem])
    return str(emails[0])


def _places(bundle: Bundle, item: KubeObject) -> Iterator[tuple[Place, str, str]]:
    """Each key of a Secret: its place, the field and the key."""
    if (item.group, item.kind) == ("", "Secret"):
        secret = f"{item.namespace}/{_HASH.sub('', item.name)}"
        for field in ("data", "stringData"):
            for key in item.body.get(field) or {}:
                yield Place(bundle.name, secret, key), field, key


def _filled(bundle: Bundle, values: Mapping[Place, pulumi.Output[str]]) -> Iterator[KubeObject]:
    for item in bundle.objects:
        body: dict[str, Any] = dict(item.body)
        for place, field, key in _places(bundle, item):
            if place in values:
                body[field] = {**body[field], key: values[place].apply(_encoded) if field == "data" else values[place]}
        yield replace(item, body=body)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
