#include "tests/support/temp_dir.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace varve {
namespace {

std::string ParentDirectory() {
  for (const char* variable : {"TEST_TMPDIR", "TMPDIR"}) {
    const char* value = getenv(variable);
    if (value != nullptr && *value != '\0') return value;
  }
  return "/tmp";
}

}  // namespace

TempDir::TempDir() : path_(ParentDirectory() + "/varve_test_XXXXXX"), owner_(getpid()) {
  if (mkdtemp(path_.data()) == nullptr) {
    fprintf(stderr, "cannot create the test directory %s: %s\n", path_.c_str(), strerror(errno));
    abort();
  }
}

TempDir::~TempDir() {
  if (getpid() != owner_) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace varve
