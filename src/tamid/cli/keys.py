"""The keys that sign bundles: which there are, a new one, one that is trusted no longer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import acting, add_example
from tamid.config import find
from tamid.core.errors import UsageError

if TYPE_CHECKING:
    from tamid.cli.output import Output
    from tamid.wiring import KeyFolder

OPERATOR = frozenset({"mlops_engineer"})


def add_list_keys(parser: ArgumentParser) -> None:
    """Declare the arguments of `keys`."""
    add_example(parser, "tamid keys")


def list_keys(args: Namespace, out: Output) -> int:
    """List the keys that this workspace trusts, and the one that it signs with."""
    known = _keys(args).known()
    states = {True: "revoked", False: "trusted"}
    rows = [(k.id, states[k.revoked], "signs" if k.signs else "") for k in known]
    out.table(("key", "state", "use"), rows, title="keys")
    out.json({"keys": list(known)})
    return 0


def add_rotate(parser: ArgumentParser) -> None:
    """Declare the arguments of `keys rotate`."""
    add_example(parser, "tamid keys rotate --as mlops_engineer")


def rotate(args: Namespace, out: Output) -> int:
    """Sign with a new key from now on; what the old one signed stays trusted."""
    acting(args, "rotate the signing key", OPERATOR)
    key = _keys(args).rotate()
    out.text(f"Bundles are signed with {key} from now on; the old key stays trusted.")
    out.json({"key": key})
    return 0


def add_revoke(parser: ArgumentParser) -> None:
    """Declare the arguments of `keys revoke`."""
    parser.add_argument("key", help="id of the key, as `tamid keys` lists it")
    add_example(parser, "tamid keys revoke 3f9a1c2b --as mlops_engineer")


def revoke(args: Namespace, out: Output) -> int:
    """Trust a key no longer: no bundle that only it signed is loaded again."""
    acting(args, "revoke a key", OPERATOR)
    _keys(args).revoke(args.key)
    out.text(f"{args.key} is revoked: bundles that it signed are refused from now on.")
    out.json({"revoked": args.key})
    return 0


def add_export(parser: ArgumentParser) -> None:
    """Declare the arguments of `keys export`."""
    parser.add_argument("key", help="id of the key, as `tamid keys` lists it")
    parser.add_argument("file", type=Path, help="where to write the public key (PEM)")
    add_example(parser, "tamid keys export 3f9a1c2b churn-team.pem")


def export(args: Namespace, out: Output) -> int:
    """Write a public key to a file, for those who are to verify what it signed."""
    args.file.write_bytes(_keys(args).export(args.key))
    out.text(f"The public key {args.key} is in {args.file}.")
    out.json({"key": args.key, "file": str(args.file)})
    return 0


def add_trust(parser: ArgumentParser) -> None:
    """Declare the arguments of `keys trust`."""
    parser.add_argument("file", type=Path, help="a public key (PEM), as `tamid keys export` wrote")
    add_example(parser, "tamid keys trust churn-team.pem --as mlops_engineer")


def trust(args: Namespace, out: Output) -> int:
    """Trust another workspace's key: bundles that it signed are loaded here from now on."""
    acting(args, "trust a key", OPERATOR)
    try:
        pem = args.file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{args.file} cannot be read: {error.strerror}",
            fix="Name a file that `tamid keys export` wrote.",
        ) from None
    keys = _keys(args)
    key = keys.trust(pem)
    revoked = any(known.id == key and known.revoked for known in keys.known())
    out.text(f"{key} is known here, but revoked: what it signed stays refused." if revoked
             else f"{key} is trusted: bundles that it signed are loaded.")  # fmt: skip
    out.json({"key": key, "revoked": revoked})
    return 0


def _keys(args: Namespace) -> KeyFolder:
    from tamid.wiring import keys_in

    return keys_in(find(args.workspace).store)
