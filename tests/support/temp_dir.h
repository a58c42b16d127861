#ifndef VARVE_TESTS_SUPPORT_TEMP_DIR_H_
#define VARVE_TESTS_SUPPORT_TEMP_DIR_H_

#include <sys/types.h>

#include <string>
#include <string_view>

namespace varve {

// A new directory of its own, on the real file system, under $TEST_TMPDIR (else $TMPDIR, else
// /tmp). It goes with all its content when the object does, in the process that made it: a forked
// child that dies or returns leaves it to its parent. Failing to make it fails the test at once.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` in it; nothing is created.
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
  pid_t owner_;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_TEMP_DIR_H_
