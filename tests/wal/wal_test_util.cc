#include "tests/wal/wal_test_util.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "util/filename.h"
#include "util/random.h"

namespace varve {

std::string Bytes(size_t size, uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

Status CollectingSink::OnRecord(LogPosition end, Slice payload) {
  EXPECT_LT(last_, end);
  EXPECT_TRUE(last_.log == end.log || last_.log == 0 || (!logs.empty() && logs.back() == last_.log))
      << "the end of log " << last_.log << " was not told";
  if (fail_at == static_cast<int64_t>(payloads.size())) return Status::IOError("sink");
  last_ = end;
  payloads.emplace_back(payload);
  ends.push_back(end);
  return Status::OK();
}

Status CollectingSink::OnLogEnd(FileNumber log) {
  EXPECT_EQ(last_.log, log);
  logs.push_back(log);
  return log == fail_log ? Status::IOError("sink") : Status::OK();
}

WalTest::WalTest() : env_(Env::Default()) {
  env_.machine = std::make_shared<CountingMachine>();
  options_.env = env_;
  options_.directory = dir_.path();
  options_.log_bytes = kSmallLog;
  Reopen();
}

void WalTest::Reopen() {
  wal_.reset();
  ASSERT_TRUE(Wal::Create(options_, &wal_).ok());
}

void WalTest::Switch(FileNumber number, uint64_t payload_bytes_min) {
  std::unique_ptr<PreparedLog> log;
  Status status = wal_->Prepare(number, payload_bytes_min, &log);
  ASSERT_TRUE(status.ok()) << status.ToString();
  status = wal_->Use(std::move(log));
  ASSERT_TRUE(status.ok()) << status.ToString();
}

LogPosition WalTest::Append(Slice payload) {
  LogPosition end;
  const Status status = wal_->Append({&payload, 1}, &end);
  EXPECT_TRUE(status.ok()) << status.ToString();
  appended_.emplace_back(payload);
  ends_.push_back(end);
  return end;
}

LogPosition WalTest::AppendSized(size_t size) { return Append(Bytes(size, appended_.size() + 1)); }

void WalTest::Sync(LogPosition upto) {
  const Status status = wal_->Sync(upto);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

ReplayOptions WalTest::Replaying(LogPosition known) const {
  ReplayOptions options;
  options.file_system = env_.file_system.get();
  options.directory = dir_.path();
  options.known_durable = known;
  return options;
}

Status WalTest::Replay(const ReplayOptions& options) {
  const int64_t fail_at = sink_.fail_at;
  const FileNumber fail_log = sink_.fail_log;
  sink_ = CollectingSink();
  sink_.fail_at = fail_at;
  sink_.fail_log = fail_log;
  result_ = {};
  Status status = ReplayLogs(options, &sink_, &result_);
  if (status.ok()) {
    EXPECT_EQ(result_.records, sink_.payloads.size());
    EXPECT_EQ(result_.end, sink_.ends.empty() ? LogPosition{} : sink_.ends.back());
  }
  return status;
}

std::vector<std::string> WalTest::Prefix(size_t count) const {
  return {appended_.begin(), appended_.begin() + count};
}

std::string WalTest::Path(FileNumber number) const { return LogFileName(dir_.path(), number); }

bool WalTest::Exists(const std::string& path) const {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

std::string WalTest::ReadFile(const std::string& path) const {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WalTest::WriteFile(const std::string& path, const std::string& bytes) const {
  // Not truncated first: ext4 would write out a file that is emptied and filled again.
  if (!Exists(path)) std::ofstream(path, std::ios::binary);
  Overwrite(path, 0, bytes);
  std::error_code error;
  std::filesystem::resize_file(path, bytes.size(), error);
  ASSERT_FALSE(error) << path << ": " << error.message();
}

void WalTest::Overwrite(const std::string& path, uint64_t offset, Slice bytes) const {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.flush();
  ASSERT_TRUE(file.good()) << path;
}

std::vector<std::string> WalTest::Names() const {
  std::vector<std::string> names;
  EXPECT_TRUE(env_.file_system->ListDirectory(dir_.path(), &names).ok());
  return names;
}

}  // namespace varve
