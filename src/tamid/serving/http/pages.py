"""The OpenAPI document of a version, and a page to read it: no script, nothing from elsewhere."""

from __future__ import annotations

import html
import json
from typing import Any

import tamid
from tamid.serving.values import Input, Served

POLICY = b"default-src 'none'; style-src 'unsafe-inline'"
_TYPES = {
    "number": "number", "integer": "integer", "boolean": "boolean",
    "category": "string", "text": "string", "datetime": "string",
}  # fmt: skip
_LABEL: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "value"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "value": {"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 200},
        "at": {"type": ["string", "null"], "format": "date-time"},
    },
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.2rem .6rem;text-align:left}"
    "pre{background:#f4f4f4;padding:.8rem;overflow:auto}"
)


def openapi(served: Served, *, root: str = "", token: bool = False) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document for one version.

    `root`: the path under which another application has mounted the server. `token`: callers must
    show one.
    """
    schemas = dict[str, Any](Row=_row(served), Answer=_answer(), Error=_error())
    row: dict[str, Any] = {"$ref": "#/components/schemas/Row"}
    if served.entity:
        schemas["Entity"] = _entity(served, schemas["Row"]["properties"])
        row = {"anyOf": [row, {"$ref": "#/components/schemas/Entity"}]}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": served.name, "version": str(served.number), "x-tamid": tamid.__version__},
        "servers": [{"url": root or "/"}],
        "paths": _paths(served.name, row),
        "components": {"schemas": schemas},
    }
    if token:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _paths(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return the routes of a model; `row`: the schema of a row."""
    answer = {"$ref": "#/components/schemas/Answer"}
    answers: dict[str, Any] = {
        "type": "object",
        "properties": {"answers": {"type": "array", "items": answer}},
    }
    return {
        f"/v1/models/{name}/predict": {
            "post": {
                "summary": "Answer one row, or an array of rows",
                "parameters": [_explain()],
                "requestBody": _body({"oneOf": [row, {"type": "array", "items": row}]}),
                "responses": _responses({"oneOf": [answer, answers]}),
            }
        },
        f"/v1/models/{name}/labels": {
            "post": {
                "summary": "Send back what came true, by the id of an answer",
                "requestBody": _body({"oneOf": [_LABEL, {"type": "array", "items": _LABEL}]}),
                "responses": {
                    "202": _responses({"type": "object"})["200"],
                    **{k: v for k, v in _responses({"type": "object"}).items() if k != "200"},
                },
            }
        },
        f"/v1/models/{name}": _get("What the model takes and gives"),
        "/invocations": {
            "post": {
                "summary": "dataframe_split, dataframe_records, instances, inputs, or CSV",
                "requestBody": _body({"type": "object"}, csv=True),
                "responses": _responses({"type": "object"}),
            }
        },
        "/ping": _get("Is there a version that answers?"),
        "/healthz": _get("Is the process alive?"),
        "/readyz": _get("Is there a version that answers?"),
        "/metrics": _get("Prometheus metrics"),
        "/v2": _get("Open Inference Protocol: the server"),
        f"/v2/models/{name}": _get("Open Inference Protocol: the model"),
        f"/v2/models/{name}/infer": {
            "post": {
                "summary": "Open Inference Protocol: tensors as JSON, or packed",
                "requestBody": _body({"type": "object", "required": ["inputs"]}),
                "responses": _responses({"type": "object"}),
            }
        },
    }


def about(served: Served) -> dict[str, Any]:
    """Return what a version says of itself."""
    return {
        "name": served.name,
        "version": served.number,
        "bundle": served.bundle,
        "overlay": served.overlay,
        "task": served.task.value,
        "classes": list(served.classes),
        "threshold": served.threshold,
        "deadline_ms": served.deadline * 1000,
        "ladder": [step.rung for step in served.steps],
        "inputs": _row(served),
    }


