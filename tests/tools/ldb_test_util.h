#ifndef VARVE_TESTS_TOOLS_LDB_TEST_UTIL_H_
#define VARVE_TESTS_TOOLS_LDB_TEST_UTIL_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/ldb/ldb.h"
#include "util/filename.h"
#include "varve/db.h"

namespace varve::ldb {

// What a run of varve_ldb gave.
struct Outcome {
  int exit = 0;
  std::string out;
  std::string err;
};

// Runs commands in this process, on a database in a directory of its own.
class LdbTest : public ::testing::Test {
 protected:
  LdbTest() { make_.create_if_missing = true; }

  // The command line as it is, or with --db before it.
  Outcome RunLine(const std::vector<std::string>& arguments);
  Outcome Run(std::vector<std::string> arguments);

  // A database of two segments ("a", "b"; a newer "a", a deleted "b") and a log ("c", "d"), closed.
  void MakeDatabase();
  std::unique_ptr<DB> Open();

  std::string path() const { return dir_.File("db"); }
  // Full paths of the files of one type, ascending.
  std::vector<std::string> Files(FileType type) const;
  // Name and content of every file of the database.
  std::map<std::string, std::string> Contents() const;

  static std::string ReadFile(const std::string& path);
  static void WriteFile(const std::string& path, const std::string& bytes);
  static void FlipByte(const std::string& path, size_t offset);

  TempDir dir_;
  Options make_;  // how MakeDatabase() and Open() open it
  Options base_;  // what the commands are given
};

}  // namespace varve::ldb

#endif  // VARVE_TESTS_TOOLS_LDB_TEST_UTIL_H_
