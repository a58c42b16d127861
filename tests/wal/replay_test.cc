#include "wal/replay.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/wal/wal_test_util.h"
#include "util/crc32c.h"
#include "util/filename.h"
#include "wal/log_format.h"
#include "wal/log_record.h"

namespace varve {
namespace {

using wal::kBlockBytes;
using wal::kDataOffset;
using wal::kHeaderBytes;
using wal::kRecordHeaderBytes;
using wal::LogHeader;
using wal::RecordBytes;
using wal::RecordHeader;

// A log made byte by byte, to hold what our writer would not write.
class RawLog {
 public:
  explicit RawLog(FileNumber number, uint64_t capacity = 8 * kBlockBytes) {
    header_.number = number;
    header_.nonce = 77;
    header_.capacity = capacity;
    bytes_.assign(capacity, '\0');
    SetHeader(header_);
  }

  const LogHeader& header() const { return header_; }
  const std::string& bytes() const { return bytes_; }
  uint64_t end() const { return end_; }

  void SetHeader(const LogHeader& header, int copies = 3) {
    header_ = header;
    for (int i = 0; i < 2; ++i) {
      if ((copies >> i & 1) != 0)
        bytes_.replace(i * kBlockBytes, kHeaderBytes, EncodeLogHeader(header));
    }
  }

  // Adds a record at end(), which follows `prev`. Returns its header as it was framed.
  RecordHeader Add(Slice payload, LogPosition prev, LogPosition durable = {},
                   const RecordHeader& odd = {.type = 1}) {
    RecordHeader record = odd;
    record.payload_crc = ExtendCrc32c(header_.Salt(), payload);
    if (record.payload_bytes == 0) record.payload_bytes = payload.size();
    record.prev = prev;
    record.durable = durable;
    char bytes[kRecordHeaderBytes];
    EncodeRecordHeader(record, header_.Salt(), header_.number, bytes);
    bytes_.replace(end_, sizeof(bytes), bytes, sizeof(bytes));
    bytes_.replace(end_ + sizeof(bytes), payload.size(), payload);
    end_ += RecordBytes(payload.size());
    return record;
  }

  void Skip(uint64_t bytes) { end_ += bytes; }

 private:
  LogHeader header_;
  std::string bytes_;
  uint64_t end_ = kDataOffset;
};

class ReplayTest : public WalTest {
 protected:
  // Logs 1, 2, 3 … of one or more records each, with a sync after those in `synced`.
  void Build(FileNumber logs, int records_each, const std::vector<size_t>& synced) {
    for (FileNumber number = 1; number <= logs; ++number) {
      Switch(number);
      for (int i = 0; i < records_each; ++i) {
        AppendSized(30 + 10 * i);
        for (size_t record : synced) {
          if (record + 1 == appended_.size()) Sync(wal_->end());
        }
      }
    }
  }

  void ExpectCorruption(const Status& status, const std::string& path, const std::string& text) {
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_NE(status.message().find(path), std::string::npos) << status.ToString();
    EXPECT_NE(status.message().find(text), std::string::npos) << status.ToString();
  }

  void Zero(FileNumber log, uint64_t from, uint64_t to) {
    Overwrite(Path(log), from, std::string(to - from, '\0'));
  }
};

// ---- The chain over several logs
// -------------------------------------------------------------------

// RULES R5.2: the unsynced end of log 1 comes back as zeros, log 2 is whole.
TEST_F(ReplayTest, ALogAfterATornOneIsDiscarded) {
  Build(2, 3, {0});
  Zero(1, ends_[1].offset, ends_[2].offset);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == Prefix(2));
  EXPECT_EQ(result_.end, ends_[1]);
  EXPECT_EQ(result_.records_discarded, 3u);
  EXPECT_TRUE(result_.cut);
  EXPECT_EQ(sink_.logs, std::vector<FileNumber>{1});
  EXPECT_EQ(result_.found, (std::vector<FileNumber>{1, 2}));
}

// The same where nothing is left of log 1, which still has its header.
TEST_F(ReplayTest, ALogAfterAnEmptiedOneIsDiscarded) {
  Build(2, 3, {});
  Zero(1, kDataOffset, ends_[2].offset);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads.empty());
  EXPECT_EQ(result_.records_discarded, 3u);
  EXPECT_TRUE(result_.cut);
}

