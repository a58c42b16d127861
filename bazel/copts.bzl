"""Options the library's own sources need, whoever builds them."""

VARVE_COPTS = [
    "-std=c++20",
    "-Wall",
    "-Wextra",
]
