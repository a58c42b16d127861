// A replay counts what happened, and a wrong answer of the database never passes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "tests/tools/bench_fake_db.h"
#include "tools/bench/trace_replayer.h"
#include "tools/bench/trace_report.h"
#include "util/random.h"

namespace varve::bench {
namespace {

using ::testing::HasSubstr;

struct Line {
  RequestOp op;
  std::string key;
  uint64_t value_bytes = 0;
  uint32_t ttl_seconds = 0;
  double at_seconds = 0;
};

class ListSource : public RequestSource {
 public:
  explicit ListSource(std::deque<Line> lines) : lines_(std::move(lines)) {}
  Status Next(Request* request, bool* end) override {
    *end = lines_.empty();
    if (*end) return Status::OK();
    current_ = lines_.front();
    lines_.pop_front();
    *request = {current_.op, current_.key, current_.value_bytes, current_.ttl_seconds,
                current_.at_seconds};
    return Status::OK();
  }
  double Progress() const override { return -1; }
  std::string Name() const override { return "a list"; }

 private:
  std::deque<Line> lines_;
  Line current_;
};

constexpr RequestOp kGet = RequestOp::kGet;
constexpr RequestOp kPut = RequestOp::kPut;
constexpr RequestOp kDelete = RequestOp::kDelete;

class TraceReplayerTest : public ::testing::Test {
 protected:
  Status Replay(std::deque<Line> lines) {
    clock_ = Env::Default().clock;
    replayer_ = std::make_unique<TraceReplayer>(options_, &db_, clock_.get());
    ListSource source(std::move(lines));
    return replayer_->Run(&source, nullptr);
  }
  const TraceCounts& counts() const { return replayer_->counts(); }
  bool Failed() const {
    TraceResult result;
    result.counts = counts();
    return result.failed();
  }