// Checklist W17: log 2 was synced, so log 1 was before.
TEST_F(ReplayTest, ATornLogBeforeASyncedOneIsRefused) {
  Build(2, 3, {4});
  Zero(1, ends_[1].offset, ends_[2].offset);
  const Status status = Replay();
  ExpectCorruption(status, Path(1), "offset " + std::to_string(ends_[1].offset));
  ExpectCorruption(status, Path(1), "known to be durable to " + ends_[4].ToString());
}

TEST_F(ReplayTest, AMissingLogThatALaterOneFollowsIsRefused) {
  for (const std::vector<size_t>& synced : {std::vector<size_t>{}, std::vector<size_t>{7}}) {
    SCOPED_TRACE(synced.size());
    for (const std::string& name : Names()) {
      ASSERT_TRUE(env_.file_system->RemoveFile(File(name)).ok());
    }
    appended_.clear();
    ends_.clear();
    Reopen();
    Build(3, 3, synced);
    ASSERT_TRUE(env_.file_system->RemoveFile(Path(2)).ok());
    ExpectCorruption(Replay(), Path(2), "found no file");
    // Its file is there, but is no log: the same.
    WriteFile(Path(2), "");
    ExpectCorruption(Replay(), Path(2), "offset 0");
  }
}

TEST_F(ReplayTest, AMissingLogAtTheBeginningIsRefused) {
  Build(2, 1, {});
  ASSERT_TRUE(env_.file_system->RemoveFile(Path(1)).ok());
  ExpectCorruption(Replay(), Path(1), "found no file");
  ReplayOptions options = Replaying();
  options.lowest_needed = 2;
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{appended_[1]});
}

TEST_F(ReplayTest, AMissingLogAtTheEndIsRefusedIfItWasDurable) {
  Build(2, 2, {3});
  ASSERT_TRUE(env_.file_system->RemoveFile(Path(2)).ok());
  ExpectCorruption(Replay(ends_[3]), Path(2), "found no file");
  ASSERT_TRUE(Replay(ends_[1]).ok());
  EXPECT_TRUE(sink_.payloads == Prefix(2));
}

TEST_F(ReplayTest, ALogThatFollowsSomethingElseIsDiscarded) {
  RawLog four(4), five(5);
  four.Add("first", {});
  five.Add("second", {4, four.end() + 8});
  WriteFile(Path(4), four.bytes());
  WriteFile(Path(5), five.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{"first"});
  // Nor does the chain begin anew.
  RawLog again(5);
  again.Add("second", {});
  WriteFile(Path(5), again.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{"first"});
  EXPECT_TRUE(result_.cut);
}

TEST_F(ReplayTest, PositionsInLogsNotNeededCountForNothing) {
  RawLog log(9);
  log.Add("first", {4, 9000}, {4, 9000});
  WriteFile(Path(9), log.bytes());
  ReplayOptions options = Replaying({5, 12000});
  options.lowest_needed = 6;
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{"first"});
  EXPECT_EQ(result_.known_durable, LogPosition{});
  options.lowest_needed = 4;
  ExpectCorruption(Replay(options), Path(4), "found no file");
}

TEST_F(ReplayTest, OtherFilesAreNotLookedAt) {
  Build(2, 1, {});
  WriteFile(File("000003.recycled"), ReadFile(Path(2)));
  WriteFile(File("3.log"), "x");
  WriteFile(File("000003.log.old"), "x");
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.found, (std::vector<FileNumber>{1, 2}));
}

// ---- Headers
// ---------------------------------------------------------------------------------------

TEST_F(ReplayTest, UnfinishedLogsDefineNoData) {
  Build(1, 2, {0});
  const std::string whole = ReadFile(Path(1));
  // As a log recycled to number 2 whose header did not reach the disk; nothing, a part of a header.
  for (const std::string& bytes :
       {whole, std::string(), whole.substr(0, 30), std::string(20000, '\0')}) {
    WriteFile(Path(2), bytes);
    for (WalRecoveryMode mode : {WalRecoveryMode::kTolerateTornTail, WalRecoveryMode::kAbsolute,
                                 WalRecoveryMode::kPointInTime}) {
      ReplayOptions options = Replaying();
      options.mode = mode;
      const Status status = Replay(options);
      ASSERT_TRUE(status.ok()) << status.ToString();
      EXPECT_TRUE(sink_.payloads == appended_);
      EXPECT_FALSE(result_.cut);
      EXPECT_EQ(result_.found, (std::vector<FileNumber>{1, 2}));
    }
    ExpectCorruption(Replay({2, 8192 + 40}), Path(2), "offset 0");
  }
}

