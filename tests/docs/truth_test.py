#!/usr/bin/env python3
"""Holds the documentation to the tree it speaks of: links and anchors resolve, and what is named exists: flags,
environment variables, metrics, labels, reasons, tests, files. What is shown as a CodeExecution or a configuration is
one that the program accepts.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ["CODEEXEC_BINARY_DIR"]) / "bin"
LEFT_OUT = ("build/", "tests/data/", ".git/")

# Programs that are not ours: what their command lines say is theirs.
FOREIGN = (
    "kubectl apt-get cat cd cmake ctest curl docker gcloud git grep install jq k3s kind kustomize minikube podman "
    "promtool python3 runsc skopeo sudo systemctl tee argocd flux oras buildah mkdir export echo sha512sum chmod tar "
    "ps call() call while"
).split()
# Flags of other programs that the text names by themselves.
FOREIGN_FLAGS = {
    "--server-side",
    "--cascade",
    "--force-conflicts",
    "--dry-run",
    "--rm",
    "--runtime",
    "--platform",
    "--network",
    "--previous",
    "--gtest_filter",
    "--timestamps",
    # of kind, minikube, k3s and gcloud, in words
    "--cni",
    "--network-plugin",
    "--disable-network-policy",
    "--enable-dataplane-v2",
}


def files(*patterns):
    """The tree's own files, by git where there is one and a repository, else by walking."""
    done = shutil.which("git") and subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True
    )
    if done and done.returncode == 0:
        names = done.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
    kept = [one for one in names if not one.startswith(LEFT_OUT) and (ROOT / one).is_file()]
    return [ROOT / one for one in kept if not patterns or one.endswith(patterns)]


@functools.cache
def documents():
    return {path: path.read_text() for path in sorted(files(".md"))}


@functools.cache
def sources():
    """Everything that is not documentation, as one text."""
    kinds = (".hpp", ".cpp", ".h", ".yaml", ".json", ".txt", ".cmake", ".py", "Dockerfile")
    paths = [one for one in files() if one.suffix in kinds or one.parent.name == "hack" or one.name == "Dockerfile"]
    return "\n".join(path.read_text(errors="replace") for path in paths if "docs" not in path.parts)


def without_code(text):
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def blocks(text):
    """Fenced blocks: (language, content, its line)."""
    for found in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", text, flags=re.S | re.M):
        indent = len(found[1])
        content = "\n".join(line[indent:] for line in found[3].splitlines())
        yield found[2], content + "\n", text[: found.start()].count("\n") + 1


def place(path, line=None):
    return str(path.relative_to(ROOT)) + (f":{line}" if line else "")


