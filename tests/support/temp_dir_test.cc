#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace varve {
namespace {

TEST(TempDir, IsUniqueAndGoesWithItsContent) {
  std::optional<TempDir> a(std::in_place), b(std::in_place);
  EXPECT_NE(a->path(), b->path());
  const std::string path = a->path();
  std::filesystem::create_directory(a->File("sub"));
  std::ofstream(a->File("sub/file")) << "content";
  ASSERT_TRUE(std::filesystem::exists(path + "/sub/file"));
  a.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(b->path()));
}

TEST(TempDir, OutlivesAForkedChild) {
  std::optional<TempDir> dir(std::in_place);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    dir.reset();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(std::filesystem::exists(dir->path()));
}

}  // namespace
}  // namespace varve
