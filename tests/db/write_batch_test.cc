#include "varve/write_batch.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "db/capacity_plan.h"
#include "db/write_batch_internal.h"
#include "memtable/memtable.h"
#include "tests/support/concatenation.h"
#include "util/random.h"

namespace varve {
namespace {

// Writes down what it is handed, and stops where it is told to.
class Recorder final : public WriteBatch::Handler {
 public:
  Status Put(Slice key, Slice value) override {
    return Record("put(" + std::string(key) + "," + std::string(value) + ")");
  }
  Status Delete(Slice key) override { return Record("delete(" + std::string(key) + ")"); }
  Status DeleteRange(Slice start, Slice end) override {
    return Record("delete[" + std::string(start) + "," + std::string(end) + ")");
  }
  Status Merge(Slice key, Slice operand) override {
    return Record("merge(" + std::string(key) + "," + std::string(operand) + ")");
  }

  Status PutUntil(Slice key, Slice value, uint64_t expires_at_ms) override {
    return Record("put(" + std::string(key) + "," + std::string(value) + ",until " +
                  std::to_string(expires_at_ms) + ")");
  }
  Status PutWithTtl(Slice key, Slice value, uint64_t ttl_ms) override {
    return Record("put(" + std::string(key) + "," + std::string(value) + ",for " +
                  std::to_string(ttl_ms) + ")");
  }
  Status CommitTime(uint64_t now_ms, uint64_t put_ttl_ms) override {
    text += "at(" + std::to_string(now_ms) + "," + std::to_string(put_ttl_ms) + ")";
    return Status::OK();
  }
  Status Refused(Slice key) override { return Record("refused(" + std::string(key) + ")"); }

  std::string text;
  int entries = 0;
  int stop_at = -1;

 private:
  Status Record(const std::string& entry) {
    if (entries++ == stop_at) return Status::Aborted("told to");
    text += entry;
    return Status::OK();
  }
};

// Of a database in the default order, with a merge operator or without.
Status CheckForWrite(const WriteBatch& batch, bool with_operator = true,
                     uint32_t* range_deletes = nullptr) {
  const Concatenation concatenation;
  BatchContents contents;
  Status s = WriteBatchInternal::CheckForWrite(batch, InternalKeyComparator(BytewiseComparator()),
                                               with_operator ? &concatenation : nullptr, &contents);
  if (range_deletes != nullptr) *range_deletes = contents.range_deletes;
  return s;
}

std::string Text(const WriteBatch& batch) {
  Recorder recorder;
  const Status s = batch.Iterate(&recorder);
  return s.ok() ? recorder.text : recorder.text + " " + StatusCodeName(s.code());
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string s;
  for (const int byte : bytes) s.push_back(static_cast<char>(byte));
  return s;
}

std::string Header(uint32_t count) {
  std::string header(WriteBatchInternal::kHeaderBytes, '\0');
  WriteBatchInternal::EncodeHeader(header.data(), 0, count);
  return header;
}

// The memtable's entries, newest version first within a key.
std::string Text(const MemTable& table) {
  std::string text;
  const auto it = table.NewIterator();
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const uint64_t trailer = ExtractTrailer(it->key());
    text +=
        std::string(ExtractUserKey(it->key())) + "@" + std::to_string(TrailerSequence(trailer)) +
        (TrailerType(trailer) == ValueType::kDelete ? "-" : "=" + std::string(it->value())) + " ";
  }
  return text;
}

TEST(WriteBatch, KeepsEntriesInOrder) {
  WriteBatch batch;
  EXPECT_EQ(batch.Count(), 0u);
  EXPECT_EQ(Text(batch), "");
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("b").ok());
  ASSERT_TRUE(batch.Put("", "").ok());
  ASSERT_TRUE(batch.Put("a", "2").ok());
  EXPECT_EQ(batch.Count(), 4u);
  EXPECT_EQ(Text(batch), "put(a,1)delete(b)put(,)put(a,2)");
  batch.Clear();
  EXPECT_EQ(batch.Count(), 0u);
  EXPECT_EQ(batch.DataSize(), WriteBatchInternal::kHeaderBytes);
}