def anchors(text):
    """The anchors that a reader on the web has: one for each heading."""
    seen = {}
    made = set()
    fenced = re.sub(r"^( *)(```|~~~).*?^\1\2", "", text, flags=re.S | re.M)
    for found in re.finditer(r"^#{1,6} +(.*?)#* *$", fenced, flags=re.M):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", found[1]).replace("`", "").strip().lower()
        slug = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        made.add(slug if count == 0 else f"{slug}-{count}")
    made.update(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    return made


@functools.cache
def known_flags():
    """Every flag that a program or a script of ours takes."""
    commands = [["codeexec-controller"], ["codeexec-controller", "check"], ["codeexec-local"], ["codeexec"]]
    root = subprocess.run([PROGRAMS / "codeexec", "--help"], capture_output=True, text=True, check=True).stdout
    subcommands = re.findall(r"^  ([a-z]+)(?:,[a-z]+)? {2,}", root, flags=re.M)
    commands += [["codeexec", one] for one in subcommands]
    flags = set()
    for program, *words in commands:
        done = subprocess.run([PROGRAMS / program, *words, "--help"], capture_output=True, text=True)
        flags.update(re.findall(r"--[a-z][a-z0-9-]+", done.stdout))
    flags.update(re.findall(r"--[a-z][a-z0-9-]+", (ROOT / "controller/wire/README.md").read_text()))
    for path in files():
        # The tests' own programs have flags, too; what tests say to ours may be wrong on purpose.
        parts = path.relative_to(ROOT).parts
        if parts[0] in ("hack", ".ci") or parts[:2] in (("tests", "chaos"), ("tests", "bench")):
            flags.update(re.findall(r"--[a-z][a-z0-9-]+", path.read_text(errors="replace")))
    return flags


def of_ours(command):
    """Whether a command line, or words between backticks, speak of a program of ours."""
    words = [one for one in command.split() if "=" not in one or one.startswith("-")]
    return not words or os.path.basename(words[0]) not in FOREIGN


class Truth(unittest.TestCase):
    maxDiff = None

    def none(self, wrong):
        wrong = sorted(set(wrong))
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_there_is_documentation(self):
        names = {place(one) for one in documents()}
        self.assertLessEqual({"README.md", "CONTRIBUTING.md", "controller/README.md"}, names)
        self.assertGreater(len(names), 25)

    def test_links_and_anchors_resolve(self):
        wrong = []
        for path, text in documents().items():
            for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
                if re.match(r"[a-z]+:", target):
                    if not target.startswith(("https://", "mailto:")):
                        wrong.append(f"{place(path)}: {target}: not https")
                    continue
                name, _, anchor = target.partition("#")
                to = (path.parent / name).resolve() if name else path
                if not to.exists():
                    wrong.append(f"{place(path)}: {target}: no such file")
                elif anchor and to.suffix == ".md" and anchor not in anchors(to.read_text()):
                    wrong.append(f"{place(path)}: {target}: no such heading")
        self.none(wrong)

    def test_every_document_is_reached_from_the_readme(self):
        reached = set()
        waiting = [ROOT / "README.md"]
        while waiting:
            path = waiting.pop()
            if path in reached:
                continue
            reached.add(path)
            for target in re.findall(r"\]\(([^)\s#]+)", without_code(path.read_text())):
                to = (path.parent / target).resolve()
                if to.is_dir() and (to / "README.md").exists():
                    to = to / "README.md"
                if to.suffix == ".md" and to.exists():
                    waiting.append(to)
        wanted = {one for one in documents() if one.is_relative_to(ROOT / "controller/docs")}
        self.none(place(one) for one in wanted - reached)

    def test_files_that_are_named_exist(self):
        wrong = []
        tops = {one.name for one in ROOT.iterdir() if one.is_dir()} - {"build"}
        # In blocks of commands too; no patterns.
        named = r"(?:^|[\s`(])((?:%s)/[\w./-]*\w)(?![\w*{])" % "|".join(sorted(re.escape(one) for one in tops))
        for path, text in documents().items():
            for name in re.findall(named, text, flags=re.M):
                # Documents in controller/ speak of its folders without saying controller/.
                if any((base / name).exists() for base in (ROOT, path.parent, ROOT / "controller")):
                    continue
                # "api/trace_context" stands for header and source of that name.
                top, _, last = name.partition("/")
                if not any(one.stem == last for one in files() if one.is_relative_to(ROOT / top)):
                    wrong.append(f"{place(path)}: {name}")
        self.none(wrong)

    def test_code_executions_that_are_shown_are_accepted(self):
        wrong = []
        shown = 0
        for path, text in documents().items():
            for language, content, line in blocks(text):
                if language not in ("yaml", "json"):
                    continue
                try:
                    parsed = [one for one in yaml.safe_load_all(content) if isinstance(one, dict)]
                except yaml.YAMLError as error:
                    wrong.append(f"{place(path, line)}: {error}")
                    continue
                if not any(one.get("kind") == "CodeExecution" for one in parsed):
                    continue
                for one in parsed:
                    one.pop("status", None)
                shown += 1
                done = subprocess.run(
                    [PROGRAMS / "codeexec-controller", "check", "-"],
                    input=yaml.safe_dump_all(parsed),
                    capture_output=True,
                    text=True,
                )
                if done.returncode != 0:
                    wrong.append(f"{place(path, line)}: {done.stderr.strip()}")
        self.assertGreater(shown, 2)
        self.none(wrong)

    def test_configurations_that_are_shown_are_accepted(self):
        wrong = []
        shown = 0
        keys = set(yaml.safe_load((ROOT / "config/operator.yaml").read_text()))
        manifest = "apiVersion: codeexec.dev/v1alpha1\nkind: CodeExecution\nmetadata: {name: a}\nspec: {code: ''}\n"
        for path, text in documents().items():
            for language, content, line in blocks(text):
                try:
                    parsed = yaml.safe_load(content) if language == "yaml" else None
                except yaml.YAMLError:
                    continue
                if not isinstance(parsed, dict) or not parsed or not set(parsed) <= keys:
                    continue
                shown += 1
                file = pathlib.Path(self.id() + ".yaml")
                scratch = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"{os.getpid()}-{file}"
                scratch.write_text(content)
                done = subprocess.run(
                    [PROGRAMS / "codeexec-controller", "check", "--config", scratch, "-"],
                    input=manifest,
                    capture_output=True,
                    text=True,
                )
                scratch.unlink()
                if done.returncode == 2:
                    wrong.append(f"{place(path, line)}: {done.stderr.strip()}")
        self.assertGreater(shown, 1)
        self.none(wrong)

    def test_flags_that_are_named_exist(self):
        wrong = []
        known = known_flags() | FOREIGN_FLAGS
        for path, text in documents().items():
            if path.relative_to(ROOT).parts[0] == "tests":
                continue
            spoken = []
            for language, content, line in blocks(text):
                if language in ("sh", "shell", "bash", ""):
                    # A line that ends in a backslash goes on; what follows a pipe is a command of its own.
                    joined = content.replace("\\\n", " ")
                    spoken += [one.removeprefix("$ ") for one in re.split(r"\n|\||;|&&|\$\(", joined)]
            spoken += re.findall(r"`([^`\n]+)`", re.sub(r"^( *)```.*?^\1```", "", text, flags=re.S | re.M))
            for command in spoken:
                command = command.split(" #")[0].strip()
                if not of_ours(command):
                    continue
                for flag in re.findall(r"(?:^|[\s\[(|])(--[a-z][a-z0-9_-]+)", command):
                    if flag not in known:
                        wrong.append(f"{place(path)}: {flag} in {command!r}")
        self.none(wrong)

    def test_help_fits_where_there_is_no_wider_terminal(self):
        wrong = []
        for program, *words in (["codeexec-controller"], ["codeexec-controller", "check"], ["codeexec-local"]):
            done = subprocess.run([PROGRAMS / program, *words, "--help"], capture_output=True, text=True, check=True)
            wrong += [f"{program}: {line}" for line in done.stdout.splitlines() if len(line) > 80]
        self.none(wrong)

    def test_environment_variables_that_are_named_exist(self):
        known = set(re.findall(r"\bCODEEXEC_\w+", sources()))
        helped = "".join(
            subprocess.run([PROGRAMS / one, "--help"], capture_output=True, text=True, check=True).stdout
            for one in ("codeexec-controller", "codeexec-local")
        )
        known.update(re.findall(r"\bCODEEXEC_\w+", helped))
        wrong = []
        for path, content in documents().items():
            for name in re.findall(r"\bCODEEXEC_[A-Z0-9_]*[A-Z0-9]\b", content):
                if name not in known:
                    wrong.append(f"{place(path)}: {name}")
        self.none(wrong)

    def test_metrics_that_are_named_exist(self):
        known = set(re.findall(r"\bcodeexec_\w+", sources()))
        wrong = []
        for path, content in documents().items():
            for name in re.findall(r"\bcodeexec_[a-z0-9_]*[a-z0-9]\b", content):
                if re.search(r"codeexec_(add|use)_|codeexec_project|codeexec_e2e", name):
                    continue  # CMake's
                if name not in known and re.sub(r"_(bucket|count|sum)$", "", name) not in known:
                    wrong.append(f"{place(path)}: {name}")
        self.none(wrong)

    def test_labels_and_annotations_that_are_named_exist(self):
        known = set(re.findall(r"\bcodeexec\.dev/[\w-]+", sources()))
        wrong = []
        for path, content in documents().items():
            for name in re.findall(r"\bcodeexec\.dev/[a-z0-9-]*[a-z0-9]\b", content):
                if name not in known:
                    wrong.append(f"{place(path)}: {name}")
        self.none(wrong)

    def test_reasons_and_other_names_are_spelled_as_the_program_spells_them(self):
        text = sources()
        # The API server's, kubelet's and other projects' own words, which nothing here spells.
        foreign = set(
            "AlreadyExists BackOff FailedCreatePodSandBox NetworkUnavailable OwnerReferencesPermissionEnforcement "
            "PodSecurity ServiceMonitor PodMonitor PrometheusRule CreateNamespace BeforeHookCreation "
            "CrashLoopBackOff ImagePullBackOff ErrImagePull ContainerCreating CustomResourceValidationExpressions".split()
        )
        words = set(re.findall(r"\b[A-Z]\w+\b", text))
        wrong = []
        for path, content in documents().items():
            if path.relative_to(ROOT).parts[0] == "tests":
                continue
            for name in re.findall(r"`([A-Z][a-z]+[A-Z]\w*)`", content):
                if name not in words and name not in foreign:
                    wrong.append(f"{place(path)}: {name}")
        self.none(wrong)

    def test_what_cancels_everything_chooses_all_that_has_not_ended(self):
        statuses = {"unseen": None, "new": {}}
        for phase in ("Pending", "Running", "Succeeded", "Failed"):
            statuses[phase.lower()] = {"phase": phase}
        items = [
            {"metadata": {"namespace": "agents", "name": name}} | ({} if status is None else {"status": status})
            for name, status in statuses.items()
        ]
        listed = json.dumps({"items": items})
        chosen = []
        for _, content, _ in blocks((ROOT / "controller/docs/operations.md").read_text()):
            if '"cancel": true' in content:
                choose = ["jq", "-r", re.search(r"jq -r '([^']+)'", content)[1]]
                done = subprocess.run(choose, input=listed, capture_output=True, text=True, check=True)
                chosen.append(done.stdout.splitlines())
        self.assertEqual(chosen, [["agents unseen", "agents new", "agents pending", "agents running"]] * 2)

    def test_tests_that_are_named_exist(self):
        known = set()
        for path in files("_test.cpp", "chaos.cpp", "_test.py"):
            content = path.read_text()
            known.update(f"{s}.{n}" for s, n in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", content, flags=re.M))
        wrong = []
        named = 0
        for path, content in documents().items():
            for name in re.findall(r"`([A-Za-z]\w+\.[A-Za-z]\w{5,})`", content):
                suite, _, case = name.partition(".")
                looks_like_one = re.fullmatch(r"[A-Z]\w+", suite) and re.fullmatch(r"[A-Z]\w+", case) or "_" in case
                if not looks_like_one or suite in ("spec", "status", "metadata", "docs"):
                    continue
                named += 1
                if name not in known:
                    wrong.append(f"{place(path)}: {name}")
        self.assertGreater(named, 20)
        self.none(wrong)

    def test_every_script_says_what_it_is_for(self):
        scripts = [path for path in files() if path.parent == ROOT / "hack" and os.access(path, os.X_OK)]
        self.assertGreater(len(scripts), 15)
        wrong = []
        for path in scripts:
            # Asked for from elsewhere, where a script that did something instead would find nothing to do it with.
            done = subprocess.run([path, "--help"], cwd="/", capture_output=True, text=True, timeout=20)
            says = f"hack/{path.name}" in done.stdout or done.stdout.startswith("usage: ")
            if done.returncode != 0 or done.stderr or not says or "set -e" in done.stdout:
                wrong.append(f"{path.name}: {done.returncode}\n{done.stdout}{done.stderr}")
        self.none(wrong)


if __name__ == "__main__":
    sys.exit(unittest.main())
