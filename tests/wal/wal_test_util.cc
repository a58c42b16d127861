#include "tests/wal/wal_test_util.h"

#include "tests/support/sim_file_system.h"
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

WalTest::WalTest(On on) : env_(Env::Default()) {
  if (on == On::kPosix) {
    options_.directory = temp_dir_.emplace().path();
  } else {
    SimOptions sim;
    sim.track = false;
    env_.file_system = SimFileSystem::New(sim);
    options_.directory = "/db";
    EXPECT_TRUE(env_.file_system->CreateDirectory(options_.directory).ok());
  }
  env_.machine = std::make_shared<CountingMachine>();
  options_.env = env_;
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
  options.directory = directory();
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

std::string WalTest::Path(FileNumber number) const { return LogFileName(directory(), number); }

bool WalTest::Exists(const std::string& path) const {
  FileInfo info;
  return env_.file_system->GetFileInfo(path, &info).ok();
}

std::string WalTest::ReadFile(const std::string& path) const {
  std::unique_ptr<RandomAccessFile> file;
  uint64_t size = 0;
  EXPECT_TRUE(env_.file_system->NewRandomAccessFile(path, false, &file).ok()) << path;
  EXPECT_TRUE(file->Size(&size).ok());
  std::string bytes(size, '\0');
  size_t read = 0;
  EXPECT_TRUE(file->Read(0, size, bytes.data(), &read).ok());
  EXPECT_EQ(read, size);
  return bytes;
}

void WalTest::WriteFile(const std::string& path, const std::string& bytes) const {
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(env_.file_system->NewRandomRWFile(path, !Exists(path), &file).ok()) << path;
  ASSERT_TRUE(file->Write(0, bytes).ok());
  ASSERT_TRUE(file->Truncate(bytes.size()).ok());
  ASSERT_TRUE(file->Close().ok());
}

void WalTest::Overwrite(const std::string& path, uint64_t offset, Slice bytes) const {
  std::unique_ptr<RandomRWFile> file;
  ASSERT_TRUE(env_.file_system->NewRandomRWFile(path, /*create=*/false, &file).ok()) << path;
  ASSERT_TRUE(file->Write(offset, bytes).ok());
  ASSERT_TRUE(file->Close().ok());
}

std::vector<std::string> WalTest::Names() const {
  std::vector<std::string> names;
  EXPECT_TRUE(env_.file_system->ListDirectory(directory(), &names).ok());
  return names;
}

}  // namespace varve
