#include "wal/wal.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/wal/wal_test_util.h"
#include "util/filename.h"
#include "wal/log_format.h"
#include "wal/log_record.h"

namespace varve {
namespace {

using wal::kBlockBytes;
using wal::kDataOffset;
using wal::kRecordHeaderBytes;
using wal::RecordBytes;
using wal::RoundUpToBlock;

// On the file system of the tests, and on the real one.
class WalChainTest : public WalTest, public ::testing::WithParamInterface<bool> {
 protected:
  WalChainTest() : WalTest(GetParam() ? On::kPosix : On::kMemory) {}
};

INSTANTIATE_TEST_SUITE_P(Memory, WalChainTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Posix, WalChainTest, ::testing::Values(true));

TEST_P(WalChainTest, ReplaysRecordsOfEverySizeAroundTheEdgesOfBlocks) {
  Switch(1);
  for (size_t size = 0; size <= 40; ++size) AppendSized(size);
  // Each fills its block but for `left` bytes, or reaches so far into the next.
  FileNumber number = 1;
  for (int left = -40; left <= 40; ++left) {
    const uint64_t begin = appended_.empty() ? kDataOffset : wal_->end().offset;
    const uint64_t room = RoundUpToBlock(begin + 1) - begin + kBlockBytes - kRecordHeaderBytes;
    if (!wal_->Fits(room + 40)) Switch(++number);
    AppendSized(room - left);
  }
  ASSERT_GT(number, 3u);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  EXPECT_EQ(sink_.ends, ends_);
  EXPECT_EQ(result_.found.size(), number);
  EXPECT_EQ(result_.end, wal_->end());
  EXPECT_FALSE(result_.cut);
  EXPECT_EQ(result_.bytes_discarded, 0u);
}

TEST_P(WalChainTest, JoinsPartsSmallAndLarge) {
  options_.log_bytes = 4 << 20;
  for (bool mapped : {true, false}) {
    options_.mapped = mapped;
    Reopen();
    Switch(mapped ? 1 : 2);
    for (size_t large : {size_t{0}, size_t{10}, size_t{16 << 10}, size_t{(16 << 10) + 1},
                         size_t{(64 << 10) - 32}, size_t{64 << 10}, size_t{300000}}) {
      const std::string a = Bytes(13, 1), b = Bytes(large, 2), c, d = Bytes(20000, 3),
                        e = Bytes(15000, 4), f = Bytes(16000, 5), g = Bytes(16384, 6);
      const Slice parts[] = {a, b, c, d, e, f, g, a};
      LogPosition end;
      const Status status = wal_->Append(parts, &end);
      ASSERT_TRUE(status.ok()) << status.ToString();
      appended_.push_back(a + b + c + d + e + f + g + a);
    }
    // A second Wal of the same database would have no record before its first; here the logs are
    // looked at one at a time.
    ReplayOptions options = Replaying();
    options.lowest_needed = wal_->current();
    ASSERT_TRUE(Replay(options).ok());
    EXPECT_TRUE(sink_.payloads == appended_);
    appended_.clear();
  }
}

TEST_P(WalChainTest, AppendOfNothingIsARecord) {
  Switch(1);
  LogPosition end;
  ASSERT_TRUE(wal_->Append({}, &end).ok());
  EXPECT_EQ(end, (LogPosition{1, kDataOffset + kRecordHeaderBytes}));
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, std::vector<std::string>{""});
}

// RULES R5.2
TEST_P(WalChainTest, NeverWritesABlockAgainThatWasSynced) {
  Switch(1);
  const LogPosition first = AppendSized(100);
  const LogPosition second = AppendSized(100);
  EXPECT_EQ(second.offset, first.offset + RecordBytes(100));
  Sync(second);
  const std::string synced = ReadFile(Path(1)).substr(0, RoundUpToBlock(second.offset));
  const LogPosition third = AppendSized(100);
  EXPECT_EQ(third.offset, RoundUpToBlock(second.offset) + RecordBytes(100));
  EXPECT_TRUE(ReadFile(Path(1)).substr(0, synced.size()) == synced);
  // A sync with nothing new changes nothing.
  Sync(second);
  const LogPosition fourth = AppendSized(100);
  EXPECT_EQ(fourth.offset, third.offset + RecordBytes(100));
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
}

TEST_P(WalChainTest, WastesNoBlockWhereASyncedRecordEndsWithOne) {
  Switch(1);
  const LogPosition end = AppendSized(kBlockBytes - kRecordHeaderBytes);
  ASSERT_EQ(end.offset, kDataOffset + kBlockBytes);
  Sync(end);
  EXPECT_EQ(AppendSized(8).offset, end.offset + RecordBytes(8));
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
}

// Checklist W6
TEST_P(WalChainTest, PositionsAreWhereTheNextRecordMayBegin) {
  EXPECT_EQ(wal_->end(), LogPosition{});
  EXPECT_EQ(wal_->durable(), LogPosition{});
  EXPECT_EQ(wal_->current(), 0u);
  Sync({});
  Switch(3);
  EXPECT_EQ(wal_->current(), 3u);
  EXPECT_EQ(wal_->end(), LogPosition{});
  const LogPosition one = AppendSized(1);
  EXPECT_EQ(one, (LogPosition{3, kDataOffset + 40}));
  EXPECT_EQ(wal_->end(), one);
  EXPECT_EQ(wal_->durable(), LogPosition{});
  Sync(one);
  EXPECT_EQ(wal_->durable(), one);
  Switch(7);
  EXPECT_EQ(wal_->end(), one);
  const LogPosition two = AppendSized(2);
  EXPECT_EQ(two.log, 7u);
  EXPECT_LT(one, two);
  EXPECT_EQ(wal_->durable(), one);
  Sync(two);
  EXPECT_EQ(wal_->durable(), two);
}

TEST_P(WalChainTest, RefusesASyncBeyondItsEnd) {
  Switch(1);
  const LogPosition end = AppendSized(10);
  EXPECT_TRUE(wal_->Sync({1, end.offset + 8}).IsInvalidArgument());
  EXPECT_TRUE(wal_->Sync({2, 0}).IsInvalidArgument());
  EXPECT_TRUE(wal_->latched().ok());
  Sync(end);
}

// Checklist W17
TEST_P(WalChainTest, SyncsEarlierLogsFirst) {
  auto fault = FaultFileSystem::New(env_.file_system);
  options_.env.file_system = fault;
  Reopen();
  Switch(1);
  AppendSized(10);
  Switch(2);
  AppendSized(10);
  Switch(3);
  const LogPosition last = AppendSized(10);
  std::vector<std::string> synced;
  fault->Inject({.op = FaultOp::kSync,
                 .forever = true,
                 .status = Status::OK(),
                 .action = [&](const std::string& path) { synced.push_back(path); }});
  Sync(ends_[1]);
  EXPECT_EQ(synced, (std::vector<std::string>{Path(1), Path(2)}));
  EXPECT_EQ(wal_->durable(), ends_[1]);
  synced.clear();
  Sync(last);
  EXPECT_EQ(synced, std::vector<std::string>{Path(3)});
  synced.clear();
  Sync(last);
  Sync(ends_[0]);
  EXPECT_TRUE(synced.empty());
}

// RULES R5.3
TEST_P(WalChainTest, RecordsWhatWasDurableWhenItFramed) {
  Switch(1);
  AppendSized(10);
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.known_durable, LogPosition{});
  Sync(ends_[0]);
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.known_durable, LogPosition{});  // no record says so yet
  AppendSized(10);
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.known_durable, ends_[0]);
  Switch(5);
  AppendSized(10);
  Sync(ends_[1]);
  AppendSized(10);
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(result_.known_durable, ends_[1]);
  ASSERT_TRUE(Replay(LogPosition{5, 8200}).ok());
  EXPECT_EQ(result_.known_durable, (LogPosition{5, 8200}));
}