TEST_F(ReplayTest, TwoGoodHeadersThatDifferDefineNoData) {
  RawLog log(2);
  log.Add("x", {});
  LogHeader other = log.header();
  other.nonce += 1;
  log.SetHeader(other, 2);
  WriteFile(Path(2), log.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads.empty());
  ExpectCorruption(Replay({2, 9000}), Path(2), "different");
}

TEST_F(ReplayTest, AnotherLogsHeaderInOneCopyHidesNothing) {
  RawLog log(2);
  log.Add("x", {});
  LogHeader other = log.header();
  other.number = 1;
  for (int copy : {1, 2}) {
    RawLog mixed = log;
    mixed.SetHeader(other, copy);
    WriteFile(Path(2), mixed.bytes());
    ASSERT_TRUE(Replay().ok());
    EXPECT_EQ(sink_.payloads, std::vector<std::string>{"x"});
  }
}

TEST_F(ReplayTest, ANewerFormatIsNotSupported) {
  for (WalRecoveryMode mode : {WalRecoveryMode::kTolerateTornTail, WalRecoveryMode::kPointInTime}) {
    for (int what = 0; what < 4; ++what) {
      RawLog log(2);
      LogHeader header = log.header();
      if (what == 0) header.version = 2;
      if (what == 1) header.incompat = 1;
      if (what == 2) header.read_only_compat = uint64_t{1} << 63;
      if (what == 3) header.compat = ~uint64_t{0};
      log.SetHeader(header);
      log.Add("x", {});
      WriteFile(Path(2), log.bytes());
      ReplayOptions options = Replaying();
      options.mode = mode;
      const Status status = Replay(options);
      if (what == 3) {
        EXPECT_TRUE(status.ok());
        EXPECT_EQ(sink_.payloads, std::vector<std::string>{"x"});
      } else {
        EXPECT_TRUE(status.IsNotSupported()) << status.ToString();
        EXPECT_NE(status.message().find(Path(2)), std::string::npos);
      }
      // Behind the end of the chain as well.
      RawLog torn(1);
      torn.Add("y", {0, 0}, {});
      std::string bytes = torn.bytes();
      bytes[kDataOffset + kRecordHeaderBytes] ^= 1;
      WriteFile(Path(1), bytes);
      EXPECT_EQ(Replay(options).IsNotSupported(), what != 3);
      ASSERT_TRUE(env_.file_system->RemoveFile(Path(1)).ok());
    }
  }
}

TEST_F(ReplayTest, ANewerFormatOfAnotherLogIsAnUnfinishedLog) {
  RawLog log(2);
  LogHeader header = log.header();
  header.version = 9;
  header.number = 1;
  log.SetHeader(header);
  WriteFile(Path(2), log.bytes());
  EXPECT_TRUE(Replay().ok());
}

TEST_F(ReplayTest, AnUnknownKindOfRecordIsNotSupported) {
  for (const RecordHeader& odd : {RecordHeader{.type = 2}, RecordHeader{.type = 1, .flags = 1}}) {
    RawLog log(2);
    log.Add("x", {});
    const uint64_t at = log.end();
    log.Add("y", {2, at}, {}, odd);
    WriteFile(Path(2), log.bytes());
    const Status status = Replay();
    EXPECT_TRUE(status.IsNotSupported()) << status.ToString();
    EXPECT_NE(status.message().find(Path(2)), std::string::npos);
    EXPECT_NE(status.message().find("offset " + std::to_string(at)), std::string::npos);
    // Torn, it is a tail like any other.
    std::string bytes = log.bytes();
    bytes[at + kRecordHeaderBytes] ^= 1;
    WriteFile(Path(2), bytes);
    EXPECT_TRUE(Replay().ok());
    EXPECT_EQ(sink_.payloads, std::vector<std::string>{"x"});
  }
}

// ---- Lengths and places
// ----------------------------------------------------------------------------

// No length makes the reader allocate what the file could not hold.
TEST_F(ReplayTest, ALengthBeyondTheFileIsDamage) {
  for (uint64_t length :
       {8 * kBlockBytes - kDataOffset, uint64_t{1} << 32, (uint64_t{1} << 48) - 1}) {
    RawLog log(2);
    log.Add("x", {});
    const uint64_t at = log.end();
    log.Add("y", {2, at}, {}, {.payload_bytes = length, .type = 1});
    WriteFile(Path(2), log.bytes());
    ASSERT_TRUE(Replay().ok());
    EXPECT_EQ(sink_.payloads, std::vector<std::string>{"x"});
    EXPECT_EQ(result_.records_discarded, 1u);
    ExpectCorruption(Replay({2, at + 40}), Path(2), "end of the log");
  }
}

