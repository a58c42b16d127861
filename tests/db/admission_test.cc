// A put that is refused admission deletes, and everything else is taken.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "db/admit_batch.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "varve/db.h"

namespace varve {
namespace {

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    options_ = SimDatabaseOptions(files_);
    options_.capacity_bytes = uint64_t{1} << 30;
    options_.compaction_style = CompactionStyle::kByTime;
    options_.admission = AdmissionPolicy::kSeenBefore;
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Reopen() {
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    Open();
  }
  // As after the death of the process: what was not flushed is replayed.
  void Kill() {
    const SimDisk disk = files_->disk().Kill();
    db_.reset();
    files_ = SimFileSystem::New({}, disk);
    options_.env.file_system = files_;
    Open();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
  }
  State Read() { return ReadAll(db_.get()); }
  uint64_t Counted(Counter counter) { return options_.statistics->Get(counter); }

  std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({});
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(AdmissionTest, TheSecondPutIsTaken) {
  Open();
  Put("a", "1");
  EXPECT_EQ(Read(), State());
  Put("a", "2");
  EXPECT_EQ(Read(), (State{{"a", "2"}}));
  EXPECT_EQ(Counted(Counter::kRefusedEntries), 1u);
  EXPECT_EQ(Counted(Counter::kRefusedBytes), 2u);
}

// A key that is there, and that it has forgotten to have seen: what is there goes.
// H39, Checklist E8
TEST_F(AdmissionTest, ARefusedPutDeletesWhatWasThere) {
  options_.admission = AdmissionPolicy::kAll;
  Open();
  Put("a", "1");
  Put("b", "1");
  ASSERT_TRUE(db_->Flush().ok());
  options_.admission = AdmissionPolicy::kSeenBefore;
  Reopen();  // it begins with no memory
  const auto snapshot = db_->GetSnapshot();
  Put("a", "2");
  EXPECT_EQ(Read(), (State{{"b", "1"}}));
  ReadOptions then;
  then.snapshot = snapshot.get();
  EXPECT_EQ(ReadAll(db_.get(), then), (State{{"a", "1"}, {"b", "1"}}));
  std::string value;
  EXPECT_TRUE(db_->Get({}, "a", &value).IsNotFound());
}

// It is in the log as it is in memory.
TEST_F(AdmissionTest, ARefusalSurvives) {
  options_.admission = AdmissionPolicy::kAll;
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Flush().ok());
  options_.admission = AdmissionPolicy::kSeenBefore;
  Reopen();
  Put("a", "2");
  Kill();
  EXPECT_EQ(Read(), State());
  ASSERT_TRUE(db_->Flush().ok());
  Reopen();
  EXPECT_EQ(Read(), State());
}

TEST_F(AdmissionTest, OfABatchEachPutIsAsked) {
  Open();
  Put("a", "1");
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "2").ok());
  ASSERT_TRUE(batch.Put("b", "2").ok());
  ASSERT_TRUE(batch.Put("c", "2", std::chrono::hours(1)).ok());
  ASSERT_TRUE(batch.PutUntil("d", "2", UINT64_MAX).ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(Read(), (State{{"a", "2"}}));
  EXPECT_EQ(Counted(Counter::kRefusedEntries), 4u);
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(Read(), (State{{"a", "2"}, {"b", "2"}, {"c", "2"}, {"d", "2"}}));
  EXPECT_EQ(Counted(Counter::kRefusedEntries), 4u);
  Kill();
  EXPECT_EQ(Read(), (State{{"a", "2"}, {"b", "2"}, {"c", "2"}, {"d", "2"}}));
}

TEST_F(AdmissionTest, DeletesAndRangesAreTaken) {
  Open();
  for (const char* key : {"a", "b", "c", "d"}) {
    Put(key, "1");
    Put(key, "2");
  }
  ASSERT_TRUE(db_->Delete({}, "a").ok());
  ASSERT_TRUE(db_->DeleteRange({}, "c", "d").ok());
  EXPECT_EQ(Read(), (State{{"b", "2"}, {"d", "2"}}));
  WriteBatch batch;
  ASSERT_TRUE(batch.Delete("b").ok());
  ASSERT_TRUE(batch.Put("new", "1").ok());
  ASSERT_TRUE(batch.DeleteRange("d", "e").ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(Read(), State());
}

TEST_F(AdmissionTest, ADatabaseTakesAll) {
  options_.capacity_bytes = 0;
  Open();
  Put("a", "1");
  EXPECT_EQ(Read(), (State{{"a", "1"}}));
}

// What is refused keeps its place in the batch, so that the last of a key wins.
TEST(AdmitBatch, KeepsTheOrder) {
  const auto admission = Admission::Create(AdmissionPolicy::kSeenBefore, 1 << 20);
  WriteBatch batch, admitted;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Delete("b").ok());
  ASSERT_TRUE(batch.Put("a", "2").ok());
  RefusedEntries refused;
  ASSERT_TRUE(AdmitBatch(batch, admission.get(), &admitted, &refused).ok());
  EXPECT_EQ(refused.entries, 1u);
  EXPECT_EQ(refused.bytes, 2u);
  class Text : public WriteBatch::Handler {
   public:
    Status Put(Slice key, Slice value) override {
      text += "put " + std::string(key) + "=" + std::string(value) + " ";
      return Status::OK();
    }
    Status Delete(Slice key) override {
      text += "delete " + std::string(key) + " ";
      return Status::OK();
    }
    Status Refused(Slice key) override {
      text += "refuse " + std::string(key) + " ";
      return Status::OK();
    }
    std::string text;
  };
  Text text;
  ASSERT_TRUE(admitted.Iterate(&text).ok());
  EXPECT_EQ(text.text, "refuse a delete b put a=2 ");
  WriteBatch untouched;
  ASSERT_TRUE(AdmitBatch(batch, admission.get(), &untouched, &refused).ok());
  EXPECT_EQ(refused.entries, 0u);
  EXPECT_EQ(untouched.Count(), 0u);
}

}  // namespace
}  // namespace varve