def page(document: dict[str, Any]) -> str:
    """Return the document as a page."""
    title = html.escape(document["info"]["title"])
    version = html.escape(document["info"]["version"])
    routes = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(about['summary'])}</td></tr>"
        for path, methods in document["paths"].items()
        for method, about in methods.items()
    )
    row = document["components"]["schemas"]["Row"]
    inputs = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td>"
        f"<td><code>{html.escape(json.dumps(kind, ensure_ascii=False))}</code></td></tr>"
        for name, kind in row["properties"].items()
    )
    example = html.escape(json.dumps(row["example"], ensure_ascii=False, indent=2))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1><p>Version {version} answers. The same as a "
        "document: <a href=openapi.json>openapi.json</a>.</p>"
        f"<h2>Routes</h2><table>{routes}</table><h2>Columns of a row</h2><table>{inputs}</table>"
        f"<h2>An example</h2><pre>{example}</pre></html>"
    )


def _row(served: Served) -> dict[str, Any]:
    properties = {i.name: _property(i) for i in (*served.inputs, *served.beside)}
    properties["_id"] = {"type": ["string", "null"], "minLength": 1, "maxLength": 200}
    properties["_entity"] = {"type": ["string", "integer", "null"]}
    if served.entity:
        properties.setdefault(served.entity, {"type": ["string", "integer", "null"]})
    if served.moment:
        properties.setdefault(served.moment, {"type": ["string", "null"], "format": "date-time"})
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": [i.name for i in served.inputs if not i.nullable and i.name != served.time],
        "example": {i.name: _example(i) for i in served.inputs},
    }


def _entity(served: Served, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a row that names its entity alone: its features are looked up."""
    names = dict.fromkeys(("_id", "_entity", served.entity, served.moment))
    named = {name: properties[name] for name in names if name is not None}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**named, served.entity: {"type": ["string", "integer"]}},
        "required": [served.entity],
    }


def _property(given: Input) -> dict[str, Any]:
    kind = _TYPES[given.kind]
    found: dict[str, Any] = {"type": [kind, "null"] if given.nullable else kind}
    if given.min is not None:
        found["minimum"] = given.min
    if given.max is not None:
        found["maximum"] = given.max
    if given.allowed is not None:
        found["enum"] = [*sorted(given.allowed), *([None] if given.nullable else [])]
    if given.kind == "datetime":
        found["format"] = "date-time"
    return found


def _example(given: Input) -> Any:
    if given.allowed:
        return min(given.allowed)
    if given.kind in ("number", "integer"):
        low = given.min if given.min is not None else min(0.0, given.max or 0.0)
        return int(low) if given.kind == "integer" else low
    if given.kind == "datetime":
        return "2026-01-04T00:00:00Z"
    return False if given.kind == "boolean" else "text"


def _answer() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "number"}
    return {
        "type": "object",
        "required": ["id", "score", "version", "rung", "reason"],
        "properties": {
            "id": text,
            "score": {"type": ["number", "null"]},
            "classes": {"type": "object", "additionalProperties": number},
            "decision": {"type": "integer"},
            "class": text,
            "band": text,
            "version": {"type": "integer"},
            "rung": text,
            "reason": text,
            "age": number,
            "features_age": number,
            "control": {"type": "boolean"},
            "explanation": {"type": "object", "additionalProperties": number},
        },
    }


def _error() -> dict[str, Any]:
    text = {"type": "string"}
    fields = {"id": text, "code": text, "message": text}
    fields["problems"] = {"type": "array", "items": text}  # type: ignore[dict-item]
    error = {"type": "object", "required": ["id", "code", "message"], "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}


def _get(summary: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": "yes"}}}}


def _explain() -> dict[str, Any]:
    kind = {"type": "string", "enum": ["0", "1"]}
    return {"name": "explain", "in": "query", "required": False, "schema": kind}


def _body(schema: dict[str, Any], *, csv: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"required": True, "content": content}


def _responses(schema: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    told = {
        "400": "it cannot be read", "401": "no token", "408": "it came too slowly",
        "413": "too much", "415": "another kind of body", "421": "a foreign Host",
        "422": "outside the contract", "503": "no version answers yet",
    }  # fmt: skip
    found: dict[str, Any] = {
        "200": {"description": "answered", "content": {"application/json": {"schema": schema}}}
    }
    return found | {s: {"description": text, "content": error} for s, text in told.items()}