TEST_F(ReplayTest, ARecordEndsWithTheLogAtTheLatest) {
  const uint64_t room = 8 * kBlockBytes - kDataOffset - kRecordHeaderBytes;
  RawLog log(2);
  log.Add(std::string(room, 'x'), {});
  ASSERT_EQ(log.end(), log.bytes().size());
  WriteFile(Path(2), log.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{std::string(room, 'x')});
  // What lies behind the capacity is not the log's.
  WriteFile(Path(2), log.bytes() + log.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_FALSE(result_.cut);
}

TEST_F(ReplayTest, ARecordMayOnlyStandWhereItsPredecessorAllows) {
  // One unit further than the end, and a block later than the next block.
  for (uint64_t skip : {uint64_t{8}, kBlockBytes - 40 + kBlockBytes}) {
    RawLog log(2);
    log.Add("x", {});
    const uint64_t at = log.end();
    log.Skip(skip);
    log.Add("y", {2, at}, {2, at});
    WriteFile(Path(2), log.bytes());
    ASSERT_TRUE(Replay().ok());
    EXPECT_EQ(sink_.payloads, std::vector<std::string>{"x"});
    EXPECT_EQ(result_.records_discarded, 0u);
    EXPECT_EQ(result_.known_durable, LogPosition{});
  }
  RawLog log(2);
  log.Add("x", {});
  const uint64_t at = log.end();
  log.Skip(kBlockBytes - at % kBlockBytes);
  log.Add("y", {2, at});
  WriteFile(Path(2), log.bytes());
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, (std::vector<std::string>{"x", "y"}));
}

TEST_F(ReplayTest, AStoredCopyOfTheLogIsNoLog) {
  options_.log_bytes = 256 << 10;
  Reopen();
  Switch(1);
  for (int i = 0; i < 20; ++i) AppendSized(100);
  Sync(wal_->end());
  AppendSized(100);
  const LogPosition before = wal_->end();
  // At every alignment to its blocks and units.
  const std::string copy = ReadFile(Path(1)).substr(0, 24 << 10);
  for (size_t shift : {0, 8, 16, 4096 - 32, 4096 - 2400}) Append(std::string(shift, 'x') + copy);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  // Its payload has to be looked through once the record cannot be read.
  Overwrite(Path(1), before.offset + 4, "\x01\x02\x03");
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == Prefix(21));
  EXPECT_EQ(result_.records_discarded, 4u);
}

TEST_F(ReplayTest, ARecordLargerThanTheWindowIsRead) {
  Switch(1, 3 << 20);
  AppendSized((3 << 20) - 100);
  Switch(2, 2 << 20);
  for (int i = 0; i < 14; ++i) AppendSized(100000 + i);
  AppendSized(3);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  // Scanning goes through windows as well: the last record's header is far behind the damage.
  Overwrite(Path(1), kDataOffset + kRecordHeaderBytes + 5, "\x55\x55");
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.records_discarded, appended_.size());
}

// ---- Modes
// -----------------------------------------------------------------------------------------

TEST_F(ReplayTest, AbsoluteRefusesEveryRemainsBehindTheEnd) {
  Build(2, 2, {0});
  ReplayOptions options = Replaying();
  options.mode = WalRecoveryMode::kAbsolute;
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  const std::string good = ReadFile(Path(2));
  // A torn payload; a torn header; one stray byte at the very end of the file.
  for (uint64_t at : {ends_[2].offset + kRecordHeaderBytes, ends_[2].offset, good.size() - 1}) {
    std::string bytes = good;
    bytes[at] ^= 1;
    WriteFile(Path(2), bytes);
    const LogPosition end = at == good.size() - 1 ? ends_[3] : ends_[2];
    ExpectCorruption(Replay(options), Path(2), "offset " + std::to_string(end.offset));
    ASSERT_TRUE(Replay().ok());
    EXPECT_EQ(result_.end, end);
    EXPECT_TRUE(result_.cut);
    EXPECT_EQ(result_.bytes_discarded,
              at == good.size() - 1 ? good.size() - end.offset : RecordBytes(40));
  }
}

TEST_F(ReplayTest, AbsoluteTellsRecycledBytesFromRemains) {
  Switch(1);
  while (wal_->Fits(100)) AppendSized(100);
  Sync(wal_->end());
  Switch(2);
  ASSERT_TRUE(wal_->Retire(2).ok());
  Switch(3);
  ASSERT_FALSE(Exists(RecycledLogFileName(directory(), 1)));
  appended_.clear();
  for (int i = 0; i < 3; ++i) AppendSized(50);
  ReplayOptions options = Replaying();
  options.mode = WalRecoveryMode::kAbsolute;
  options.lowest_needed = 2;
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  // A record that can be recognised is remains in a recycled log, too.
  Overwrite(Path(3), ends_.back().offset - 20, "\xff\xee");
  ExpectCorruption(Replay(options), Path(3), "payload checksum");
}