TEST(WriteBatch, HasTheDocumentedBytes) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("key", "value").ok());
  ASSERT_TRUE(batch.Delete("k").ok());
  ASSERT_TRUE(batch.Merge("m", "op").ok());
  ASSERT_TRUE(batch.DeleteRange("a", "bc").ok());
  WriteBatchInternal::SetSequence(&batch, 0x0102);
  EXPECT_EQ(batch.Data(), Bytes({0x02, 0x01, 0,   0,   0,   0,   0,   0,   4,   0,   0,   0,  //
                                 1,    3,    'k', 'e', 'y', 5,   'v', 'a', 'l', 'u', 'e',     //
                                 0,    1,    'k',                                             //
                                 3,    1,    'm', 2,   'o', 'p',                              //
                                 4,    1,    'a', 2,   'b', 'c'}));
  EXPECT_EQ(WriteBatchInternal::Sequence(batch.Data()), 0x0102u);
}

// Checklist S10
std::string Fixed64(uint64_t number) {
  std::string bytes;
  PutFixed64(&bytes, number);
  return bytes;
}

TEST(WriteBatch, EntriesThatExpireHaveTheDocumentedBytes) {
  WriteBatch batch;
  ASSERT_TRUE(batch.PutUntil("k", "v", 0x0102).ok());
  ASSERT_TRUE(batch.Put("l", "w", std::chrono::milliseconds(3)).ok());
  ASSERT_TRUE(batch.Put("m", "", kNoTtl).ok());
  EXPECT_EQ(batch.Data(), Header(3) + Bytes({2, 1, 'k', 9, 2, 1, 0, 0, 0, 0, 0, 0, 'v'}) +
                              Bytes({7, 1, 'l', 9, 3, 0, 0, 0, 0, 0, 0, 0, 'w'}) +
                              Bytes({7, 1, 'm', 8}) + Fixed64(UINT64_MAX));
  EXPECT_EQ(Text(batch),
            "put(k,v,until 258)put(l,w,for 3)put(m,,for " + std::to_string(UINT64_MAX) + ")");
  EXPECT_TRUE(CheckForWrite(batch).ok());
  EXPECT_TRUE(CheckForWrite(WriteBatch::FromData(batch.Data())).ok());
}

// A record as a leader makes it: what is replayed from it is what was inserted.
TEST(WriteBatch, RecordsTellTheTimeOfEachBatch) {
  WriteBatch first, second, third;
  ASSERT_TRUE(first.Put("a", "1", std::chrono::milliseconds(5)).ok());
  ASSERT_TRUE(first.Put("b", "2").ok());
  ASSERT_TRUE(second.Put("c", "3").ok());
  ASSERT_TRUE(third.Put("d", "4").ok());
  const CommitTime times[] = {{true, 1000}, {true, 1000, 50}, {}};
  const std::string record =
      Header(6) + Bytes({8}) + Fixed64(1000) + Fixed64(UINT64_MAX) +
      std::string(WriteBatchInternal::Entries(first.Data())) + Bytes({8}) + Fixed64(1000) +
      Fixed64(50) + std::string(WriteBatchInternal::Entries(second.Data())) + Bytes({8}) +
      Fixed64(1000) + Fixed64(UINT64_MAX) + std::string(WriteBatchInternal::Entries(third.Data())) +
      Bytes({9, 1, 'e'}) + Bytes({2, 1, 'f', 9}) + Fixed64(77) + "6";
  const auto kLog = WriteBatchInternal::Origin::kLog;
  char time[WriteBatchInternal::kCommitTimeBytes];
  WriteBatchInternal::EncodeCommitTime(time, times[1]);
  EXPECT_NE(record.find(std::string(time, sizeof(time))), std::string::npos);
  EXPECT_TRUE(WriteBatchInternal::Verify(record, kLog).ok());
  EXPECT_TRUE(WriteBatchInternal::Verify(record).IsCorruption());  // a batch tells no time
  Recorder recorder;
  ASSERT_TRUE(WriteBatchInternal::Iterate(record, &recorder, kLog).ok());
  EXPECT_EQ(recorder.text, "at(1000," + std::to_string(UINT64_MAX) +
                               ")put(a,1,for 5)put(b,2)at(1000,50)put(c,3)at(1000," +
                               std::to_string(UINT64_MAX) + ")put(d,4)refused(e)put(f,6,until 77)");

  for (const bool concurrently : {false, true}) {
    MemTable replayed{InternalKeyComparator(BytewiseComparator())};
    ASSERT_TRUE(WriteBatchInternal::InsertInto(record, 1, &replayed, concurrently, {}, kLog).ok());
    const auto type = [&](const char* key, std::string* value) {
      Slice found;
      uint64_t trailer = 0;
      EXPECT_TRUE(replayed.Get(LookupKey(key, 100), &found, &trailer));
      value->assign(found);
      return TrailerType(trailer);
    };
    std::string value;
    EXPECT_EQ(type("a", &value), ValueType::kValueWithExpiry);
    EXPECT_EQ(value, Fixed64(1005) + "1");
    EXPECT_EQ(type("b", &value), ValueType::kValue);
    EXPECT_EQ(value, "2");
    EXPECT_EQ(type("c", &value), ValueType::kValueWithExpiry);
    EXPECT_EQ(value, Fixed64(1050) + "3");
    EXPECT_EQ(type("d", &value), ValueType::kValue);
    EXPECT_EQ(type("e", &value), ValueType::kRefused);
    EXPECT_EQ(type("f", &value), ValueType::kValueWithExpiry);
    EXPECT_EQ(value, Fixed64(77) + "6");
    MemTable inserted{InternalKeyComparator(BytewiseComparator())};
    const WriteBatch* const batches[] = {&first, &second, &third};
    SequenceNumber sequence = 1;
    for (int i = 0; i < 3; ++i) {
      const Slice data = batches[i]->Data();
      ASSERT_TRUE(
          WriteBatchInternal::InsertInto(data, sequence, &inserted, concurrently, times[i]).ok());
      sequence += batches[i]->Count();
    }
    EXPECT_EQ(Text(replayed).substr(0, Text(inserted).size()), Text(inserted));
    EXPECT_EQ(replayed.deletes(), 1u);
  }
}

