"""A tracking plan: files against a source's schemas, schemas from events, TypeScript from schemas."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collector import store
from collector.errors import StoreError
from collector.plan import infer_plan

from ..support import ROOT, Collector, run

ORDER = {
    "type": "object",
    "properties": {
        "price": {"type": "number", "minimum": 0, "description": "In euros */"},
        "currency": {"enum": ["EUR", "GBP"]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "required": ["price"],
    "$defs": {
        "item": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "parts": {"$ref": "#/$defs/list"}},
            "required": ["name"],
        },
        "list": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
}
YAML = """
purchase-order:
  type: object
  properties:
    price: {type: number, minimum: 0}
  required: [price]
page-view: {}
"""


def folder_of(tmp_path: Path, name: str = "plan", **schemas: Any) -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    for event_type, schema in schemas.items():
        (folder / f"{event_type.replace('_', '-')}.json").write_text(json.dumps(schema))
    return folder


def shop(tmp_path: Path) -> tuple[str, list[str]]:
    db = ["--db", str(tmp_path / "x.db")]
    return run("source", "add", "A", *db).stdout.strip(), db


def test_a_plan_is_applied_as_a_whole_and_then_nothing_differs(tmp_path: Path) -> None:
    source, db = shop(tmp_path)
    of_source = ["--source", source, *db]
    plan = folder_of(tmp_path, purchase_order=ORDER, sign_up={"required": ["plan"]})
    (plan / "README.md").write_text("Ours.")
    tried = run("schema", "apply", plan, *of_source, "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "2 schemas would change. Nothing was changed.\n")
    assert run("schema", "diff", plan, *of_source).returncode == 1
    done = run("schema", "apply", plan, *of_source)
    assert done.stdout.splitlines() == [
        "+ purchase-order  (only in the plan)",
        "+ sign-up  (only in the plan)",
    ]
    assert done.stderr == "2 schemas changed.\n"
    same = run("schema", "diff", plan, *of_source)
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "")
    again = run("schema", "apply", plan, *of_source)
    assert (again.stdout, again.stderr) == ("", "The source has the plan's schemas.\n")


def test_a_difference_names_the_place_and_both_values(tmp_path: Path) -> None:
    source, db = shop(tmp_path)
    of_source = ["--source", source, *db]
    plan = folder_of(tmp_path, purchase_order=ORDER, refund={})
    run("schema", "apply", plan, *of_source)
    (plan / "refund.json").unlink()
    changed = json.loads(json.dumps(ORDER))
    changed["properties"]["price"]["minimum"] = 1
    changed["properties"]["price"]["maximum"] = 9
    changed["properties"].pop("currency")
    folder_of(tmp_path, purchase_order=changed, view=True)
    found = run("schema", "diff", plan, *of_source)
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "+ view  (only in the plan)",
        "~ purchase-order",
        '    /properties/currency: removed, was {"enum": ["EUR", "GBP"]}',
        "    /properties/price/maximum: added 9",
        "    /properties/price/minimum: 0 → 1",
        "- refund  (only in the source)",
    ]
    as_json = json.loads(run("schema", "diff", plan, *of_source, "--json").stdout)
    assert as_json["changed"]["purchase-order"][1:] == [
        {"pointer": "/properties/price/maximum", "after": 9},
        {"pointer": "/properties/price/minimum", "before": 0, "after": 1},
    ]
    kept = run("schema", "apply", plan, *of_source)
    assert "1 schema not in the plan: kept." in kept.stderr
    pruned = run("schema", "apply", plan, *of_source, "--prune")
    assert pruned.stderr == "1 schema changed.\n"
    assert run("schema", "diff", plan, *of_source).returncode == 0


def test_what_is_written_otherwise_and_means_the_same_is_no_difference(tmp_path: Path) -> None:
    source, db = shop(tmp_path)
    plan = folder_of(tmp_path, a={"type": "object", "required": ["x"]})
    run("schema", "apply", plan, "--source", source, *db)
    (plan / "a.json").write_text('{"required":\n["x"], "type": "object"}')
    assert run("schema", "diff", plan, "--source", source, *db).returncode == 0


def test_a_plan_with_one_broken_schema_changes_nothing(tmp_path: Path) -> None:
    source, db = shop(tmp_path)
    plan = folder_of(tmp_path, a={"required": ["x"]}, b={"type": "nope"})
    done = run("schema", "apply", plan, "--source", source, *db)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {plan}/b.json: Not a schema of draft 2020-12: /type:")
    assert "No schemas" in run("schema", "list", *db).stderr


def test_a_plan_in_memory_is_checked_as_a_whole_too(tmp_path: Path) -> None:
    collector = Collector(tmp_path)  # its database; nothing runs
    source = collector.add_source()
    plan = {"a": "{}", "b": '{"type": "nope"}'}
    with collector.database() as database, pytest.raises(StoreError, match="draft 2020-12"):
        store.apply_plan(database, source, plan)
    assert collector.rows("SELECT * FROM schemas") == []


def test_all_changes_of_a_plan_are_recorded_or_none_is_made(tmp_path: Path) -> None:
    collector = Collector(tmp_path)  # its database; nothing runs
    source = collector.add_source()
    plan = folder_of(tmp_path, a={}, b={}, c={})
    with collector.database() as database:
        database.conn.executescript(
            "CREATE TRIGGER audit_fails BEFORE INSERT ON audit WHEN new.object = 'c'"
            " BEGIN SELECT RAISE(ABORT, 'no room for it'); END"
        )
    of_source = ["--source", source, "--db", str(collector.db)]
    assert run("schema", "apply", plan, *of_source).returncode == 1
    assert collector.rows("SELECT * FROM schemas") == []
    with collector.database() as database:
        database.conn.executescript("DROP TRIGGER audit_fails")
    assert run("schema", "apply", plan, *of_source).returncode == 0
    rows = collector.rows("SELECT object FROM audit WHERE action = 'schema.set' ORDER BY seq")
    assert [row["object"] for row in rows] == ["a", "b", "c"]


def test_a_yaml_file_is_a_plan_too(tmp_path: Path) -> None:
    source, db = shop(tmp_path)
    (tmp_path / "plan.yaml").write_text(YAML)
    done = run("schema", "apply", tmp_path / "plan.yaml", "--source", source, *db)
    assert (done.returncode, done.stderr) == (0, "2 schemas changed.\n")
    shown = json.loads(run("schema", "show", source, "purchase-order", *db).stdout)
    assert shown["properties"] == {"price": {"type": "number", "minimum": 0}}


BOMB = "a: &a {enum: [x]}\n" + "".join(
    f"{name}: &{name} {{enum: [{', '.join(['*' + before] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.yaml", "a: {properties: {no: {}}}", "the key False is not text. Put it in quotes."),
        ("p.yaml", "a: {const: 2026-01-01}", "2026-01-01 is a date in YAML. Put it in quotes."),
        ("p.yaml", "a: {}\nb: {}\na: {}", "p.yaml:3: 'a' is there already."),
        ("p.yaml", "a: {minimum: .inf}", "not a schema: Out of range float values"),
        ("p.yaml", "a: !!python/object/apply:os.getcwd []", "is not YAML: could not determine"),
        ("p.yaml", "a: [", "is not YAML: while parsing a flow"),
        ("p.yaml", "a: &x {items: *x}", "not a schema: Circular reference detected"),
        ("p.yaml", BOMB, "the schema is larger than 256 KB."),
        ("p.yaml", "true: {}", "the type True is not text. Put it in quotes."),
        ("p.yaml", "[a]", "must be an object of types with their schemas."),
        ("p.yaml", "", "must be an object of types with their schemas."),
        ("p.json", "{", "is not JSON:"),
        ("p.json", "{}", "has no schemas. A plan is a folder of files such as"),
        ("p.toml", "", "is not a plan: a folder, or a .yaml, .yml or .json file."),
    ],
)
def test_what_is_no_plan_is_refused_with_place_and_cure(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    done = run("schema", "types", tmp_path / name)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("schema", "types", tmp_path / "absent.json")
    assert (done.returncode, done.stderr) == (
        2, f"Error: {tmp_path}/absent.json cannot be read: No such file or directory.\n",
    )  # fmt: skip


def orders(count: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "purchase-order",
            "properties": {
                "price": n + 0.5 if n == 3 else n,
                "count": n,
                "currency": ("EUR", "GBP")[n % 2],
                "id": f"018f3c2e-0000-7000-8000-{n:012}",
                "day": f"2026-01-{n + 1:02}",
                "name": f"Item {n}",
                "gift": n % 2 == 0,
                "note": None if n % 2 else "Thanks",
                "items": [{"sku": str(n), **({"size": 1} if n else {})}],
                **({"coupon": "X"} if n == 5 else {}),
            },
        }
        for n in range(count)
    ]


def infer(collector: Collector, events: list[dict[str, Any]], *more: str) -> dict[str, Any]:
    source = collector.add_source()
    body = {"source": {"id": source}, "events": events}
    assert collector.post(body).json()["errors"] == []
    done = run("schema", "infer", "--source", source, *more, "--db", str(collector.db))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_schemas_are_inferred_from_what_is_stored(collector: Collector) -> None:
    found = infer(collector, [*orders(20), {"type": "page-view", "properties": {}}])
    assert found["page-view"]["type"] == "object"
    order = found["purchase-order"]
    assert order["properties"] == {
        "count": {"type": "integer"},
        "coupon": {"type": "string"},
        "currency": {"type": "string", "enum": ["EUR", "GBP"]},
        "day": {"type": "string", "format": "date"},
        "gift": {"type": "boolean"},
        "id": {"type": "string", "format": "uuid"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"size": {"type": "integer"}, "sku": {"type": "string"}},
                "required": ["sku"],
            },
        },
        "name": {"type": "string"},
        "note": {"type": ["null", "string"], "enum": ["Thanks", None]},
        "price": {"type": "number"},
    }
    assert "coupon" not in order["required"]
    assert len(order["required"]) == 9


def test_few_events_prove_little(collector: Collector) -> None:
    order = infer(collector, orders(3))["purchase-order"]["properties"]
    assert order["count"] == {"type": "number"}
    assert order["currency"] == {"type": "string"}
    assert order["day"] == {"type": "string"}


def test_one_text_of_another_kind_is_enough_against_a_format() -> None:
    days = [f"{year}-01-{day:02}" for year in range(1900, 1950) for day in range(1, 29)]
    emails = ["ann@example.com", "bob@example.com"] * 10
    for texts, wanted in (
        (days, {"type": "string", "format": "date"}),
        ([*days, "soon"], {"type": "string"}),
        (emails, {"type": "string", "format": "email"}),
        ([*emails, "color:red"], {"type": "string"}),
    ):
        plan = infer_plan(("a", {"x": text}) for text in texts)
        assert json.loads(plan["a"])["properties"]["x"] == wanted


def test_keys_that_are_data_are_not_listed(collector: Collector) -> None:
    events = [{"type": "a", "properties": {"by_user": {f"u{n}": n for n in range(150)}}}]
    assert infer(collector, events)["a"]["properties"]["by_user"] == {"type": "object"}


def test_what_was_inferred_is_written_and_accepts_the_events_it_came_from(
    collector: Collector, tmp_path: Path
) -> None:
    source = collector.add_source()
    awkward: list[dict[str, Any]] = [
        {"type": name, "properties": {}} for name in ("a/b", "..", "x.schema", "Zürich 5%")
    ]
    collector.post({"source": {"id": source}, "events": [*orders(20), *awkward]})
    at, plan = ["--db", str(collector.db)], tmp_path / "inferred"
    of_source = ["--source", source, *at]
    done = run("schema", "infer", *of_source, "--into", plan)
    assert done.returncode == 0, done.stderr
    assert (plan / "purchase-order.json").exists()
    assert run("schema", "apply", plan, *of_source).returncode == 0
    listed = json.loads(run("schema", "list", "--json", *at).stdout)
    assert {one["type"] for one in listed} == {
        "a/b", "..", "x.schema", "Zürich 5%", "purchase-order",
    }  # fmt: skip
    tried = run("schema", "try", source, "purchase-order", plan / "purchase-order.json", *at)
    assert tried.returncode == 0, tried.stderr
    again = run("schema", "infer", *of_source, "--into", plan)
    assert again.returncode == 2
    assert "exists. Remove it, or name another folder." in again.stderr


def test_a_run_of_tests_is_inferred_from_alone(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    source, at = collector.add_source(), ["--db", str(collector.db)]
    for run_id, event_type in (("checkout-1", "order"), ("other", "refund"), ("", "page-view")):
        headers = {"X-ThamesThrive-Run": run_id} if run_id else {}
        event = {"type": event_type, "properties": {"price": 1.5}}
        collector.post({"source": {"id": source}, "events": [event]}, headers=headers)
    found = json.loads(run("schema", "infer", "--from-run", "checkout-1", *at).stdout)
    assert found["order"]["properties"] == {"price": {"type": "number"}}
    assert [*found] == ["order"]
    assert [*json.loads(run("schema", "infer", "--source", source, *at).stdout)] == ["page-view"]
    none = run("schema", "infer", "--from-run", "absent", *at)
    assert none.returncode == 1
    assert "nothing to infer a plan from" in none.stderr


def test_nothing_is_inferred_from_nothing(collector: Collector) -> None:
    at = ["--db", str(collector.db)]
    done = run("schema", "infer", "--source", collector.add_source(), *at)
    assert done.returncode == 1
    assert "nothing to infer a plan from" in done.stderr
    assert run("schema", "infer", *at).returncode == 2


def compiled(tmp_path: Path, code: str, *options: str) -> list[str]:
    """What the compiler says of a site's own code beside the declarations."""
    (tmp_path / "site.ts").write_text(code)
    tsc = ROOT / "js/node_modules/.bin/tsc"
    # npm from a Python package brings Node along, in the same folder.
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    files = [str(tmp_path / name) for name in ("site.ts", "tracking.d.ts")]
    done = subprocess.run(
        [tsc, "--noEmit", "--strict", "--pretty", "false", "--types", "", *options, *files],
        capture_output=True, text=True, check=False, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in (0, 1, 2), done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith(" ")]


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    """Declarations of a plan with what a schema can have."""
    plan = folder_of(
        tmp_path,
        purchase_order=ORDER,
        page_view={"type": "object", "properties": {"path": {"type": "string"}}},
        anything=True,
        open={"properties": {"a": {"type": "integer"}}, "additionalProperties": True},
        choice={
            "properties": {"by": {"oneOf": [{"type": "string"}, {"type": ["null", "number"]}]}}
        },
        closed={"type": "object", "additionalProperties": False},
        counts={"type": "object", "additionalProperties": {"type": "number"}},
        needs={"required": ["odd name"]},
    )
    done = run("schema", "types", plan)
    assert done.returncode == 0, done.stderr
    (tmp_path / "tracking.d.ts").write_text(done.stdout)
    return tmp_path


