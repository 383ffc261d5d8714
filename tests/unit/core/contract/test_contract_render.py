"""Contracts as rows, as owners, as code references, and as stored text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.model import Contract
from tamid.core.contract.parse import parse
from tamid.core.contract.references import code_references
from tamid.core.contract.render import owners, rows, written
from tamid.core.contract.stored import from_json, to_json
from tamid.core.errors import ContractError
from tamid.core.values import Role

ASSETS = Path(__file__).parents[3] / "assets" / "contracts"


def contract(name: str) -> Contract:
    """Return a contract of the assets."""
    return parse(read((ASSETS / name).read_bytes(), name))


def test_every_block_has_its_owner_and_team() -> None:
    """Both roles own the data, one the training, one the service."""
    by_block = {b.block: b for b in owners(contract("everything.yaml"))}
    assert by_block["training"].roles == (Role.ML_DEVELOPER,)
    assert by_block["service"].teams == ("ops-team",)
    assert by_block["data"].roles == (Role.ML_DEVELOPER, Role.MLOPS_ENGINEER)
    assert all(b.roles and b.doc for b in by_block.values())


def test_rows_tell_written_keys_from_defaults() -> None:
    """Each key has its value in short form; what was left out is marked."""
    by_path = {r.path: r for r in rows(contract("everything.yaml"))}
    assert by_path["goal.by"].value == "15%"
    assert by_path["data.schema.plan.allowed"].value == "[basic, plus, fibre]"
    assert by_path["service.fallback"].value == (
        "[previous, reduced, last_score: 2w, rule: rules.py:score, default: 0.27]"
    )
    assert by_path["service.size_mb"].is_default
    assert not by_path["service.p99_ms"].is_default
    assert by_path["service.p99_ms"].owner == "mlops_engineer"


def test_a_password_that_got_in_is_not_shown() -> None:
    """Values built in code are hidden like those that the parser refuses."""
    assert "pw" not in written("postgresql://me:pw@host/db")


def test_code_references_name_every_function_of_the_user() -> None:
    """Features, model and rules; a built-in model is no code."""
    found = code_references(contract("everything.yaml"))
    assert [(r.file, r.function) for r in found] == [
        ("features.py", "build"), ("model.py", "build"), ("rules.py", "score"),
    ]  # fmt: skip
    assert code_references(contract("smallest.yaml")) == ()


@pytest.mark.parametrize("name", ["everything.yaml", "smallest.yaml"])
def test_a_stored_contract_comes_back_the_same(name: str) -> None:
    """The canonical JSON is the contract, through our reader and as YAML of a bare form."""
    before = contract(name)
    assert from_json(to_json(before)) == before
    assert to_json(from_json(to_json(before))) == to_json(before)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", '{"tamid":1}', '{"tamid":9}'])
def test_what_is_no_stored_contract_is_refused(text: str) -> None:
    """A damaged text gives a contract error and nothing else."""
    with pytest.raises(ContractError):
        from_json(text)