// What a recovery reserves for the flush of what it replays.
TEST(WriteBatch, VerifyTellsWhatARecordWillBeInMemory) {
  const auto kLog = WriteBatchInternal::Origin::kLog;
  FlushLoad load;
  const std::string puts = Header(2) + Bytes({1, 1, 'a', 3}) + "xyz" + Bytes({0, 1, 'b'});
  ASSERT_TRUE(WriteBatchInternal::Verify(puts, kLog, &load).ok());
  EXPECT_EQ(load.entries, 2u);
  EXPECT_EQ(load.data_bytes, 5u);
  EXPECT_EQ(load.range_deletes, 0u);
  EXPECT_FALSE(load.expiring);
  const std::string range = Header(1) + Bytes({4, 1, 'a', 2}) + "cd";
  ASSERT_TRUE(WriteBatchInternal::Verify(range, kLog, &load).ok());
  EXPECT_EQ(load.entries, 3u);
  EXPECT_EQ(load.range_deletes, 1u);
  EXPECT_EQ(load.range_bytes, 3u);
  EXPECT_FALSE(load.expiring);
  // By the ttl of its commit.
  const std::string expires =
      Header(1) + Bytes({8}) + Fixed64(1000) + Fixed64(50) + Bytes({1, 1, 'a', 1}) + "x";
  ASSERT_TRUE(WriteBatchInternal::Verify(expires, kLog, &load).ok());
  EXPECT_EQ(load.data_bytes, 5u + 3u + 1u + 8u + 1u);
  EXPECT_TRUE(load.expiring);
}

TEST(WriteBatch, TimesThatAreMissingOrCutOffAreCorruption) {
  const auto kLog = WriteBatchInternal::Origin::kLog;
  const std::string time = Bytes({8}) + Fixed64(1000) + Fixed64(50);
  const std::string ttl = Bytes({7, 1, 'k', 9}) + Fixed64(5) + "v";
  EXPECT_TRUE(WriteBatchInternal::Verify(Header(1) + time + ttl, kLog).ok());
  const std::string bad[] = {Header(1) + ttl,         // of which commit?
                             Header(1) + ttl + time,  // behind the last entry
                             Header(0) + time,
                             Header(1) + time,                      // before none
                             Header(1) + time.substr(0, 16) + ttl,  // too short
                             Header(1) + time.substr(0, 9)};
  for (const std::string& record : bad) {
    EXPECT_TRUE(WriteBatchInternal::Verify(record, kLog).IsCorruption());
    MemTable table{InternalKeyComparator(BytewiseComparator())};
    EXPECT_TRUE(WriteBatchInternal::InsertInto(record, 1, &table, false, {}, kLog).IsCorruption());
  }
}