GOOD = """
window.tracker.track("purchase-order", { price: 13.45, currency: "EUR" });
window.tracker.track("purchase-order", { price: 1, items: [{ name: "a", parts: [{ name: "b" }] }] });
window.tracker.track("purchase-order", { price: 1 }, { fire: true, context: { a: 1 } });
window.tracker.track("page-view");
window.tracker.track("page-view", {});
window.tracker.track("page-view", null, { asBeacon: true });
window.tracker.track("anything", { x: [1] });
window.tracker.track("open", { a: 1, more: "x" });
window.tracker.track("choice", { by: null });
window.tracker.track("closed", {});
window.tracker.track("counts", { a: 1, b: 2 });
window.tracker.track("needs", { "odd name": 1, other: 2 });
window.tracker.push(["page-view", {}], ["purchase-order", { price: 2 }]);
void window.tracker.track("page-view").then((result) => result.stored || result.reason);
window.tracker.consent("granted");
"""


@pytest.mark.parametrize("options", [(), ("--exactOptionalPropertyTypes", "--isolatedModules")])
def test_calls_that_the_plan_allows_compile(declared: Path, options: tuple[str, ...]) -> None:
    assert compiled(declared, GOOD + ("export {};" if options else ""), *options) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"purchase-ordr", { price: 1 }', "'\"purchase-ordr\"' is not assignable to parameter"),
        ('"purchase-order", { prise: 1 }', "'prise' does not exist"),
        ('"purchase-order", { price: 1, colour: "x" }', "'colour' does not exist"),
        ('"purchase-order", { price: "13" }', "'string' is not assignable to type 'number'"),
        ('"purchase-order", { price: 1, currency: "USD" }', "'\"USD\"' is not assignable"),
        ('"purchase-order", { price: 1, items: [{}] }', "Property 'name' is missing"),
        ('"purchase-order", {}', "Property 'price' is missing"),
        ('"purchase-order"', "Expected 2-3 arguments, but got 1"),
        ('"page-view", { path: 1 }', "'number' is not assignable to type 'string'"),
        ('"closed", { a: 1 }', "'number' is not assignable to type 'never'"),
        ('"counts", { a: "x" }', "'string' is not assignable to type 'number'"),
        ('"needs", { other: 2 }', '"odd name"\' is missing'),
        ('"choice", { by: true }', "'string | number | null | undefined'"),
    ],
)
def test_a_call_that_the_plan_forbids_is_reported_on_its_line(
    declared: Path, call: str, message: str
) -> None:
    errors = compiled(
        declared, f"\nconst a = 1;\nwindow.tracker.track({call});\nwindow.tracker.flush();"
    )
    assert len(errors) == 1
    assert errors[0].startswith("site.ts(3,")
    assert message in errors[0]


