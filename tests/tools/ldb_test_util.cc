#include "tests/tools/ldb_test_util.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace varve::ldb {

Outcome LdbTest::RunLine(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  Outcome outcome;
  outcome.exit = ldb::Run(arguments, base_, out, err);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

Outcome LdbTest::Run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "--db=" + path());
  return RunLine(arguments);
}

std::unique_ptr<DB> LdbTest::Open() {
  std::unique_ptr<DB> db;
  const Status status = DB::Open(make_, path(), &db);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return db;
}

void LdbTest::MakeDatabase() {
  make_.memtable_bytes = 64 << 10;                  // and small logs
  make_.compaction_style = CompactionStyle::kNone;  // three pieces, however long it takes
  auto db = Open();
  ASSERT_NE(db, nullptr);
  ASSERT_TRUE(db->Put({}, "a", "old").ok());
  ASSERT_TRUE(db->Put({}, "b", "gone").ok());
  ASSERT_TRUE(db->Flush().ok());
  ASSERT_TRUE(db->Put({}, "a", "new").ok());
  ASSERT_TRUE(db->Delete({}, "b").ok());
  ASSERT_TRUE(db->Flush().ok());
  ASSERT_TRUE(db->Put({}, "c", "logged").ok());
  ASSERT_TRUE(db->Put({}, "d", std::string("\0\\x", 3)).ok());
  ASSERT_TRUE(db->Close().ok());
}

std::vector<std::string> LdbTest::Files(FileType wanted) const {
  std::map<FileNumber, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    FileNumber number;
    FileType type;
    if (ParseFileName(entry.path().filename().string(), &number, &type) && type == wanted) {
      files[number] = entry.path().string();
    }
  }
  std::vector<std::string> paths;
  for (const auto& [number, file] : files) paths.push_back(file);
  return paths;
}

std::map<std::string, std::string> LdbTest::Contents() const {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::directory_iterator(path())) {
    contents[entry.path().filename().string()] = ReadFile(entry.path().string());
  }
  return contents;
}

std::string LdbTest::ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

void LdbTest::WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  ASSERT_TRUE(out.good()) << path;
}

void LdbTest::FlipByte(const std::string& path, size_t offset) {
  std::string bytes = ReadFile(path);
  ASSERT_LT(offset, bytes.size());
  bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
  WriteFile(path, bytes);
}

}  // namespace varve::ldb