TEST(WriteBatch, RefusesSizesOverTheLimitsAndStaysAsItWas) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  const std::string before(batch.Data());
  const std::string longest(WriteBatch::kKeyBytesMax, 'k');
  // A slice that claims the size: nothing may be read of it.
  const Slice too_large(longest.data(), WriteBatch::kValueBytesMax + 1);
  const Slice fills_batch(longest.data(), WriteBatch::kValueBytesMax);
  EXPECT_TRUE(batch.Put(longest + "k", "1").IsInvalidArgument());
  EXPECT_TRUE(batch.Delete(longest + "k").IsInvalidArgument());
  EXPECT_TRUE(batch.Put("k", too_large).IsInvalidArgument());
  EXPECT_TRUE(batch.Put("k", fills_batch).IsInvalidArgument());
  EXPECT_TRUE(batch.DeleteRange(longest + "k", "l").IsInvalidArgument());
  EXPECT_TRUE(batch.DeleteRange("a", longest + "k").IsInvalidArgument());
  EXPECT_TRUE(batch.Merge(longest + "k", "1").IsInvalidArgument());
  EXPECT_TRUE(batch.Merge("k", too_large).IsInvalidArgument());
  EXPECT_EQ(batch.Data(), before);
  SingleWrite write;
  EXPECT_TRUE(write.InitPut(longest + "k", "1").IsInvalidArgument());
  EXPECT_TRUE(write.InitDelete(longest + "k").IsInvalidArgument());
  EXPECT_TRUE(write.InitPut("k", too_large).IsInvalidArgument());
  EXPECT_TRUE(write.InitPut("k", fills_batch).IsInvalidArgument());
  EXPECT_TRUE(write.InitDeleteRange("a", longest + "k").IsInvalidArgument());
  EXPECT_TRUE(write.InitMerge("k", too_large).IsInvalidArgument());
  EXPECT_TRUE(batch.Put(longest, "1").ok());
  EXPECT_TRUE(batch.Delete(longest).ok());
  EXPECT_EQ(batch.Count(), 3u);
  EXPECT_TRUE(WriteBatchInternal::Verify(batch.Data()).ok());
}

TEST(WriteBatch, SavePointsNest) {
  WriteBatch batch;
  EXPECT_TRUE(batch.RollbackToSavePoint().IsNotFound());
  EXPECT_TRUE(batch.PopSavePoint().IsNotFound());
  ASSERT_TRUE(batch.Put("a", "1").ok());
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("b", "2").ok());
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Delete("c").ok());
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_EQ(Text(batch), "put(a,1)put(b,2)");
  batch.SetSavePoint();
  ASSERT_TRUE(batch.Put("d", "4").ok());
  ASSERT_TRUE(batch.PopSavePoint().ok());
  EXPECT_EQ(Text(batch), "put(a,1)put(b,2)put(d,4)");
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_EQ(Text(batch), "put(a,1)");
  EXPECT_TRUE(batch.RollbackToSavePoint().IsNotFound());
  batch.SetSavePoint();
  batch.Clear();
  EXPECT_TRUE(batch.RollbackToSavePoint().IsNotFound());
}

TEST(WriteBatch, StopsWhereTheHandlerDoes) {
  WriteBatch batch;
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(batch.Delete(key).ok());
  Recorder recorder;
  recorder.stop_at = 1;
  EXPECT_EQ(batch.Iterate(&recorder).code(), Status::Code::kAborted);
  EXPECT_EQ(recorder.text, "delete(a)");
}

TEST(WriteBatch, FromDataIsTheSameBatch) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("b").ok());
  WriteBatch copy = WriteBatch::FromData(batch.Data());
  EXPECT_EQ(copy.Data(), batch.Data());
  EXPECT_TRUE(CheckForWrite(copy).ok());
  ASSERT_TRUE(copy.Put("c", "3").ok());
  EXPECT_EQ(Text(copy), "put(a,1)delete(b)put(c,3)");
}