def test_the_module_checks_the_plan_s_properties_too(declared: Path) -> None:
    shutil.copy(ROOT / "js" / "dist" / "tracker.d.ts", declared / "tracker.d.ts")
    head = """import { createTracker } from "./tracker";
const tracker = createTracker({ source: { id: "s" }, url: { api: "http://x" } });
"""
    module = ["--module", "esnext", "--moduleResolution", "bundler"]
    good = 'void tracker.track("purchase-order", { price: 1 });'
    assert compiled(declared, head + good, *module) == []
    (error,) = compiled(declared, head + good.replace("1", '"1"'), *module)
    assert error.startswith("site.ts(3,")


def test_hostile_names_and_words_stay_within_their_quotes(tmp_path: Path) -> None:
    evil = '"]; declare const x: 1; //\n*/'
    schema = {"properties": {evil: {"description": evil, "const": evil}}, "description": evil}
    (tmp_path / "plan.json").write_text(json.dumps({evil: schema}))
    done = run("schema", "types", tmp_path / "plan.json")
    (tmp_path / "tracking.d.ts").write_text(done.stdout)
    call = (
        f"window.tracker.track({json.dumps(evil)}, {{ {json.dumps(evil)}: {json.dumps(evil)} }});"
    )
    assert compiled(tmp_path, call) == []
    assert len(compiled(tmp_path, f"{call}\nx;")) == 1
