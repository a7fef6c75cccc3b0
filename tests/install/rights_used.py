#!/usr/bin/env python3
"""Holds the operator's rights to what the end-to-end tests made it ask for: none is missing, and none is idle.

  rights_used.py begin ROLES BUILD_DIR                 makes BUILD_DIR/operator-calls, into which stand-ins write audit logs
  rights_used.py end   ROLES BUILD_DIR EXECUTABLE...   judges; called by ctest after all tests of these executables

ROLES is a manifest with the operator's roles. A right is one verb on one resource of one API group. Where only some of the
tests ran (ctest -R), a right that none of them needed proves nothing, and only missing ones are an error.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import yaml

# Needed, and why none of these tests can show it.
ELSEWHERE = {
    ("batch", "jobs", "list"): "a server without streaming lists: integration_runtime",
}
OPERATOR = "system:serviceaccount:codeexec-system:codeexec-controller"


def granted(manifest):
    """{(group, resource, verb)} of every rule in the manifest's roles."""
    out = set()
    for document in yaml.safe_load_all(pathlib.Path(manifest).read_text(encoding="utf-8")):
        for rule in document.get("rules", []):
            out |= {(group, resource, verb)
                    for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}
    return out


def asked(folder):
    """What the operator asked for: {right: how often}, and {right: how often} of what was forbidden."""
    allowed, forbidden = {}, {}
    for log in sorted(folder.glob("*.jsonl")):
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last line of a server that was killed
            if event["user"]["username"] != OPERATOR or "objectRef" not in event:
                continue
            what = event["objectRef"]
            resource = what["resource"] + ("/" + what["subresource"] if "subresource" in what else "")
            right = (what.get("apiGroup", ""), resource, event["verb"])
            into = allowed if event["annotations"]["authorization.k8s.io/decision"] == "allow" else forbidden
            into[right] = into.get(right, 0) + 1
    return allowed, forbidden


def cases(executable):
    """The names of its tests, as tests/e2e/cluster.cpp writes them down."""
    listing = subprocess.run([executable, "--gtest_list_tests"], capture_output=True, text=True, check=True).stdout
    suite = ""
    for line in listing.splitlines():
        name = line.split("#")[0].rstrip()
        if not line.startswith(" "):
            suite = name
        elif "." in suite:
            yield f"{os.path.basename(executable)}.{suite}{name.strip()}".replace("/", "~")


def words(right):
    group, resource, verb = right
    return f"{verb} {resource}{'.' + group if group else ''}"


def main():
    action, roles, build = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    folder = build / "operator-calls"
    if action == "begin":
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "ran").mkdir(parents=True)
        return 0
    if os.environ.get("CODEEXEC_E2E_KUBECONFIG") or os.environ.get("CODEEXEC_PROGRAMS"):
        print("The tests ran against another cluster or other programs: what they asked for is not known here.")
        return 0
    rights = granted(roles)
    allowed, forbidden = asked(folder)
    for right in sorted(rights | set(allowed) | set(forbidden)):
        print(f"{allowed.get(right, 0):8d}  {words(right)}")
    ran = set(os.listdir(folder / "ran"))
    wanted = {case for name in sys.argv[4:] for case in cases(str(build / "tests" / name))}
    missed = sorted(wanted - ran)

    failures = [f"asked for and not granted: {words(right)}" for right in sorted(set(allowed) - rights)]
    failures += [f"asked for and refused, {count} times: {words(right)}"
                 for right, count in sorted(forbidden.items()) if right not in rights]
    if missed:
        print(f"{len(missed)} of {len(wanted)} tests did not run or failed ({missed[0]}, ...): "
              "whether each right is needed is judged after all of them.")
    else:
        failures += [f"granted, and no test needed it: {words(right)}" for right in sorted(rights - set(allowed) - set(ELSEWHERE))]
        failures += [f"excused here and not granted: {words(right)} ({why})"
                     for right, why in sorted(ELSEWHERE.items()) if right not in rights]
    for failure in failures:
        print("FAIL " + failure)
    return 1 if failures else 0


sys.exit(main())