TEST(WriteBatch, DamageIsAnErrorBeforeAnythingIsWritten) {
  struct Case {
    std::string data;
    Status::Code code;
    std::string read_before;
  };
  const std::string put = Bytes({1, 1, 'k', 1, 'v'});
  const Case cases[] = {
      {"", Status::Code::kCorruption, ""},
      {Header(0).substr(1), Status::Code::kCorruption, ""},
      {Header(1), Status::Code::kCorruption, ""},
      {Header(2) + put, Status::Code::kCorruption, "put(k,v)"},
      {Header(0) + put, Status::Code::kCorruption, ""},
      {Header(1) + put + put, Status::Code::kCorruption, "put(k,v)"},
      {Header(1) + put.substr(0, 4), Status::Code::kCorruption, ""},
      {Header(1) + put.substr(0, 3), Status::Code::kCorruption, ""},
      {Header(1) + put.substr(0, 2), Status::Code::kCorruption, ""},
      {Header(1) + put.substr(0, 1), Status::Code::kCorruption, ""},
      {Header(2) + put + Bytes({0, 5, 'k'}), Status::Code::kCorruption, "put(k,v)"},
      {Header(1) + Bytes({0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), Status::Code::kCorruption, ""},
      {Header(1) + Bytes({0, 0x81, 0x80, 4}) + std::string(65537, 'k'), Status::Code::kCorruption,
       ""},
      {Header(2) + put + Bytes({7, 1, 'k', 1, 'v'}), Status::Code::kCorruption, "put(k,v)"},
      {Header(2) + put + Bytes({8}) + std::string(16, '\1') + put, Status::Code::kCorruption,
       "put(k,v)"},
      {Header(2) + put + Bytes({10, 1, 'k'}), Status::Code::kCorruption, "put(k,v)"},
      {Header(2) + put + Bytes({0xff}), Status::Code::kCorruption, "put(k,v)"},
      {Header(2) + put + Bytes({2, 1, 'k', 1, 'v'}), Status::Code::kCorruption, "put(k,v)"},
      {Header(2) + put + Bytes({5, 1, 'k', 1, 'v'}), Status::Code::kNotSupported, "put(k,v)"},
      {Header(1) + Bytes({6, 1, 'k', 1, 'v'}), Status::Code::kNotSupported, ""},
      {Header(1) + Bytes({3, 1, 'k'}), Status::Code::kCorruption, ""},
      {Header(1) + Bytes({4, 1, 'k', 2, 'l'}), Status::Code::kCorruption, ""},
      {Header(1) + Bytes({4, 1, 'k', 0x81, 0x80, 4}) + std::string(65537, 'l'),
       Status::Code::kCorruption, ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c.data.substr(0, 40)));
    const WriteBatch batch = WriteBatch::FromData(c.data);
    EXPECT_EQ(CheckForWrite(batch).code(), c.code);
    EXPECT_EQ(WriteBatchInternal::Verify(c.data).code(), c.code);
    Recorder recorder;
    EXPECT_EQ(batch.Iterate(&recorder).code(), c.code);
    EXPECT_EQ(recorder.text, c.read_before);
    for (const bool concurrently : {false, true}) {
      MemTable table{InternalKeyComparator(BytewiseComparator())};
      EXPECT_EQ(WriteBatchInternal::InsertInto(c.data, 1, &table, concurrently).code(), c.code);
    }
  }
}

TEST(WriteBatch, BytesTooShortForAHeaderTakeNoEntries) {
  WriteBatch batch = WriteBatch::FromData("short");
  EXPECT_EQ(batch.Count(), 0u);
  batch.SetSavePoint();
  EXPECT_TRUE(batch.Put("a", "1").IsCorruption());
  EXPECT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_EQ(batch.Data(), "short");
  batch.Clear();
  EXPECT_TRUE(batch.Put("a", "1").ok());
  EXPECT_TRUE(CheckForWrite(batch).ok());
}

