#!/usr/bin/env python3
"""Writes the seed inputs of every fuzz target: corpus.py FOLDER. One sub-folder for each target.

Most are what a real API server answered (tests/data/transcripts), some are the project's own samples and configuration,
and seeds/ holds the few texts that neither has: kubeconfigs, logs, patches of lists.
"""

import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TRANSCRIPTS = ROOT / "tests/data/transcripts"
LONGEST = 16_000  # hack/fuzz bounds inputs at 16384 bytes


def documents(name):
    for line in (TRANSCRIPTS / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def watch_lines():
    for path in sorted(TRANSCRIPTS.glob("watch-*.jsonl")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        yield from (line + "\n" for line in lines)
        # Several events in one input: what is cut is also where one line ends and the next begins.
        for start in range(0, len(lines), 4):
            yield "\n".join(lines[start : start + 4]) + "\n"
    yield from (compact(one) for one in documents("lists.jsonl"))
    for sample in sorted((ROOT / "config/samples").glob("*.yaml")):
        spec = {"code": sample.read_text(encoding="utf-8"), "language": "python", "timeoutSeconds": 5}
        execution = {
            "apiVersion": "codeexec.dev/v1alpha1",
            "kind": "CodeExecution",
            "metadata": {"name": sample.stem, "namespace": "default", "uid": "u", "resourceVersion": "7"},
            "spec": spec,
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "Waiting"}]},
        }
        yield compact({"type": "MODIFIED", "object": execution}) + "\n"


def status_objects():
    for one in documents("statuses.jsonl"):
        yield f"{one['status']}\n{compact(one['body'])}"
    yield '429\n{"kind":"Status","status":"Failure","reason":"TooManyRequests","details":{"retryAfterSeconds":3}}'
    yield "503\n<html><body>\r\n<h1>503 Service Unavailable</h1>\n</body></html>\n"


def patches():
    kinds = {
        "application/merge-patch+json": "merge",
        "application/json-patch+json": "json",
        "application/strategic-merge-patch+json": "strategic",
        "application/apply-patch+yaml": "apply",
    }
    latest = {}
    recorded = [path.name for pattern in ("exchanges", "[0-9]*", "kubectl-*") for path in TRANSCRIPTS.glob(f"{pattern}.jsonl")]
    for one in (one for name in sorted(recorded) for one in documents(name)):
        request, response = one["request"], one["response"]
        path = request["path"].split("?")[0]
        kind = kinds.get(request.get("headers", {}).get("content-type"))
        body = request.get("body")
        if request["method"] == "PATCH" and kind:
            target = latest.get(path.removesuffix("/status"))
            patch = body if isinstance(body, str) else compact(body)
            for name in [kind, "strategic", "force"] if kind != "json" else [kind]:
                yield f"{name}\n{compact(target)}\n{patch}"
        answer = response.get("body")
        if isinstance(answer, dict) and answer.get("kind") not in (None, "Status"):
            name = answer.get("metadata", {}).get("name")
            latest[path if path.endswith(f"/{name}") else f"{path}/{name}"] = answer


def yaml_texts():
    for folder in ("config", "crds"):
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            yield path.read_text(encoding="utf-8")
    yield from (compact(one.get("body")) for one in documents("statuses.jsonl"))


def operator_config():
    whole = (ROOT / "config/operator.yaml").read_text(encoding="utf-8")
    yield whole
    yield "\n".join(line for line in whole.splitlines() if not line.lstrip().startswith("#")) + "\n"


def main():
    to = pathlib.Path(sys.argv[1])
    made = {
        "watch_lines": watch_lines(),
        "status_objects": status_objects(),
        "patches": patches(),
        "yaml": yaml_texts(),
        "operator_config": operator_config(),
        "log_frames": [],
        "kubeconfig": [],
    }
    for target, texts in made.items():
        folder = to / target
        folder.mkdir(parents=True, exist_ok=True)
        seeds = [path.read_bytes() for path in sorted((HERE / "seeds" / target).glob("*"))]
        for data in [text.encode() for text in texts] + seeds:
            if len(data) <= LONGEST:
                (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