TEST_P(WalChainTest, FitsHoldsWhateverASyncDoes) {
  Switch(1);
  // Fill to 8 bytes before the last block.
  AppendSized(kSmallLog - kDataOffset - kBlockBytes - kRecordHeaderBytes - 8);
  ASSERT_EQ(wal_->end().offset, kSmallLog - kBlockBytes - 8);
  EXPECT_TRUE(wal_->Fits(kBlockBytes - kRecordHeaderBytes));
  EXPECT_FALSE(wal_->Fits(kBlockBytes - kRecordHeaderBytes + 1));
  Sync(ends_[0]);
  EXPECT_TRUE(wal_->Fits(kBlockBytes - kRecordHeaderBytes));
  AppendSized(kBlockBytes - kRecordHeaderBytes);
  EXPECT_EQ(wal_->end().offset, kSmallLog);
  EXPECT_FALSE(wal_->Fits(0));
  // Checklist W9: a record that is refused leaves no trace.
  const Slice payload = "x";
  LogPosition end;
  EXPECT_TRUE(wal_->Append({&payload, 1}, &end).IsInvalidArgument());
  EXPECT_TRUE(wal_->latched().ok());
  Switch(2);
  AppendSized(1);
  Sync(wal_->end());
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
}

TEST_P(WalChainTest, TakesNothingBeforeALogIsUsed) {
  EXPECT_FALSE(wal_->Fits(0));
  const Slice payload = "x";
  LogPosition end;
  EXPECT_TRUE(wal_->Append({&payload, 1}, &end).IsInvalidArgument());
  std::unique_ptr<PreparedLog> log;
  EXPECT_TRUE(wal_->Prepare(0, 0, &log).IsInvalidArgument());
  EXPECT_TRUE(wal_->Prepare(1, wal::kPayloadBytesMax + 1, &log).IsInvalidArgument());
  EXPECT_TRUE(Names().empty());
}