// Every truncation and many changed bytes of a batch: an answer, never a read past the end (asan).
TEST(WriteBatch, RandomDamageNeverCrashes) {
  Random random(11);
  WriteBatch batch;
  for (int i = 0; i < 30; ++i) {
    const std::string key(random.Uniform(20), 'k'), value(random.Uniform(200), 'v');
    ASSERT_TRUE((random.OneIn(3) ? batch.Delete(key) : batch.Put(key, value)).ok());
    if (random.OneIn(4)) {
      ASSERT_TRUE(batch.DeleteRange(key, key + "x").ok());
    }
    if (random.OneIn(4)) {
      ASSERT_TRUE(batch.Merge(key, value).ok());
    }
    if (random.OneIn(4)) {
      ASSERT_TRUE(batch.Put(key, value, std::chrono::milliseconds(7)).ok());
    }
    if (random.OneIn(4)) {
      ASSERT_TRUE(batch.PutUntil(key, value, 1).ok());
    }
  }
  const std::string data(batch.Data());
  for (size_t size = 0; size < data.size(); ++size) {
    const std::string cut = data.substr(0, size);
    EXPECT_TRUE(WriteBatchInternal::Verify(cut).IsCorruption()) << size;
  }
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string changed = data;
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      changed[random.Uniform(changed.size())] = static_cast<char>(random.Next());
    }
    const WriteBatch damaged = WriteBatch::FromData(changed);
    Recorder recorder;
    const Status s = damaged.Iterate(&recorder);
    refused += !s.ok();
    const Status check = CheckForWrite(damaged);  // may find a range whose ends changed places
    EXPECT_TRUE(check == s || (s.ok() && check.IsInvalidArgument())) << check.ToString();
    if (s.ok()) {
      EXPECT_EQ(recorder.entries, static_cast<int>(damaged.Count()));
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(WriteBatch, EachEntryHasItsOwnSequence) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("b").ok());
  ASSERT_TRUE(batch.Put("a", "2").ok());
  for (const bool concurrently : {false, true}) {
    MemTable table{InternalKeyComparator(BytewiseComparator())};
    ASSERT_TRUE(WriteBatchInternal::InsertInto(batch.Data(), 10, &table, concurrently).ok());
    EXPECT_EQ(Text(table), "a@12=2 a@10=1 b@11- ");
    EXPECT_EQ(table.entries(), 3u);
    EXPECT_EQ(table.deletes(), 1u);
    EXPECT_EQ(table.smallest_sequence(), 10u);
    EXPECT_EQ(table.largest_sequence(), 12u);
  }
}

TEST(WriteBatch, DeletesRangesAndMerges) {
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.DeleteRange("a", "c").ok());
  ASSERT_TRUE(batch.Merge("b", "2").ok());
  ASSERT_TRUE(batch.DeleteRange("x", "x").ok());  // nothing, but an entry like any other
  EXPECT_EQ(Text(batch), "put(a,1)delete[a,c)merge(b,2)delete[x,x)");
  for (const bool concurrently : {false, true}) {
    MemTable table{InternalKeyComparator(BytewiseComparator())};
    ASSERT_TRUE(WriteBatchInternal::InsertInto(batch.Data(), 10, &table, concurrently).ok());
    EXPECT_EQ(Text(table), "a@10=1 b@12=2 ");
    EXPECT_EQ(table.MaxCoveringTombstone("b", kMaxSequence), 11u);
    EXPECT_EQ(table.entries(), 4u);
    EXPECT_EQ(table.range_deletes(), 1u);
    EXPECT_EQ(table.largest_sequence(), 13u);
  }
}

TEST(WriteBatch, HandlersThatKnowNeitherDoNotPassOverThem) {
  class Old final : public WriteBatch::Handler {
   public:
    Status Put(Slice, Slice) override { return Status::OK(); }
    Status Delete(Slice) override { return Status::OK(); }
  } old;
  WriteBatch ranges, merges;
  ASSERT_TRUE(ranges.DeleteRange("a", "b").ok());
  ASSERT_TRUE(merges.Merge("a", "b").ok());
  EXPECT_TRUE(ranges.Iterate(&old).IsNotSupported());
  EXPECT_TRUE(merges.Iterate(&old).IsNotSupported());
}

// Checklist W15: one bad entry refuses the batch, before anything is logged.
TEST(WriteBatch, IsRefusedForARangeOrAnOperandTheDatabaseCannotTake) {
  WriteBatch batch;
  uint32_t range_deletes = 7;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  EXPECT_TRUE(CheckForWrite(batch, false, &range_deletes).ok());
  EXPECT_EQ(range_deletes, 0u);
  ASSERT_TRUE(batch.DeleteRange("a", "b").ok());
  ASSERT_TRUE(batch.DeleteRange("b", "b").ok());
  EXPECT_TRUE(CheckForWrite(batch, false, &range_deletes).ok());
  EXPECT_EQ(range_deletes, 2u);

  batch.SetSavePoint();
  ASSERT_TRUE(batch.DeleteRange("c", "b").ok());
  EXPECT_TRUE(CheckForWrite(batch).IsInvalidArgument());
  EXPECT_TRUE(CheckForWrite(WriteBatch::FromData(batch.Data())).IsInvalidArgument());
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_TRUE(CheckForWrite(batch).ok());

  batch.SetSavePoint();
  ASSERT_TRUE(batch.Merge("a", "2").ok());
  EXPECT_TRUE(CheckForWrite(batch).ok());
  EXPECT_TRUE(CheckForWrite(batch, /*with_operator=*/false).IsInvalidArgument());
  EXPECT_TRUE(CheckForWrite(WriteBatch::FromData(batch.Data()), false).IsInvalidArgument());
  ASSERT_TRUE(batch.RollbackToSavePoint().ok());
  EXPECT_TRUE(CheckForWrite(batch, false).ok());
  batch.Clear();
  ASSERT_TRUE(batch.Merge("a", "2").ok());
  EXPECT_TRUE(CheckForWrite(batch, false).IsInvalidArgument());
  batch.Clear();
  EXPECT_TRUE(CheckForWrite(batch, false, &range_deletes).ok());
  EXPECT_EQ(range_deletes, 0u);
}

