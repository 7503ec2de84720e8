"""The report as SARIF: of the shape that its schema requires, with every finding in it."""

import json
from typing import Any

import jsonschema_rs

from collector.verify import CODES, Check, CouldNotLook, run_stages
from collector.verify.sarif import sarif_of

from .test_report import HINT, PROBLEM, Stage

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "message": TEXT,
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                },
                "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        },
    },
}
# What the schema of SARIF 2.1.0 asks of the parts that are used.
SHAPE = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": TEXT,
                                                "helpUri": {"type": "string", "format": "uri"},
                                                "defaultConfiguration": {
                                                    "properties": {"level": LEVEL}
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "required": ["executionSuccessful"],
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "exitCode": {"type": "integer"},
                                "toolExecutionNotifications": {"items": {"required": ["message"]}},
                            },
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "required": ["message"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": LEVEL,
                                "message": TEXT,
                                "locations": {"type": "array", "items": LOCATION},
                                "relatedLocations": {"type": "array", "items": LOCATION},
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
}
URL = "https://shop.example/a b?c=ü"


def sarif(*stages: Stage) -> dict[str, Any]:
    log = sarif_of(run_stages(Check(URL), stages), "1.2.3", "https://docs.example/")
    decoded: dict[str, Any] = json.loads(json.dumps(log))
    validator = jsonschema_rs.validator_for(SHAPE, validate_formats=True)
    assert [str(error) for error in validator.iter_errors(decoded)] == []
    return decoded


def test_each_finding_is_a_result_with_rule_level_line_and_cure() -> None:
    (run,) = sarif(Stage("static", PROBLEM, HINT))["runs"]
    problem, hint = run["results"]
    assert run["tool"]["driver"]["rules"][problem["ruleIndex"]]["id"] == problem["ruleId"] == "V012"
    assert (problem["level"], hint["level"]) == ("error", "note")
    assert "Cure: " in problem["message"]["text"]
    place = problem["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] == 3
    assert place["artifactLocation"]["uri"] == "https://shop.example/a%20b?c=%C3%BC"


def test_all_codes_are_rules_that_link_to_the_reference() -> None:
    rules = sarif(Stage("static"))["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*CODES]
    assert rules[0]["helpUri"] == "https://docs.example/reference/verify#v001"


def test_a_stage_that_could_not_look_is_told_too() -> None:
    (run,) = sarif(Stage("browser", CouldNotLook("There is no Chromium.")))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 2
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == "browser: There is no Chromium."