TEST_P(WalChainTest, AnOversizedRecordGetsALogOfItsOwn) {
  Switch(1);
  AppendSized(10);
  const size_t size = 5 * kSmallLog + 3;
  EXPECT_FALSE(wal_->Fits(size));
  Switch(2, size);
  EXPECT_TRUE(wal_->Fits(size));
  AppendSized(size);
  Sync(wal_->end());
  Switch(3);
  AppendSized(10);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  // It is no file to be reused for normal logs.
  ASSERT_TRUE(wal_->Retire(3).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000003.log"}));
}

// Checklist E1: of a log's number its lower half is kept with the durable position; the distance to
// it is right beyond 2^32, and a log that is further away is refused.
TEST_P(WalChainTest, LogNumbersOnlyGrow) {
  std::unique_ptr<PreparedLog> five, seven;
  ASSERT_TRUE(wal_->Prepare(5, 0, &five).ok());
  ASSERT_TRUE(wal_->Prepare(7, 0, &seven).ok());
  EXPECT_EQ(five->number(), 5u);
  ASSERT_TRUE(wal_->Use(std::move(seven)).ok());
  AppendSized(3);
  EXPECT_TRUE(wal_->Use(std::move(five)).IsInvalidArgument());
  std::unique_ptr<PreparedLog> far;
  ASSERT_TRUE(wal_->Prepare(7 + (uint64_t{1} << 32), 0, &far).ok());
  EXPECT_TRUE(wal_->Use(std::move(far)).IsInvalidArgument());
  ASSERT_TRUE(wal_->Prepare(6 + (uint64_t{1} << 32), 0, &far).ok());
  ASSERT_TRUE(wal_->Use(std::move(far)).ok());
  Sync(wal_->end());
  AppendSized(4);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  EXPECT_EQ(result_.known_durable, ends_[0]);
}

TEST_P(WalChainTest, APreparedLogThatIsNotUsedIsRemoved) {
  std::unique_ptr<PreparedLog> log;
  ASSERT_TRUE(wal_->Prepare(1, 0, &log).ok());
  EXPECT_TRUE(Exists(Path(1)));
  log.reset();
  EXPECT_FALSE(Exists(Path(1)));
}

TEST_P(WalChainTest, LogsWithoutRecordsDoNotBreakTheChain) {
  Switch(1);
  Switch(2);
  AppendSized(10);
  Switch(3);
  Switch(4);
  AppendSized(20);
  Switch(5);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  EXPECT_EQ(sink_.logs, (std::vector<FileNumber>{2, 4}));
  EXPECT_EQ(result_.found, (std::vector<FileNumber>{1, 2, 3, 4, 5}));
}

TEST_P(WalChainTest, ReplayBeginsAtTheLowestLogNeeded) {
  for (FileNumber number : {3, 4, 5}) {
    Switch(number);
    AppendSized(10 * number);
  }
  for (FileNumber lowest : {0, 3, 4, 5, 6}) {
    ReplayOptions options = Replaying();
    options.lowest_needed = lowest;
    ASSERT_TRUE(Replay(options).ok());
    const size_t skipped = lowest <= 3 ? 0 : lowest - 3;
    EXPECT_TRUE(sink_.payloads ==
                std::vector<std::string>(appended_.begin() + skipped, appended_.end()));
  }
}

TEST_P(WalChainTest, ReplayOfAnEmptyDirectoryFindsNothing) {
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(result_.found.empty());
  EXPECT_EQ(result_.end, LogPosition{});
}

TEST_P(WalChainTest, CloseRefusesEverythingAfterwards) {
  Switch(1);
  AppendSized(10);
  ASSERT_TRUE(wal_->Close().ok());
  const Slice payload = "x";
  LogPosition end;
  EXPECT_TRUE(wal_->Append({&payload, 1}, &end).IsAborted());
  EXPECT_TRUE(wal_->Sync(ends_[0]).IsAborted());
  std::unique_ptr<PreparedLog> log;
  EXPECT_TRUE(wal_->Prepare(2, 0, &log).IsAborted());
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
}

class PlainStatistics final : public Statistics {
 public:
  void Add(Counter counter, uint64_t amount) override { counters_[counter] += amount; }
  uint64_t Get(Counter counter) const override { return counters_.at(counter); }
  bool latencies_enabled() const override { return true; }
  void Record(Latency latency, uint64_t) override { ++recorded[latency]; }
  HistogramData GetHistogram(Latency) const override { return {}; }
  void Reset() override {}
  std::string ToString() const override { return ""; }

  std::map<Latency, int> recorded;

 private:
  std::map<Counter, uint64_t> counters_;
};

TEST_P(WalChainTest, CountsWhatItWrites) {
  const auto statistics = std::make_shared<PlainStatistics>();
  options_.statistics = statistics;
  Reopen();
  Switch(1);
  AppendSized(136);
  AppendSized(1);
  Sync(wal_->end());
  Sync(wal_->end());
  EXPECT_EQ(statistics->Get(Counter::kWalGroups), 2u);
  EXPECT_EQ(statistics->Get(Counter::kWalBytes), RecordBytes(136) + RecordBytes(1));
  EXPECT_EQ(statistics->Get(Counter::kWalSyncs), 1u);
  EXPECT_EQ(statistics->recorded[Latency::kWalSync], 1);
}

// ---- Recycling
// -------------------------------------------------------------------------------------

// Checklist W16
TEST_P(WalChainTest, ARecycledLogNeverYieldsAnOldRecord) {
  options_.recycled_files_max = 1;
  Reopen();
  FileNumber number = 1;
  Switch(number);
  const std::string payload = Bytes(100, 1);
  while (wal_->Fits(payload.size())) Append(payload);
  for (size_t records = 0; records < 5; ++records) {
    // The other log's file is released and reused while this one is in use, and so on.
    Sync(wal_->end());
    Switch(number + 1);
    ASSERT_TRUE(wal_->Retire(number + 1).ok());
    ASSERT_TRUE(Exists(RecycledLogFileName(directory(), number)));
    number += 2;
    Switch(number);
    ASSERT_FALSE(Exists(RecycledLogFileName(directory(), number - 2)));
    ASSERT_TRUE(wal_->Retire(number).ok());  // the pool is full again with the empty log
    ASSERT_EQ(Names().size(), 2u);

    // Records of the same size, so that old ones stand exactly where new ones would.
    appended_.clear();
    for (size_t i = 0; i < records; ++i) Append(payload);
    ReplayOptions options = Replaying();
    options.lowest_needed = number;
    ASSERT_TRUE(Replay(options).ok());
    EXPECT_TRUE(sink_.payloads == appended_);
    EXPECT_EQ(result_.records_discarded, 0u);
    EXPECT_FALSE(result_.cut);
    EXPECT_NE(ReadFile(Path(number)).find(payload, kSmallLog / 2), std::string::npos)
        << "the file does not hold what it held before";
    while (wal_->Fits(payload.size())) Append(payload);
    ASSERT_TRUE(Replay(options).ok());
    EXPECT_TRUE(sink_.payloads == appended_);
  }
}

// The nonce: the same number over the same file, its old content readable but for it.
TEST_P(WalChainTest, ALogUnderItsOldNumberNeverYieldsAnOldRecord) {
  Switch(20);
  for (int i = 0; i < 10; ++i) AppendSized(100);
  Sync(wal_->end());
  Switch(21);
  ASSERT_TRUE(wal_->Retire(21).ok());
  ASSERT_TRUE(Exists(RecycledLogFileName(directory(), 20)));
  ASSERT_TRUE(env_.file_system->RemoveFile(Path(21)).ok());
  Reopen();
  ASSERT_TRUE(wal_->Adopt("000020.recycled").ok());
  appended_.clear();
  Switch(20);
  ASSERT_FALSE(Exists(RecycledLogFileName(directory(), 20)));
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads.empty());
  AppendSized(100);
  ASSERT_TRUE(Replay().ok());
  EXPECT_TRUE(sink_.payloads == appended_);
  EXPECT_EQ(result_.records_discarded, 0u);
}

