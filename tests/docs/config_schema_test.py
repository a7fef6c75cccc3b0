#!/usr/bin/env python3
"""Holds config/operator.schema.json to what codeexec-controller accepts: keys, types, bounds, choices, defaults.

The program is asked, not its source: each claim of the schema becomes a configuration that it reads or refuses.
"""

import concurrent.futures
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ["CODEEXEC_BINARY_DIR"]) / "bin/codeexec-controller"
SCHEMA = json.loads((ROOT / "config/operator.schema.json").read_text())
MANIFEST = """apiVersion: codeexec.dev/v1alpha1
kind: CodeExecution
metadata: {name: any}
spec: {code: x}
"""


def resolve(schema):
    while "$ref" in schema:
        target = SCHEMA
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def places(schema=None, path=()):
    """Every place of the schema that a configuration can reach, with an example for names and list entries."""
    schema = resolve(SCHEMA if schema is None else schema)
    if "anyOf" in schema:
        schema = resolve(schema["anyOf"][0])
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from places(below, (*path, name))
    if isinstance(schema.get("additionalProperties"), dict):
        # A runtime has a name of its own; labels and the like are plain values.
        if path == ("runtimes",):
            yield from places(schema["additionalProperties"], (*path, "added"))
    if schema.get("items", {}).get("properties"):
        yield from places(schema["items"], (*path, 0))


def around(path, value):
    """The smallest configuration that has the value at this place, complete where a part of it must be."""
    for key in reversed(path):
        value = [value] if key == 0 else {key: value}
    return complete(copy.deepcopy(value))


def complete(config):
    for entry in config.get("namespaceOverrides") or []:
        if isinstance(entry, dict):
            entry.setdefault("namespaces", ["some"])
            complete_pod(entry.get("pod"))
    for entry in (config.get("runtimes") or {}).values():
        if isinstance(entry, dict):
            for name, value in (("image", "image:1"), ("command", ["run"]), ("file", "main.txt")):
                entry.setdefault(name, value)
    complete_pod(config.get("pod"))
    return config


def complete_pod(pod):
    for entry in (pod or {}).get("tolerations") or []:
        if isinstance(entry, dict) and "key" not in entry:
            entry["key"] = "some"
        if isinstance(entry, dict) and "tolerationSeconds" in entry:
            entry["effect"] = "NoExecute"


def read(config):
    """What the program says of a configuration: "" where it takes it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(yaml.safe_dump(config))
        file.flush()
        done = subprocess.run(
            [str(PROGRAM), "check", "--config", file.name, "-"], input=MANIFEST, capture_output=True, text=True
        )
    if done.returncode == 2:
        return done.stderr.strip()
    # 1: the execution would not run with it, which is no fault of the configuration's form.
    return ""


def read_all(configs):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, configs))


class ConfigurationSchema(unittest.TestCase):
    maxDiff = None

    def test_has_the_keys_that_the_program_knows_and_no_others(self):
        closed = [(path, one) for path, one in places() if one.get("additionalProperties") is False]
        self.assertGreater(len(closed), 30)
        said = read_all(around((*path, "noSuchKey"), 1) for path, one in closed)
        for (path, schema), message in zip(closed, said):
            known = re.search(r"unknown (?:key|resource) \(known: ([^)]*)\)", message)
            self.assertTrue(known, f"{path}: {message!r}")
            self.assertEqual(set(known[1].split(", ")), set(schema["properties"]), path)

    def test_has_the_bounds_of_every_number(self):
        numbers = [(path, one) for path, one in places() if one.get("type") == "integer"]
        self.assertGreater(len(numbers), 20)
        cases = []
        for path, schema in numbers:
            low, high = schema["minimum"], schema["maximum"]
            cases += [(path, schema, value) for value in (low - 1, low, high, high + 1)]
        for (path, schema, value), message in zip(cases, read_all(around(p, v) for p, _, v in cases)):
            wanted = f"must be from {schema['minimum']} to {schema['maximum']}"
            if schema["minimum"] <= value <= schema["maximum"]:
                # A value may be allowed and yet stand against another one: a default against the policy.
                self.assertNotIn("must be from", message, f"{path} = {value}")
            else:
                self.assertIn(wanted, message, f"{path} = {value}")

    def test_has_every_choice_and_every_switch(self):
        cases = []
        for path, schema in places():
            if "enum" in schema:
                cases += [(path, value, True) for value in schema["enum"]] + [(path, "Other", False)]
            if schema.get("type") == "boolean":
                cases += [(path, True, True), (path, False, True), (path, "maybe", False)]
        self.assertGreater(len(cases), 30)
        for (path, value, good), message in zip(cases, read_all(around(p, v) for p, v, _ in cases)):
            refused = "must be " in message or "expected true or false" in message
            self.assertEqual(refused, not good, f"{path} = {value!r}: {message!r}")

    def test_has_the_types_of_everything_else(self):
        cases = []
        for path, schema in places():
            kinds = schema.get("type")
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if not path or kinds[0] not in ("object", "array", "string"):
                continue
            wrong = {"object": [], "array": {"a": 1}, "string": {"a": 1}}[kinds[0]]
            cases.append((path, wrong))
        for (path, value), message in zip(cases, read_all(around(p, v) for p, v in cases)):
            self.assertRegex(message, "expected|known:", f"{path} = {value!r}")

    def test_has_the_defaults_that_config_operator_yaml_says(self):
        # That file is held to the program's own defaults by unit_execution.
        sample = yaml.safe_load((ROOT / "config/operator.yaml").read_text())
        with_default = 0
        for path, schema in places():
            if "default" not in schema or "namespaceOverrides" in path[:-1] or path[:1] == ("runtimes",):
                continue
            with_default += 1
            found = sample
            for key in path:
                found = found[key]
            self.assertEqual(schema["default"], found, path)
        self.assertGreater(with_default, 35)

    def test_accepts_every_configuration_that_is_shipped(self):
        validator = jsonschema.Draft7Validator(SCHEMA)
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        shipped = sorted(ROOT.glob("config/**/operator.yaml"))
        self.assertGreater(len(shipped), 1)
        for path in shipped:
            content = yaml.safe_load(path.read_text())
            if isinstance(content, dict) and content.get("kind") == "ConfigMap":
                content = yaml.safe_load(next(iter(content["data"].values())))
            wrong = [f"{'.'.join(map(str, one.path))}: {one.message}" for one in validator.iter_errors(content)]
            self.assertEqual(wrong, [], path)


if __name__ == "__main__":
    sys.exit(unittest.main())
