#!/usr/bin/env python3
"""Runs what controller/docs/usage.md shows an agent's author, word by word, with an agent's rights and no others:
against the one-machine stand-in, with TLS and RBAC on. What stands there as output must be what comes.
"""

import base64
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ["CODEEXEC_BINARY_DIR"]) / "bin"
PAGE = (ROOT / "controller/docs/usage.md").read_text()
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: agents}\n"


def marked(what, language):
    return re.findall(rf"<!-- tested: {what} -->\n```{language}\n(.*?)```", PAGE, flags=re.S)


class Machine:
    """The stand-in and an operator with its ordinary rights."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []
        manifests = re.search(r"```yaml\n(apiVersion: v1\nkind: ServiceAccount\n.*?)```", PAGE, flags=re.S)[1]
        (folder / "agents.yaml").write_text(NAMESPACE + "---\n" + manifests)
        accounts = {"codeexec-system/codeexec-controller": "operator", "agents/agent": "agent"}
        kubeconfigs = []
        for name, file in accounts.items():
            kubeconfigs += ["--account-kubeconfig", f"{name}={folder}/{file}.kubeconfig"]
        self.start(
            "codeexec-local",
            *("--listen", "127.0.0.1:0", "--crds", ROOT / "crds", "--auth", "--state-dir", folder / "node"),
            *("--images", ROOT / "config/local/images.yaml", "--kubeconfig-out", folder / "admin.kubeconfig"),
            *("--manifests", ROOT / "config/rbac/cluster.yaml", "--manifests", ROOT / "config/rbac/users.yaml"),
            *("--manifests", folder / "agents.yaml", "--ready-file", folder / "local.ready"),
            *kubeconfigs,
        )
        self.wait_for(folder / "local.ready")
        config = (ROOT / "config/operator.yaml").read_text()
        if 'runtime="gVisor' not in (folder / "codeexec-local.log").read_text():
            config = config.replace("\nrequireSandbox: true", "\nrequireSandbox: false")
        (folder / "operator.yaml").write_text(config)
        self.start(
            "codeexec-controller",
            *("--kubeconfig", folder / "operator.kubeconfig", "--config", folder / "operator.yaml"),
            *("--ready-file", folder / "controller.ready"),
        )
        self.wait_for(folder / "controller.ready")

    def start(self, program, *arguments):
        with open(self.folder / f"{program}.log", "w") as log:
            command = [PROGRAMS / program, *map(str, arguments)]
            self.running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait_for(self, file):
        until = time.monotonic() + 90
        while not file.exists():
            gone = [one for one in self.running if one.poll() is not None]
            if gone or time.monotonic() > until:
                logs = "\n".join(one.read_text() for one in sorted(self.folder.glob("*.log")))
                raise RuntimeError(f"{file.name} does not come:\n{logs}")
            time.sleep(0.05)

    def stop(self):
        for one in reversed(self.running):
            one.send_signal(signal.SIGTERM)
            one.wait(60)

    def credentials(self, account):
        config = yaml.safe_load((self.folder / f"{account}.kubeconfig").read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = self.folder / f"{account}.ca"
        authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return {"API": cluster["server"], "CA": str(authority), "TOKEN": config["users"][0]["user"]["token"]}


class UsageExamples(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="codeexec-docs."))
        try:
            cls.machine = Machine(cls.folder)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        machine = getattr(cls, "machine", None)
        if machine:
            machine.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def run_with(self, command, text, **environment):
        work = tempfile.mkdtemp(dir=self.folder)
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            cwd=work,
            timeout=180,
            env={"PATH": os.environ["PATH"], "HOME": work, **environment},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def ask(self, account, path, *more):
        """The API server's answer to an account, by curl; "403" and the like with --write-out."""
        words = " ".join(more)
        script = f'curl -sS {words} --cacert "$CA" -H "Authorization: Bearer $TOKEN" "$API/{path}"'
        return self.run_with(["bash", "-c", script], "", **self.machine.credentials(account))

    def nothing_is_left(self):
        # As the administrator: the agent must not leave anything that it does not see either.
        until = time.monotonic() + 60
        for kind in ("apis/codeexec.dev/v1alpha1/codeexecutions", "apis/batch/v1/jobs", "api/v1/pods"):
            while True:
                answer = self.ask("admin", kind, "--fail")
                if not yaml.safe_load(answer)["items"]:
                    break
                self.assertLess(time.monotonic(), until, f"{kind}: {answer[:500]}")
                time.sleep(0.2)

    def test_plain_http_does_what_the_page_says(self):
        script = "set -euo pipefail\n" + "".join(marked("http", "sh"))
        self.assertGreater(script.count("\n"), 12)
        output = self.run_with(["bash"], script, **self.machine.credentials("agent"))
        self.assertEqual(output, marked("http, output", "json")[0])
        self.nothing_is_left()

    def test_the_python_client_does_what_the_page_says(self):
        program = marked("python", "python")[0]
        kubeconfig = str(self.folder / "agent.kubeconfig")
        output = self.run_with([sys.executable, "-"], program, KUBECONFIG=kubeconfig)
        self.assertIn(f"It prints `{output.strip()}`.", PAGE)
        self.nothing_is_left()

    def test_an_agent_can_do_nothing_else(self):
        executions = "apis/codeexec.dev/v1alpha1/namespaces/{}/codeexecutions"
        for path, code in (
            (executions.format("agents"), "200"),
            (executions.format("default"), "403"),
            ("api/v1/namespaces/agents/pods", "403"),
            ("api/v1/namespaces/agents/configmaps", "403"),
            ("apis/batch/v1/namespaces/agents/jobs", "403"),
        ):
            self.assertEqual(self.ask("agent", path, "-o /dev/null -w '%{http_code}'"), code, path)


if __name__ == "__main__":
    sys.exit(unittest.main())
