#ifndef VARVE_TESTS_UTIL_POSIX_TEST_UTIL_H_
#define VARVE_TESTS_UTIL_POSIX_TEST_UTIL_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

// What the tests of the POSIX files share.

namespace varve {

void WriteTestFile(const std::string& path, const std::string& content);
std::string ReadTestFile(const std::string& path);
bool Exists(const std::string& path);

// How many descriptors this process has open.
size_t OpenDescriptors();
// The descriptor of this process that is open on `path`; -1 if there is none.
int DescriptorOf(const std::string& path);

// While it lives, the descriptor is another file's: every call on it that `with` refuses fails.
class DescriptorSwap {
 public:
  // Opens `with` with `flags` in the place of `fd`.
  DescriptorSwap(int fd, const std::string& with, int flags);
  ~DescriptorSwap();

 private:
  const int fd_;
  int saved_;
};

// While it lives, no file can be written past `bytes` (EFBIG; SIGXFSZ is ignored).
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes);
  ~FileSizeLimit();

 private:
  uint64_t saved_;
};

// Runs `body` in a forked child, which ends with its result as exit code; returns waitpid()'s
// status.
int RunInChild(const std::function<int()>& body);

// A tmpfs of `bytes`, where the process may mount one; ok() tells.
class SmallFileSystem {
 public:
  SmallFileSystem(const std::string& mount_point, uint64_t bytes);
  ~SmallFileSystem();
  bool ok() const { return ok_; }

 private:
  const std::string path_;
  bool ok_;
};

}  // namespace varve

#endif  // VARVE_TESTS_UTIL_POSIX_TEST_UTIL_H_
