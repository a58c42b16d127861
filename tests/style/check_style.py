#!/usr/bin/env python3
"""Checks of the sources that no compiler makes. Usage: tests/style/check_style.py [--self-test]

Each check is a pure function from {path: text} to a list of findings, so that --self-test can hand
it a tree with one planted fault and demand that it is found. Without arguments the checks run over
the tracked files. Each prints one line, "PASSED style/<check>" or "FAILED style/<check>" with its
findings before it; the exit status is 1 if any failed.
"""

import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile

# A folder may include its own files, the public headers, and the folders named here.
LAYERS = {
    "include": [],
    "util": [],
    "wal": ["util"],
    "memtable": ["util"],
    "cache": ["util"],
    "table": ["util", "wal", "memtable", "cache"],
    "db": ["util", "wal", "memtable", "cache", "table"],
    "tools": ["util", "wal", "memtable", "cache", "table", "db"],
    "tests": ["util", "wal", "memtable", "cache", "table", "db", "tools", "tests"],
    "examples": [],
}

# The one tool that runs on the simulated file system of the tests.
SEES_TEST_SUPPORT = ("tools/varve_crash.cc", "tools/crash/")

# Headers of other projects that are spelled with quotes.
QUOTED_LIBRARIES = ("gtest/", "gmock/", "benchmark/", "gflags/", "glog/", "rocksdb/")

# Threads, locks and the operating system come from util/ alone (R11), so that a test can put a
# simulation in their place.
OS_HEADERS = re.compile(
    r"^(thread|mutex|shared_mutex|condition_variable|future|semaphore|filesystem|fstream"
    r"|pthread\.h|unistd\.h|fcntl\.h|dirent\.h|sched\.h|liburing\.h|sys/.*|linux/.*)$"
)
OS_FREE_FOLDERS = ("wal", "memtable", "cache", "table", "db")

# What a library may be included by: header pattern, then path prefixes.
LIBRARY_USERS = [
    (re.compile(r"^glog/"), ("util/glog_logger.", "tools/", "tests/")),
    (re.compile(r"^gflags/"), ("tools/", "tests/")),
    (re.compile(r"^(gtest|gmock|benchmark)/"), ("tests/",)),
    (re.compile(r"^rocksdb/"), ("tests/",)),
]

# db/ sees segments through their builder, reader and properties, never a block or a footer.
TABLE_INTERNALS = re.compile(r"^table/(.*block.*|.*format|.*footer.*)\.h$")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# Directories of somebody's machine. Those of every Debian (/usr, /etc, /proc, ...) are no finding.
MACHINE_PATH = re.compile(r"(?<![\w.:/*)}\]$-])/(?:home|root|work|mnt|Users|scratch)/[\w.]")

REGISTRY_HOST = re.compile(
    r"\b(?:registry\.npm" r"js\.org|py" r"pi\.org|crates" r"\.io|proxy\.golang" r"\.org)\b"
)

DEBT = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

# Where the histories stand that would make stale answers, each with its test.
HISTORIES = "docs/cache.md"

# Characters that hide or reorder text, and spaces that do not look like what they are.
DECEPTIVE = re.compile("[\u00a0\u00ad\u034f\u061c\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")

CXX = (".h", ".cc")
BINARY_FOLDERS = ("tests/golden/",)


# What comments in sources may hold besides ASCII.
TYPOGRAPHY = str.maketrans("", "", "\u2026\u2013\u2014\u2190\u2192\u2264\u2265\u00d7\u00b5\u00a7")


def is_cxx(path):
    return path.endswith(CXX)


def top(path):
    return path.split("/", 1)[0]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group(1), match.group(2)


def may_include(path, target):
    """Whether the layers allow file `path` to include project file `target`."""
    folder, other = top(path), top(target)
    if other == folder or other in LAYERS.get(folder, []):
        return True
    return other == "tests" and path.startswith(SEES_TEST_SUPPORT)


