"""Holds dashboards against the schema of their version: FILE... as arguments. Says what is wrong, and exits with 1."""

import json
import pathlib
import sys

import jsonschema

here = pathlib.Path(__file__).parent
schemas = {version: json.loads((here / f"schema{version}.json").read_text()) for version in (16, 39)}


def wrong(value, schema, name, where):
    """What is wrong with `value` by one definition of `schema`."""
    part = {"definitions": schema["definitions"], "$ref": f"#/definitions/{name}"}
    for error in jsonschema.Draft7Validator(part).iter_errors(value):
        place = "/".join(str(step) for step in error.absolute_path)
        yield f"{where}: {place}: {error.message[:300]}"


def check(path):
    board = json.loads(pathlib.Path(path).read_text())
    schema = schemas[board["schemaVersion"]]
    yield from wrong(board, schema, "dashboard", path)
    for panel in board["panels"]:
        where = f"{path}: panel {panel['id']}"
        # Options are free in a dashboard's schema; those of each panel's plugin are not.
        for kind, name, value in [
            ("timeseries", "timeseriesOptions", lambda: panel["options"]),
            ("timeseries", "timeseriesCustom", lambda: panel["fieldConfig"]["defaults"]["custom"]),
            ("stat", "statOptions", lambda: panel["options"]),
        ]:
            if panel["type"] == kind:
                yield from wrong(value(), schema, name, where)


found = [line for path in sys.argv[1:] for line in check(path)]
print("\n".join(found))
sys.exit(bool(found) or len(sys.argv) < 2)
