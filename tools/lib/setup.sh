# Sourced by tools/quickstart and tools/run_tests: what a fresh Debian 12 has to install.

# What building the tools takes.
VARVE_BUILD_PACKAGES=(
  bazel-bootstrap g++
  liblz4-dev libsnappy-dev libzstd-dev libxxhash-dev zlib1g-dev
  libgflags-dev
)

# What the tests take besides: clang for the sanitizers, and the peer that comparisons run beside.
VARVE_TEST_PACKAGES=(
  clang libclang-rt-14-dev llvm clang-format git python3
  libgoogle-glog-dev libgtest-dev libgmock-dev libbenchmark-dev liburing-dev
  librocksdb-dev rocksdb-tools
)

# Prints the packages among the arguments that are not installed.
varve_missing_packages() {
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] ||
      echo "$package"
  done
}

# Installs those of the packages that are missing; says which. Changes nothing when all are there.
varve_install() {
  local missing log as_root=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is no Debian. Install by hand what these packages hold: $*" >&2
    return 1
  fi
  mapfile -t missing < <(varve_missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    echo "All $# packages are installed already."
    return 0
  fi
  echo "Installing with apt-get, which takes about a minute: ${missing[*]}"
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "This takes root, and there is no sudo. Run as root:" >&2
      echo "  apt-get install -y --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  log=$(mktemp) || return
  if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
      --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    echo "apt-get failed. The end of what it said:" >&2
    tail -n 30 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  mapfile -t missing < <(varve_missing_packages "$@")
  if ((${#missing[@]} > 0)); then
    echo "Still missing after apt-get: ${missing[*]}" >&2
    return 1
  fi
}

# Ends the Bazel server of this workspace. In a container whose first process collects no orphans
# Bazel would wait a minute for a server that is gone.
varve_bazel_shutdown() {
  timeout -k 5 10 bazel shutdown >/dev/null 2>&1 || true
}