def check_include_directions(files):
    """Layers, public headers, the seams of util/, and who may use which library."""
    found = []
    for path, text in sorted(files.items()):
        if not is_cxx(path):
            continue
        for line, kind, name in includes(text):
            where = "%s:%d: " % (path, line)
            if top(path) in OS_FREE_FOLDERS and OS_HEADERS.match(name):
                found.append(where + "<%s> belongs in util/" % name)
            for pattern, users in LIBRARY_USERS:
                if pattern.match(name) and not path.startswith(users):
                    found.append(where + "%s may be included only by %s" % (name, ", ".join(users)))
            if top(path) == "db" and TABLE_INTERNALS.match(name):
                found.append(where + "db/ never sees a block or a footer (%s)" % name)
            if kind == "<" or name.startswith(QUOTED_LIBRARIES):
                continue
            if name.startswith("varve/"):
                if "include/" + name not in files:
                    found.append(where + 'there is no public header "%s"' % name)
            elif name not in files:
                found.append(where + '"%s" is no path from the root of the project' % name)
            elif not may_include(path, name):
                found.append(where + "%s/ may not include %s" % (top(path), name))
    return found


def guard_of(path):
    return "VARVE_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper() + "_"


def check_include_guards(files):
    """VARVE_<PATH>_H_ around the whole header."""
    found = []
    for path, text in sorted(files.items()):
        if not path.endswith(".h"):
            continue
        guard = guard_of(path)
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL).strip()
        opening = "#ifndef %s\n#define %s\n" % (guard, guard)
        if not code.startswith(opening):
            found.append("%s: does not begin with %s" % (path, opening.split("\n")[0]))
        elif not text.rstrip().endswith("#endif  // " + guard):
            found.append("%s: does not end with #endif  // %s" % (path, guard))
    return found


def check_include_cycles(files):
    """No header includes itself by way of others."""
    graph = {}
    for path, text in files.items():
        if path.endswith(".h"):
            names = [n for _, kind, n in includes(text) if kind == '"']
            names = ["include/" + n if n.startswith("varve/") else n for n in names]
            graph[path] = sorted(n for n in names if n in files)
    found, done = [], set()

    def visit(path, trail):
        if path in trail:
            cycle = trail[trail.index(path) :] + [path]
            found.append("cycle: " + " -> ".join(cycle))
        elif path not in done:
            for name in graph.get(path, []):
                visit(name, trail + [path])
            done.add(path)

    for path in sorted(graph):
        visit(path, [])
    return found


def check_characters(files):
    """ASCII (and a few signs) in sources; nowhere a character that hides or reorders text, a tab or a stray space."""
    found = []
    for path, text in sorted(files.items()):
        prose = path.endswith(".md")
        for number, line in enumerate(text.split("\n"), 1):
            where = "%s:%d: " % (path, number)
            if DECEPTIVE.search(line):
                found.append(where + "invisible or deceptive character")
            elif not prose and not line.translate(TYPOGRAPHY).isascii():
                found.append(where + "not ASCII")
            if "\r" in line or "\t" in line:
                found.append(where + "tab or carriage return")
            if line != line.rstrip():
                found.append(where + "trailing space")
        if text and not text.endswith("\n"):
            found.append(path + ": no newline at the end")
    return found


def check_no_leftovers(files):
    """No path of one machine, no registry host, no debt marker."""
    found = []
    for path, text in sorted(files.items()):
        if path == "LICENSE":
            continue
        for number, line in enumerate(text.split("\n"), 1):
            for pattern, what in (
                (MACHINE_PATH, "path of one machine"),
                (REGISTRY_HOST, "host of a package registry"),
                (DEBT, "debt marker"),
            ):
                match = pattern.search(line)
                if match:
                    found.append("%s:%d: %s: %s" % (path, number, what, match.group(0)))
    return found


