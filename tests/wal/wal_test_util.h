#ifndef VARVE_TESTS_WAL_WAL_TEST_UTIL_H_
#define VARVE_TESTS_WAL_WAL_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"
#include "varve/env.h"
#include "varve/logger.h"
#include "wal/replay.h"
#include "wal/wal.h"

// What the tests of the log share: a database directory with a Wal in it, and the bytes of its
// files. It is in memory, as the syncs of a busy disk take many times what all the rest takes.

namespace varve {

// Nonces that a test knows: 1000, 1001, …
class CountingMachine final : public Machine {
 public:
  std::string BootId() override { return "boot"; }
  uint64_t MemoryLimitBytes() override { return uint64_t{1} << 30; }
  uint64_t RandomSeed() override { return next_.fetch_add(1); }

 private:
  std::atomic<uint64_t> next_{1000};
};

class RecordingLogger final : public Logger {
 public:
  void Log(LogLevel, Slice message) override { lines.emplace_back(message); }
  std::vector<std::string> lines;
};

// Keeps what was replayed, and checks the order of the calls.
class CollectingSink final : public LogSink {
 public:
  Status OnRecord(LogPosition end, Slice payload) override;
  Status OnLogEnd(FileNumber log) override;

  std::vector<std::string> payloads;
  std::vector<LogPosition> ends;
  std::vector<FileNumber> logs;  // whose end was told

  // If set, OnRecord number `fail_at` (from 0) or, if `fail_log` is, OnLogEnd of that log fails.
  int64_t fail_at = -1;
  FileNumber fail_log = 0;

 private:
  LogPosition last_;
};

class WalTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kSmallLog = 64 << 10;

  enum class On { kMemory, kPosix };
  explicit WalTest(On on = On::kMemory);

  // A new Wal over the same directory, as after the death of the process.
  void Reopen();
  // Makes log `number` and uses it.
  void Switch(FileNumber number, uint64_t payload_bytes_min = 0);
  // Appends a record; returns its end.
  LogPosition Append(Slice payload);
  // Appends a record of `size` bytes that no other test record equals.
  LogPosition AppendSized(size_t size);
  void Sync(LogPosition upto);

  ReplayOptions Replaying(LogPosition known = {}) const;
  // Replays into `sink` (emptied first), `result`.
  Status Replay(const ReplayOptions& options);
  Status Replay(LogPosition known = {}) { return Replay(Replaying(known)); }
  // The first `count` of the payloads appended.
  std::vector<std::string> Prefix(size_t count) const;

  const std::string& directory() const { return options_.directory; }
  std::string File(const std::string& name) const { return directory() + "/" + name; }
  std::string Path(FileNumber number) const;
  bool Exists(const std::string& path) const;
  std::string ReadFile(const std::string& path) const;
  void WriteFile(const std::string& path, const std::string& bytes) const;
  void Overwrite(const std::string& path, uint64_t offset, Slice bytes) const;
  std::vector<std::string> Names() const;

  std::optional<TempDir> temp_dir_;
  Env env_;
  WalOptions options_;
  std::unique_ptr<Wal> wal_;
  std::vector<std::string> appended_;
  std::vector<LogPosition> ends_;

  CollectingSink sink_;
  ReplayResult result_;
};

// `size` bytes that depend on `seed`.
std::string Bytes(size_t size, uint64_t seed);

}  // namespace varve

#endif  // VARVE_TESTS_WAL_WAL_TEST_UTIL_H_