TEST(WriteBatch, GroupsAreOneHeaderAndTheEntriesOfEach) {
  WriteBatch first, second;
  ASSERT_TRUE(first.Put("a", "1").ok());
  ASSERT_TRUE(second.Delete("a").ok());
  ASSERT_TRUE(second.Put("b", "2").ok());
  std::string record = Header(3);
  record += WriteBatchInternal::Entries(first.Data());
  record += WriteBatchInternal::Entries(second.Data());
  EXPECT_EQ(Text(WriteBatch::FromData(record)), "put(a,1)delete(a)put(b,2)");
}

TEST(SingleWrite, GivesTheBytesOfABatchOfOne) {
  const std::string long_key(300, 'k'), long_value(70000, 'v');
  const std::pair<std::string, std::string> cases[] = {
      {"", ""}, {"key", "value"}, {long_key, long_value}};
  using Make = std::function<Status(WriteBatch*, SingleWrite*, Slice, Slice)>;
  const std::pair<ValueType, Make> makes[] = {
      {ValueType::kValue,
       [](WriteBatch* batch, SingleWrite* single, Slice key, Slice value) {
         const Status s = batch->Put(key, value);
         return s.ok() ? single->InitPut(key, value) : s;
       }},
      {ValueType::kDelete,
       [](WriteBatch* batch, SingleWrite* single, Slice key, Slice) {
         const Status s = batch->Delete(key);
         return s.ok() ? single->InitDelete(key) : s;
       }},
      {ValueType::kMerge,
       [](WriteBatch* batch, SingleWrite* single, Slice key, Slice value) {
         const Status s = batch->Merge(key, value);
         return s.ok() ? single->InitMerge(key, value) : s;
       }},
      {ValueType::kRangeDelete,
       [](WriteBatch* batch, SingleWrite* single, Slice key, Slice) {
         const Slice end = "l";  // after all keys here
         const Status s = batch->DeleteRange(key, end);
         return s.ok() ? single->InitDeleteRange(key, end) : s;
       }},
  };
  for (const auto& [key, value] : cases) {
    for (const auto& [type, make] : makes) {
      WriteBatch batch;
      SingleWrite write;
      ASSERT_TRUE(make(&batch, &write, key, value).ok());
      WriteBatchInternal::SetSequence(&batch, 77);
      write.SetSequence(77);
      std::string record, entry;
      for (const Slice part : write.Record()) record += part;
      for (const Slice part : write.EntryParts()) entry += part;
      EXPECT_EQ(record, batch.Data());
      EXPECT_EQ(entry, WriteBatchInternal::Entries(batch.Data()));
      EXPECT_EQ(write.entry_bytes(), entry.size());
      EXPECT_EQ(write.range_deletes(), type == ValueType::kRangeDelete ? 1u : 0u);

      for (const bool concurrently : {false, true}) {
        MemTable table{InternalKeyComparator(BytewiseComparator())};
        if (concurrently) {
          write.InsertConcurrently(&table, 77);
        } else {
          write.InsertInto(&table, 77);
        }
        if (type == ValueType::kRangeDelete) {
          EXPECT_EQ(Text(table), "");
          EXPECT_EQ(table.MaxCoveringTombstone(key, 77), 77u);
        } else {
          EXPECT_EQ(Text(table),
                    key + "@77" + (type == ValueType::kDelete ? "-" : "=" + value) + " ");
        }
        EXPECT_EQ(table.deletes(), type == ValueType::kDelete ? 1u : 0u);
      }
    }
  }
}

}  // namespace
}  // namespace varve