TEST_P(WalChainTest, KeepsNoMoreRecycledFilesThanItMay) {
  options_.recycled_files_max = 2;
  Reopen();
  for (FileNumber number = 1; number <= 6; ++number) Switch(number);
  ASSERT_TRUE(wal_->Retire(4).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000002.recycled", "000004.log",
                                               "000005.log", "000006.log"}));
  // The log in use stays, whatever the caller says.
  ASSERT_TRUE(wal_->Retire(100).ok());
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"000001.recycled", "000002.recycled", "000006.log"}));
  Switch(7);
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000006.log", "000007.log"}));
}

// Checklist W7, RULES R4.1: what is not durable is not released.
TEST_P(WalChainTest, RefusesToRetireWhatIsNotDurable) {
  Switch(1);
  AppendSized(10);
  Sync(wal_->end());
  Switch(2);
  AppendSized(10);
  Switch(3);
  EXPECT_TRUE(wal_->Retire(3).IsInvalidArgument());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.log", "000002.log", "000003.log"}));
  ASSERT_TRUE(wal_->Retire(2).ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000002.log", "000003.log"}));
}

TEST_P(WalChainTest, AdoptsWhatEarlierRunsLeft) {
  options_.recycled_files_max = 2;
  for (FileNumber number : {1, 2, 3, 4}) Switch(number);
  Reopen();
  ASSERT_TRUE(env_.file_system->RenameFile(Path(2), RecycledLogFileName(directory(), 2)).ok());
  WriteFile(Path(3), "short");
  ASSERT_TRUE(wal_->Adopt("000001.log").ok());
  ASSERT_TRUE(wal_->Adopt("000002.recycled").ok());
  ASSERT_TRUE(wal_->Adopt("000003.log").ok());  // of another size
  ASSERT_TRUE(wal_->Adopt("000004.log").ok());  // one too many
  EXPECT_TRUE(wal_->Adopt("000005.log").IsNotFound());
  EXPECT_TRUE(wal_->Adopt("000005.seg").IsInvalidArgument());
  EXPECT_TRUE(wal_->Adopt("MANIFEST").IsInvalidArgument());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000002.recycled"}));
  Switch(6);
  Switch(7);
  EXPECT_EQ(Names(), (std::vector<std::string>{"000006.log", "000007.log"}));
}

// As a power loss leaves it that takes the first of two renames, and not the second.
TEST_P(WalChainTest, OneFileOfTwoNamesIsReusedOnce) {
  options_.recycled_files_max = 4;
  Switch(1);
  Reopen();
  ASSERT_TRUE(env_.file_system->LinkFile(Path(1), Path(2)).ok());
  ASSERT_TRUE(wal_->Adopt("000001.log").ok());
  ASSERT_TRUE(wal_->Adopt("000002.log").ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000002.recycled"}));
}

// Where the disk is full their room is worth more than they are.
TEST_P(WalChainTest, RecycledFilesAreLetGo) {
  options_.recycled_files_max = 2;
  Reopen();
  for (FileNumber number = 1; number <= 4; ++number) Switch(number);
  ASSERT_TRUE(wal_->Retire(3).ok());
  ASSERT_EQ(Names(), (std::vector<std::string>{"000001.recycled", "000002.recycled", "000003.log",
                                               "000004.log"}));
  ASSERT_TRUE(wal_->DropRecycled().ok());
  EXPECT_EQ(Names(), (std::vector<std::string>{"000003.log", "000004.log"}));
  ASSERT_TRUE(wal_->Retire(4).ok());  // there is room for others
  EXPECT_EQ(Names(), (std::vector<std::string>{"000003.recycled", "000004.log"}));
  ASSERT_TRUE(env_.file_system->RemoveFile(RecycledLogFileName(directory(), 3)).ok());
  EXPECT_TRUE(wal_->DropRecycled().IsNotFound());
  EXPECT_TRUE(wal_->DropRecycled().ok());  // told once
  Switch(5);
}

TEST_P(WalChainTest, ANewSizeReplacesRecycledFiles) {
  Switch(1);
  Switch(2);
  ASSERT_TRUE(wal_->Retire(2).ok());
  wal_->SetLogBytes(2 * kSmallLog - 5);
  Switch(3);
  EXPECT_EQ(Names(), (std::vector<std::string>{"000002.log", "000003.log"}));
  EXPECT_EQ(ReadFile(Path(3)).size(), 2 * kSmallLog);
  ASSERT_TRUE(wal_->Retire(3).ok());
  EXPECT_EQ(Names(), std::vector<std::string>{"000003.log"});
}

}  // namespace
}  // namespace varve