TEST_F(ReplayTest, PointInTimeTakesEverythingBeforeTheDamage) {
  Build(3, 3, {8});
  ReplayOptions options = Replaying(ends_[8]);
  options.mode = WalRecoveryMode::kPointInTime;
  RecordingLogger logger;
  options.logger = &logger;
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  EXPECT_TRUE(logger.lines.empty());

  Overwrite(Path(2), ends_[3].offset + 3, "\xff\xee");
  ASSERT_TRUE(Replay(ends_[8]).IsCorruption());
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_TRUE(sink_.payloads == Prefix(4));
  EXPECT_EQ(sink_.logs, (std::vector<FileNumber>{1, 2}));
  EXPECT_EQ(result_.records_discarded, 4u);
  ASSERT_EQ(logger.lines.size(), 1u);
  EXPECT_NE(logger.lines[0].find(Path(2)), std::string::npos) << logger.lines[0];

  ASSERT_TRUE(env_.file_system->RemoveFile(Path(2)).ok());
  ASSERT_TRUE(Replay(options).ok());
  EXPECT_TRUE(sink_.payloads == Prefix(3));
}

// ---- Errors that are not damage
// --------------------------------------------------------------------

TEST_F(ReplayTest, AnErrorOfTheDeviceIsNoTail) {
  Build(3, 2, {});
  auto fault = FaultFileSystem::New(env_.file_system);
  ReplayOptions options = Replaying();
  options.file_system = fault.get();
  ASSERT_TRUE(Replay(options).ok());
  const uint64_t reads = fault->count(FaultOp::kRead), opens = fault->count(FaultOp::kOpen);
  for (FaultOp op : {FaultOp::kRead, FaultOp::kOpen, FaultOp::kList}) {
    const uint64_t times = op == FaultOp::kRead ? reads : op == FaultOp::kOpen ? opens : 1;
    for (uint64_t nth = 1; nth <= times; ++nth) {
      const size_t injected = fault->Inject({.op = op, .nth = nth});
      const Status status = Replay(options);
      EXPECT_TRUE(status.IsIOError()) << nth << ": " << status.ToString();
      EXPECT_EQ(fault->hits(injected), 1u);  // Checklist T2
      fault->RemoveAll();
    }
  }
  EXPECT_GT(reads, 6u);
}

TEST_F(ReplayTest, PointInTimeEndsWhereTheDeviceFails) {
  Build(3, 2, {5});
  auto fault = FaultFileSystem::New(env_.file_system);
  for (FaultOp op : {FaultOp::kRead, FaultOp::kOpen}) {
    ReplayOptions options = Replaying(ends_[5]);
    options.file_system = fault.get();
    options.mode = WalRecoveryMode::kPointInTime;
    fault->Inject({.op = op, .forever = true, .path_part = "000002.log"});
    const Status status = Replay(options);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_TRUE(sink_.payloads == Prefix(2));
    fault->RemoveAll();
    EXPECT_TRUE(Replay(options).ok());
    EXPECT_TRUE(sink_.payloads == appended_);
  }
}

TEST_F(ReplayTest, AnErrorOfTheSinkEndsTheReplayInEveryMode) {
  Build(2, 3, {});
  for (WalRecoveryMode mode : {WalRecoveryMode::kTolerateTornTail, WalRecoveryMode::kAbsolute,
                               WalRecoveryMode::kPointInTime}) {
    ReplayOptions options = Replaying();
    options.mode = mode;
    sink_.fail_at = 1;
    Status status = Replay(options);
    EXPECT_TRUE(status.IsIOError());
    EXPECT_EQ(status.message(), "sink");
    EXPECT_EQ(sink_.payloads.size(), 1u);
    sink_.fail_at = -1;
    sink_.fail_log = 1;
    status = Replay(options);
    EXPECT_EQ(status.message(), "sink");
    EXPECT_EQ(sink_.payloads.size(), 3u);
    sink_.fail_log = 0;
  }
}

TEST_F(ReplayTest, AMissingDirectoryIsAnError) {
  ReplayOptions options = Replaying();
  options.directory = File("nothing");
  EXPECT_TRUE(Replay(options).IsNotFound());
}

}  // namespace
}  // namespace varve
