"""`tamid export image`: the model server with the version in force as a container image."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.cli.desk import add_example
from tamid.config import find

if TYPE_CHECKING:
    from tamid.cli.output import Output


def add_image(parser: ArgumentParser) -> None:
    """Declare the arguments of `export image`."""
    parser.add_argument(
        "name", nargs="?", metavar="MODEL", help="the model (needed if there are several)"
    )
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="the OCI archive to write"
    )
    parser.add_argument(
        "--image", default="", metavar="NAME:TAG",
        help="name under which engines load it (default: localhost/MODEL:VERSION)",
    )  # fmt: skip
    add_example(
        parser,
        "tamid export image churn --to churn.tar",
        "tamid export image --to out/churn.tar --image registry.example/churn:3",
    )


def image(args: Namespace, out: Output) -> int:
    """Write the image; no engine and no root are needed."""
    from tamid.imaging import export_image

    made = export_image(find(args.workspace), args.name, args.to, args.image)
    out.json(made)
    kind = "compiled, without a machine learning library" if made.small else "with its libraries"
    out.text(f"{made.model} version {made.version}, {kind}: {made.file}, {made.size / 1e6:.0f} MB")
    out.text(f"{made.digest}")
    out.text(f"loads as {made.name}: podman load -i {made.file}")
    for path in made.needs:
        out.text(f"needs a secret of this workspace, mounted at {path}")
    return 0
