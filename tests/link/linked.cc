#include "tests/link/linked.h"

#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "varve/db.h"

namespace varve {
namespace {

int NamesGlog(dl_phdr_info* info, size_t, void* found) {
  if (std::string(info->dlpi_name).find("libglog") == std::string::npos) return 0;
  *static_cast<bool*>(found) = true;
  return 1;
}

// Whether its symbols are in the program's file, as they are if it is linked in or called. The name
// is written backwards here, or it would be in every program.
bool HoldsSymbolsOfGlog() {
  std::string name = "egasseMgoL01elgoog6";  // of google::LogMessage
  std::reverse(name.begin(), name.end());
  std::ifstream in("/proc/self/exe", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  EXPECT_GT(bytes.size(), 10'000u);
  return bytes.find(name) != std::string::npos;
}

std::string OnlyLog(const std::string& directory) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".log" && entry.path().string() > found) {
      found = entry.path().string();
    }
  }
  return found;
}

}  // namespace

bool LinksGlog() {
  bool found = false;
  dl_iterate_phdr(&NamesGlog, &found);
  return found || HoldsSymbolsOfGlog();
}

void MakeTheEngineWarn(const std::string& directory) {
  Options options;
  options.create_if_missing = true;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, directory, &db).ok());
  ASSERT_TRUE(db->Put({}, "key", "value to damage").ok());
  ASSERT_TRUE(db->Close().ok());
  db.reset();

  const std::string log = OnlyLog(directory);
  std::ifstream in(log, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t at = bytes.find("value to damage");
  ASSERT_NE(at, std::string::npos) << log;
  bytes[at] = 'V';
  std::ofstream(log, std::ios::binary) << bytes;

  options.wal_recovery = WalRecoveryMode::kPointInTime;
  const Status status = DB::Open(options, directory, &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

}  // namespace varve
