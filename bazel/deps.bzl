"""External repositories that building this library with Bazel needs.

A WORKSPACE that builds or embeds the library calls varve_dependencies() once.

Bazel 4 loads its own C++ and Java toolchains through @rules_cc and @rules_java,
and names @remote_coverage_tools in every test; it would download all three. Its
rules are still built in, so repositories written on the spot do instead, and a
build needs no network. A repository of the same name declared before the call
is left alone. Bazel 5 and later get nothing from here: use MODULE.bazel.
"""

_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
]

_JAVA_RULES = [
    "java_import",
    "java_runtime",
    "java_toolchain",
]

_COVERAGE_BUILD = """\
package(default_visibility = ["//visibility:public"])

filegroup(
    name = "coverage_report_generator",
    srcs = ["unavailable.sh"],
)

filegroup(
    name = "lcov_merger",
    srcs = ["unavailable.sh"],
)
"""

_COVERAGE_TOOL = """\
#!/bin/sh
echo "bazel coverage: its tools are not part of this build" >&2
exit 1
"""

def _forward(rules):
    return "".join(["{0} = native.{0}\n".format(rule) for rule in rules])

def _native_rules_impl(repository_ctx):
    package = repository_ctx.attr.package
    repository_ctx.file("BUILD.bazel", "")
    repository_ctx.file(package + "/BUILD.bazel", "")
    repository_ctx.file(package + "/defs.bzl", _forward(repository_ctx.attr.rules))
    for rule in repository_ctx.attr.rules:
        repository_ctx.file("{}/{}.bzl".format(package, rule), _forward([rule]))

_native_rules = repository_rule(
    implementation = _native_rules_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "rules": attr.string_list(mandatory = True),
    },
    doc = "//<package>:defs.bzl and //<package>:<rule>.bzl forward to Bazel's built-in rules.",
)

def _no_coverage_tools_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", _COVERAGE_BUILD)
    repository_ctx.file("unavailable.sh", _COVERAGE_TOOL, executable = True)

_no_coverage_tools = repository_rule(
    implementation = _no_coverage_tools_impl,
    doc = "Stand-ins: every test names these, only `bazel coverage` runs them.",
)

def _bazel_major():
    # Debian's own build of Bazel 4.2.3 reports no version at all.
    return int(native.bazel_version.split(".")[0]) if native.bazel_version else 4

def varve_dependencies():
    """Declares the repositories described above, where they are needed."""
    if _bazel_major() > 4:
        return
    if not native.existing_rule("rules_cc"):
        _native_rules(name = "rules_cc", package = "cc", rules = _CC_RULES)
    if not native.existing_rule("rules_java"):
        _native_rules(name = "rules_java", package = "java", rules = _JAVA_RULES)
    if not native.existing_rule("remote_coverage_tools"):
        _no_coverage_tools(name = "remote_coverage_tools")