def check_readme_example(files):
    """The example in the README is, byte for byte, the one that is compiled and run."""
    readme, example = files.get("README.md"), files.get("examples/embed/main.cc")
    if readme is None or example is None:
        return ["README.md and examples/embed/main.cc must both exist"]
    blocks = re.findall(r"^```cpp\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    code = re.sub(r"\A(?://[^\n]*\n)+\n?", "", example)
    if code not in blocks:
        return ["README.md: no ```cpp block equals examples/embed/main.cc without its head comment"]
    return []


def check_links(files):
    """Relative links in the documents lead to something that exists."""
    found = []
    for path, text in sorted(files.items()):
        if not path.endswith(".md"):
            continue
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            name = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if name not in files and not any(f.startswith(name + "/") for f in files):
                found.append("%s: dead link %s" % (path, target))
    return found


def check_format(files):
    """clang-format 14 with the checked-in .clang-format changes nothing."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if program is None:
        return ["clang-format is not installed"]
    found = []
    with tempfile.TemporaryDirectory() as root:
        style = os.path.join(root, ".clang-format")
        with open(style, "w", encoding="utf-8") as out:
            out.write(files.get(".clang-format", "BasedOnStyle: Google\n"))
        paths = sorted(p for p in files if is_cxx(p))
        for path in paths:
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="") as out:
                out.write(files[path])
        for start in range(0, len(paths), 64):
            batch = paths[start : start + 64]
            run = subprocess.run(
                [program, "--style=file", "--dry-run", "--Werror"] + batch,
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                universal_newlines=True,
                check=False,
            )
            if run.returncode != 0:
                hits = re.findall(r"^([^\s:]+:\d+):\d+: error", run.stdout, re.MULTILINE)
                found += sorted(set(hits)) or [run.stdout.strip() or "clang-format failed"]
    return found


def check_scripts(files):
    """Every shell script parses."""
    found = []
    for path, text in sorted(files.items()):
        if path.endswith(".sh") or re.match(r"#!.*\bbash\b", text):
            run = subprocess.run(
                ["bash", "-n"],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                universal_newlines=True,
                check=False,
            )
            if run.returncode != 0:
                found.append("%s: %s" % (path, run.stdout.strip()))
    return found


def check_histories(files):
    """Each history of docs/cache.md has the test that its line names, and a comment there names it: "H12"."""
    rows = re.findall(r"^\| (H[0-9]+) \|.*\| `([^`|]+)` \|$", files.get(HISTORIES, ""), re.MULTILINE)
    if not rows:
        return ["%s: there is no table of histories" % HISTORIES]
    found = []
    for history, test in rows:
        path = test if test.startswith("tests/") else "tests/db/" + test
        if path not in files:
            found.append("%s: %s: there is no %s" % (HISTORIES, history, path))
        elif not re.search(r"//.*\b%s\b" % history, files[path]):
            found.append("%s: no comment says %s, which %s promises" % (path, history, HISTORIES))
    return found


CHECKS = [
    ("include_directions", check_include_directions),
    ("include_guards", check_include_guards),
    ("include_cycles", check_include_cycles),
    ("characters", check_characters),
    ("no_leftovers", check_no_leftovers),
    ("readme_example", check_readme_example),
    ("links", check_links),
    ("histories", check_histories),
    ("scripts", check_scripts),
    ("format", check_format),
]

# A fault, the check that must find it, and the file that holds it.
PLANTED = [
    ("include_directions", "util/a.cc", '#include "db/db_impl.h"\n'),
    ("include_directions", "wal/a.cc", '#include "memtable/skiplist.h"\n'),
    ("include_directions", "table/a.cc", '#include "db/db_impl.h"\n'),
    ("include_directions", "include/varve/a.h", '#include "util/coding.h"\n'),
    ("include_directions", "db/a.cc", '#include "tests/support/sim.h"\n'),
    ("include_directions", "tools/varve_bench.cc", '#include "tests/support/sim.h"\n'),
    ("include_directions", "db/a.cc", '#include "coding.h"\n'),
    ("include_directions", "db/a.cc", '#include "varve/missing.h"\n'),
    ("include_directions", "db/a.cc", "#include <mutex>\n"),
    ("include_directions", "wal/a.cc", "#  include <sys/stat.h>\n"),
    ("include_directions", "db/a.cc", "#include <glog/logging.h>\n"),
    ("include_directions", "util/a.cc", "#include <gflags/gflags.h>\n"),
    ("include_directions", "db/a.cc", '#include "table/block_builder.h"\n'),
    ("include_guards", "util/a.h", "#pragma once\n"),
    ("include_guards", "util/a.h", "#ifndef A_H_\n#define A_H_\n#endif  // A_H_\n"),
    ("include_guards", "include/varve/a.h", "#ifndef VARVE_A_H_\n#define VARVE_A_H_\n#endif  // VARVE_A_H_\n"),
    ("include_cycles", "util/coding.h", '#include "util/coding.h"\n'),
    ("characters", "util/a.cc", "// caf\u00e9\n"),
    ("characters", "docs/a.md", "right\u202eleft\n"),
    ("characters", "util/a.cc", "int a; \n"),
    ("characters", "util/a.cc", "\tint a;\n"),
    ("characters", "util/a.cc", "int a;"),
    ("no_leftovers", "util/a.cc", 'open("/ho' 'me/me/db");\n'),
    ("no_leftovers", "docs/a.md", "see /ro" "ot/notes\n"),
    ("no_leftovers", "docs/a.md", "from py" "pi.org\n"),
    ("no_leftovers", "util/a.cc", "// TO" "DO later\n"),
    ("readme_example", "README.md", "```cpp\nint main() { return 0; }\n```\n"),
    ("links", "docs/a.md", "[there](nowhere.md)\n"),
    ("histories", "docs/cache.md", "| H1 | rule | broken | `put 1` | `gone_test.cc` |\n"),
    ("histories", "tests/db/a_test.cc", "// H11.\n"),
    ("histories", "docs/cache.md", "No table.\n"),
    ("scripts", "tools/a", "#!/usr/bin/env bash\nif true; then\n"),
    ("format", "util/a.cc", "int  a ;\n"),
]


def clean_tree():
    """A small tree in which no check finds anything."""
    example = "int main() { return 1; }\n"

    def header(path):
        guard = guard_of(path)
        return "#ifndef %s\n#define %s\n\n#endif  // %s\n" % (guard, guard, guard)

    names = [
        "include/varve/db.h",
        "util/coding.h",
        "memtable/skiplist.h",
        "table/block_builder.h",
        "db/db_impl.h",
        "tests/support/sim.h",
    ]
    tree = {name: header(name) for name in names}
    tree["tools/varve_crash.cc"] = '#include "tests/support/sim.h"\n'
    tree["db/a.cc"] = '#include "util/coding.h"\n#include "varve/db.h"\n'
    tree["examples/embed/main.cc"] = "// Why.\n\n" + example
    tree["README.md"] = "See [docs](docs/a.md) in /usr/include.\n\n```cpp\n" + example + "```\n"
    tree["docs/a.md"] = "A dash \u2013 is fine in prose.\n"
    tree["docs/cache.md"] = "| H1 | rule | broken | `put 1` | `a_test.cc` |\n"
    tree["tests/db/a_test.cc"] = "// H2, H1.\n"
    tree["tools/a"] = "#!/usr/bin/env bash\nif true; then true; fi\n"
    tree[".clang-format"] = "BasedOnStyle: Google\n"
    return tree


def self_test():
    """Every planted fault is found by its check, and the clean tree passes them all."""
    checks = dict(CHECKS)
    missed = []
    for name, check in CHECKS:
        for finding in check(clean_tree()):
            missed.append("clean tree: %s: %s" % (name, finding))
    for name, path, text in PLANTED:
        tree = clean_tree()
        tree[path] = text
        if not checks[name](tree):
            missed.append("%s does not find %r in %s" % (name, text, path))
    return missed


def tracked_files(root):
    """Path -> text of every tracked text file; where there is no git, of every file."""
    git = ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached"]
    git += ["--others", "--exclude-standard"]
    run = subprocess.run(git, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if run.returncode == 0:
        paths = run.stdout.decode().split("\0")
    else:
        paths = []
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f != ".git" and not f.startswith("bazel-")]
            paths += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    files = {}
    for path in paths:
        full = os.path.join(root, path)
        if not path or path.startswith(BINARY_FOLDERS) or not os.path.isfile(full):
            continue
        with open(full, "rb") as source:
            data = source.read()
        if b"\0" not in data[:4096]:
            files[path] = data.decode("utf-8", errors="replace")
    return files


def report(name, findings):
    for finding in findings[:40]:
        print("    " + finding)
    if len(findings) > 40:
        print("    and %d more" % (len(findings) - 40))
    print("%s style/%s" % ("FAILED" if findings else "PASSED", name), flush=True)
    return bool(findings)


def main():
    failed = report("self_test", self_test())
    if "--self-test" not in sys.argv[1:]:
        files = tracked_files(os.path.dirname(os.path.abspath(__file__)) + "/../..")
        for name, check in CHECKS:
            failed |= report(name, check(files))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