  FakeDb db_;
  TraceReplayOptions options_;
  std::shared_ptr<Clock> clock_;
  std::unique_ptr<TraceReplayer> replayer_;
};

TEST_F(TraceReplayerTest, FillsOnAMissAndHitsAfterwards) {
  ASSERT_TRUE(Replay({{kGet, "a", 100}, {kGet, "b", 50}, {kGet, "a", 100}, {kGet, "a", 100}}).ok());
  EXPECT_EQ(counts().gets, 4u);
  EXPECT_EQ(counts().hits, 2u);
  EXPECT_EQ(counts().misses, 2u);
  EXPECT_EQ(counts().first, 2u);
  EXPECT_EQ(counts().hit_bytes, 200u);
  EXPECT_EQ(counts().miss_bytes, 150u);
  EXPECT_EQ(counts().written_bytes, 152u);
  EXPECT_DOUBLE_EQ(counts().miss_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(counts().byte_miss_ratio(), 150.0 / 350);
  EXPECT_EQ(replayer_->get_nanos().count(), 4u);
  EXPECT_EQ(replayer_->put_nanos().count(), 2u);
  EXPECT_EQ(db_.entries["b"].size(), 50u);
  EXPECT_FALSE(Failed());
}

TEST_F(TraceReplayerTest, SizelessRequestsTakeTheDefault) {
  options_.default_value_bytes = 77;
  ASSERT_TRUE(Replay({{kGet, "a"}, {kGet, "a"}}).ok());
  EXPECT_EQ(db_.entries["a"].size(), 77u);
  EXPECT_EQ(counts().hit_bytes, 77u);
}

TEST_F(TraceReplayerTest, PutsReplaceAndDeletesMakeMisses) {
  ASSERT_TRUE(Replay({{kPut, "a", 10},
                      {kGet, "a", 10},
                      {kPut, "a", 30},
                      {kGet, "a", 30},
                      {kDelete, "a"},
                      {kGet, "a", 20},
                      {kGet, "a", 20}})
                  .ok());
  EXPECT_EQ(counts().hits, 3u);
  EXPECT_EQ(counts().misses, 1u);
  EXPECT_EQ(counts().first, 0u);
  EXPECT_EQ(counts().deleted, 1u);
  EXPECT_EQ(counts().lost, 0u);
  EXPECT_EQ(counts().puts, 2u);
  EXPECT_EQ(counts().deletes, 1u);
  EXPECT_EQ(counts().written_bytes, 11u + 31 + 1 + 21);
  EXPECT_FALSE(Failed());
}

TEST_F(TraceReplayerTest, OlderValueIsWrong) {
  for (uint64_t bytes : {2u, 7u, 8u, 100u, 3000000u}) {
    std::string first;
    db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) {
      if (first.empty()) first = **value;
      **value = first;
    };
    ASSERT_TRUE(
        Replay({{kPut, "a", bytes}, {kGet, "a", bytes}, {kPut, "a", bytes}, {kGet, "a", bytes}})
            .ok());
    EXPECT_EQ(counts().hits, 1u) << bytes;
    EXPECT_EQ(counts().wrong, 1u) << bytes;
    EXPECT_TRUE(Failed());
  }
}

TEST_F(TraceReplayerTest, ValueOfAnotherKeyIsWrong) {
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) { **value = db_.entries["b"]; };
  ASSERT_TRUE(Replay({{kPut, "a", 40}, {kPut, "b", 40}, {kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().wrong, 1u);
}

TEST_F(TraceReplayerTest, ChangedByteIsWrong) {
  for (size_t place : {0u, 7u, 8u, 39u}) {
    db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) { (**value)[place] ^= 4; };
    ASSERT_TRUE(Replay({{kPut, "a", 40}, {kGet, "a", 40}}).ok());
    EXPECT_EQ(counts().wrong, 1u) << place;
  }
}

TEST_F(TraceReplayerTest, ResurrectedKeyIsWrong) {
  std::string last;
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) {
    if (*value == nullptr) *value = std::make_unique<std::string>(last);
    last = **value;
  };
  ASSERT_TRUE(Replay({{kPut, "a", 40}, {kGet, "a", 40}, {kDelete, "a"}, {kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().hits, 1u);
  EXPECT_EQ(counts().wrong, 1u);
}

TEST_F(TraceReplayerTest, KeyNobodyWroteIsWrong) {
  db_.entries["a"] = std::string(40, 'x');
  ASSERT_TRUE(Replay({{kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().wrong, 1u);
}

TEST_F(TraceReplayerTest, VanishedKeyIsLost) {
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) { value->reset(); };
  ASSERT_TRUE(Replay({{kPut, "a", 40}, {kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().lost, 1u);
  EXPECT_EQ(counts().misses, 1u);
  EXPECT_TRUE(Failed());
}

TEST_F(TraceReplayerTest, KeysThatACacheHasNotAnyMoreWereEvicted) {
  options_.evicts = true;
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) { value->reset(); };
  ASSERT_TRUE(Replay({{kPut, "a", 40}, {kGet, "a", 40}, {kDelete, "a"}, {kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().evicted, 1u);
  EXPECT_EQ(counts().deleted, 1u);
  EXPECT_EQ(counts().misses, 2u);
  EXPECT_EQ(counts().lost, 0u);
  EXPECT_FALSE(Failed());
  // But it never has an older value.
  std::string last;
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) {
    if (last.empty()) last = **value;
    **value = last;
  };
  ASSERT_TRUE(Replay({{kPut, "a", 40}, {kGet, "a", 40}, {kPut, "a", 40}, {kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().wrong, 1u);
  EXPECT_TRUE(Failed());
}

// In a cache what was written may be gone, and the engine says why.
TEST_F(TraceReplayerTest, ACacheMayLetGoAndHasAReason) {
  const auto statistics = Statistics::Create(/*latencies=*/false);
  statistics->Add(Counter::kMissGhost, 5);  // before the replay
  options_.evicts = true;
  options_.statistics = statistics.get();
  std::deque<Counter> reasons;
  db_.on_get = [&](Slice, std::unique_ptr<std::string>* value) {
    value->reset();
    statistics->Add(reasons.front(), 1);
    reasons.pop_front();
  };
  const auto replay = [&](std::deque<Line> lines, std::deque<Counter> with) {
    reasons = std::move(with);
    ASSERT_TRUE(Replay(std::move(lines)).ok());
    EXPECT_TRUE(reasons.empty());
  };
  replay({{kGet, "a", 40}, {kGet, "a", 40}, {kGet, "a", 40}, {kGet, "a", 40}, {kGet, "a", 40}},
         {Counter::kMissAbsent, Counter::kMissAbsent, Counter::kMissGhost, Counter::kMissEvicted,
          Counter::kMissQuarantined});
  EXPECT_EQ(counts().misses, 5u);
  EXPECT_EQ(counts().first, 1u);
  EXPECT_EQ(counts().evicted, 4u);
  EXPECT_FALSE(Failed());
  // A ghost that accepts what was never written: a false positive.
  replay({{kGet, "b", 40}, {kGet, "b", 40}}, {Counter::kMissGhost, Counter::kMissRefused});
  EXPECT_EQ(counts().first, 1u);
  EXPECT_EQ(counts().masked, 1u);
  EXPECT_EQ(counts().refused, 1u);
  EXPECT_FALSE(Failed());
  // Nobody deleted it, and it had no time to live.
  for (const Counter reason : {Counter::kMissDeleted, Counter::kMissExpired}) {
    replay({{kPut, "c", 40}, {kGet, "c", 40}}, {reason});
    EXPECT_EQ(counts().lost, 1u);
    EXPECT_TRUE(Failed());
  }
}

TEST_F(TraceReplayerTest, AMissWithoutOneReasonIsADefect) {
  const auto statistics = Statistics::Create(/*latencies=*/false);
  options_.evicts = true;
  options_.statistics = statistics.get();
  ASSERT_TRUE(Replay({{kGet, "a", 40}}).ok());  // none
  EXPECT_EQ(counts().unexplained, 1u);
  EXPECT_TRUE(Failed());
  db_.on_get = [&](Slice, std::unique_ptr<std::string>*) {
    statistics->Add(Counter::kMissAbsent, 1);
    statistics->Add(Counter::kMissGhost, 1);
  };
  ASSERT_TRUE(Replay({{kGet, "b", 40}}).ok());  // two
  EXPECT_EQ(counts().unexplained, 1u);
}

TEST_F(TraceReplayerTest, ExpiredValuesAreMissesAndFilledAnew) {
  ASSERT_TRUE(Replay({{kGet, "a", 40, 60, 0},
                      {kGet, "a", 40, 60, 59},
                      {kGet, "a", 40, 60, 60},
                      {kGet, "a", 40, 60, 119},
                      {kPut, "a", 40, 0, 119},
                      {kGet, "a", 40, 60, 1e6}})
                  .ok());
  EXPECT_EQ(counts().misses, 2u);
  EXPECT_EQ(counts().expired, 1u);
  EXPECT_EQ(counts().hits, 3u);
  EXPECT_FALSE(Failed());
}

TEST_F(TraceReplayerTest, SecondRunOnTheSameDataHitsAndChecks) {
  ASSERT_TRUE(Replay({{kGet, "a", 40}, {kGet, "b", 40}}).ok());
  options_.warm = true;
  options_.stamp_base = 1000;
  ASSERT_TRUE(Replay({{kGet, "a", 40}, {kGet, "c", 40}}).ok());
  EXPECT_EQ(counts().hits, 1u);
  EXPECT_EQ(counts().misses, 1u);
  EXPECT_FALSE(Failed());
  db_.entries["a"] = db_.entries["b"];
  ASSERT_TRUE(Replay({{kGet, "a", 40}}).ok());
  EXPECT_EQ(counts().wrong, 1u);
}

TEST_F(TraceReplayerTest, ErrorsOfTheEngineEndIt) {
  db_.write_status = Status::NoSpace("disk full");
  const Status status = Replay({{kGet, "a", 40}, {kGet, "b", 40}});
  EXPECT_TRUE(status.IsNoSpace());
  EXPECT_THAT(status.ToString(), HasSubstr("put: disk full"));
  EXPECT_EQ(counts().gets, 1u);
}

TEST_F(TraceReplayerTest, StopsAtTheNumberOfRequestsAskedFor) {
  options_.requests_max = 2;
  ASSERT_TRUE(Replay({{kGet, "a", 1}, {kGet, "b", 1}, {kGet, "c", 1}}).ok());
  EXPECT_EQ(counts().requests(), 2u);
}

TEST_F(TraceReplayerTest, NoGetsNoRatio) {
  ASSERT_TRUE(Replay({{kPut, "a", 1}}).ok());
  EXPECT_TRUE(std::isnan(counts().miss_ratio()));
  EXPECT_TRUE(std::isnan(counts().byte_miss_ratio()));
}

TEST(ValueLedger, AgreesWithAMap) {
  ValueLedger ledger;
  std::map<uint64_t, uint64_t> model;
  Random random(11);
  for (int i = 0; i < 200000; ++i) {
    // Hashes that meet in the low bits make long runs of slots.
    const uint64_t key_hash = (random.Uniform(20000) << 12) | random.Uniform(3);
    if (random.OneIn(2)) {
      ledger.Set({key_hash, static_cast<uint64_t>(i), 0, 0});
      model[key_hash == 0 ? 1 : key_hash] = static_cast<uint64_t>(i);
    } else {
      const ValueLedger::Entry* entry = ledger.Find(key_hash);
      const auto expected = model.find(key_hash == 0 ? 1 : key_hash);
      ASSERT_EQ(entry != nullptr, expected != model.end());
      if (entry != nullptr) {
        ASSERT_EQ(entry->stamp, expected->second);
      }
    }
  }
  EXPECT_EQ(ledger.size(), model.size());
}

}  // namespace
}  // namespace varve::bench
