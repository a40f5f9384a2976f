"""The published shapes of what machines read: a report as JSON, and JUnit's XML as test views take it."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[1] / "docs" / "report.schema.json"

_SUITE = {"name", "tests", "failures", "skipped"}
_CASE = {"name", "classname"}


@cache
def validator() -> Draft202012Validator:
    """The JSON Schema of ``docs/report.schema.json``."""
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def assert_valid_report(document: Any) -> None:
    """Fail unless a parsed report has the published shape, table names are unique and each row has its columns."""
    validator().validate(document)
    names = [table["name"] for table in document["tables"]]
    assert names and len(names) == len(set(names))
    for table in document["tables"]:
        columns = {column["name"] for column in table["columns"]}
        for row in table["rows"]:
            assert row.keys() - {"rest"} == columns - {"rest"}, table["name"]


def assert_valid_junit(text: str) -> ElementTree.Element:
    """Fail unless XML is what Jenkins and GitLab accept as JUnit; return its root.

    Their schema as far as streamaudit uses it: suites hold cases and then one system-out; a case has a name and a
    class, properties first and then at most one outcome, which has a message; a suite counts its cases.
    """
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites" and set(root.attrib) == {"name"}
    for suite in root:
        assert suite.tag == "testsuite" and set(suite.attrib) == _SUITE
        cases = suite.findall("testcase")
        assert [each.tag for each in suite] in (["testcase"] * len(cases), ["testcase"] * len(cases) + ["system-out"])
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
        for case in cases:
            _assert_valid_case(case)
    return root


def _assert_valid_case(case: ElementTree.Element) -> None:
    assert set(case.attrib) == _CASE and all(case.attrib.values())
    tags = [each.tag for each in case]
    assert tags in ([], ["properties"], ["failure"], ["skipped"], ["properties", "failure"], ["properties", "skipped"])
    for each in case.findall("properties/property"):
        assert set(each.attrib) == {"name", "value"}
    for outcome in (*case.findall("failure"), *case.findall("skipped")):
        assert outcome.attrib["message"]
