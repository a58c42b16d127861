"""What every folder of the project declares: one library, one test per file, a tool per main file.

All of them go by globs, so a new source file needs no edit of a BUILD file.
"""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_cc//cc:cc_test.bzl", "cc_test")
load("//bazel:copts.bzl", "VARVE_COPTS")

# A test file whose name holds one of these is concurrent: it runs under tsan too.
_CONCURRENT_WORDS = [
    "concurrent",
    "stress",
]

def varve_library(name, exclude = [], deps = [], **kwargs):
    """The library of one folder: every .h and .cc of it, less `exclude`."""
    cc_library(
        name = name,
        srcs = native.glob(["*.cc"], exclude = exclude, allow_empty = True),
        hdrs = native.glob(["*.h"], exclude = exclude, allow_empty = True),
        copts = VARVE_COPTS,
        deps = deps,
        **kwargs
    )

def _is_concurrent(name, concurrent):
    if name in concurrent:
        return True
    for word in _CONCURRENT_WORDS:
        if word in name:
            return True
    return False

def varve_tests(
        deps,
        concurrent = [],
        sizes = {},
        shards = {},
        extra_deps = {},
        tags = {},
        args = {},
        data = []):
    """One cc_test for each *_test.cc of the folder.

    Every other .cc and .h of the folder goes into the library :support of that folder, which each of the
    tests links; except that *_bench.cc is a program on its own, with Google Benchmark, built only when
    it is named.

    Args:
      deps: what the tests use; gtest, its main function and //tests/support come by themselves.
      concurrent: names of tests that tsan runs as well, besides those whose file name says
        "concurrent" or "stress".
      sizes: test name to size; the default is "small", with the time that "medium" has (300 s), since
        a machine may be busy with others and the build one of a sanitizer.
      shards: test name to the number of processes it is split into.
      extra_deps: test name to what it alone needs.
      tags: test name to its further tags.
      args: test name to its command line.
      data: files that tests read, golden ones for instance.
    """
    all_deps = deps + ["//:public_headers", "//third_party:gtest_main"]
    if native.package_name() != "tests/support":
        all_deps = all_deps + ["//tests/support"]
    sources = native.glob(["*_test.cc"], allow_empty = True)
    benchmarks = native.glob(["*_bench.cc"], allow_empty = True)
    helpers = native.glob(["*.cc"], exclude = ["*_test.cc", "*_bench.cc"], allow_empty = True)
    headers = native.glob(["*.h"], allow_empty = True)
    if (helpers or headers) and native.package_name() != "tests/support":
        cc_library(
            name = "support",
            testonly = True,
            srcs = helpers,
            hdrs = headers,
            copts = VARVE_COPTS,
            visibility = ["//:__subpackages__"],
            deps = all_deps,
        )
        all_deps = all_deps + [":support"]
    for source in benchmarks:
        cc_binary(
            name = source[:-len(".cc")],
            testonly = True,
            srcs = [source],
            copts = VARVE_COPTS,
            tags = ["manual"],
            deps = all_deps + ["//third_party:benchmark"],
        )
    for source in sources:
        name = source[:-len(".cc")]
        cc_test(
            name = name,
            size = sizes.get(name, "small"),
            timeout = "moderate" if sizes.get(name, "small") == "small" else None,
            srcs = [source],
            args = args.get(name, []),
            copts = VARVE_COPTS,
            data = data,
            shard_count = shards.get(name, None),
            tags = tags.get(name, []) + (["tsan"] if _is_concurrent(name, concurrent) else []),
            deps = all_deps + extra_deps.get(name, []),
        )

def varve_tool(name, part, deps, program_deps = [], testonly = False):
    """The program <name>.cc, with the rest of its sources, in folder <part>/, as library :<part>.

    Args:
      name: of the program.
      part: the folder.
      deps: what both use.
      program_deps: what the program alone uses besides.
      testonly: whether it may use what tests are made of.
    """
    srcs = native.glob([part + "/*.cc"], allow_empty = True)
    hdrs = native.glob([part + "/*.h"], allow_empty = True)
    if srcs or hdrs:
        cc_library(
            name = part,
            testonly = testonly,
            srcs = srcs,
            hdrs = hdrs,
            copts = VARVE_COPTS,
            visibility = ["//:__subpackages__"],
            deps = deps,
        )
        deps = deps + [":" + part]
    if native.glob([name + ".cc"], allow_empty = True):
        cc_binary(
            name = name,
            testonly = testonly,
            srcs = [name + ".cc"],
            copts = VARVE_COPTS,
            visibility = ["//:__subpackages__"],
            deps = deps + program_deps,
        )
