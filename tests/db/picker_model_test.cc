// Pickers under random flushes, some of siblings whose ranges overlap, several compactions at once
// that end in any order, manual steps and changes of style: after each step the versions of every
// key are in order (RULES R1.1), a reader finds what was written last, and nothing is an input
// twice. Left alone, picking ends.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "db/compaction_picker.h"
#include "db/level_targets.h"
#include "tests/db/model_tree.h"
#include "tests/db/picker_test_util.h"
#include "util/random.h"

namespace varve {
namespace {

using testing::ModelTree;

constexpr uint32_t kKeys = 300;
constexpr uint64_t kEntryBytes = 100;
constexpr size_t kStepsToEndMax = 2000;

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed), tree_(Settings(seed)) { ChangeStyle(); }

  void Go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) Step();
    while (!tree_.running().empty()) Finish();
  }

  // Nothing is flushed any more: what is wanted is done in so many steps.
  void Rest() {
    size_t steps = 0;
    while (auto plan = Pick()) {
      ASSERT_LT(++steps, kStepsToEndMax) << "picking does not end: " << testing::DrawPlan(*plan);
      tree_.Run(*plan);
      Check();
    }
  }

  // All of it, while nobody writes; afterwards all is new. But by time, where each segment keeps
  // its place, nothing lies over anything then, and no tombstone is left.
  void CompactAll() {
    droppable_before_ = kMaxSequence;
    tree_.set_droppable_before(kMaxSequence);
    ManualCompaction manual;
    manual.rewrite_before = tree_.next_number();
    size_t steps = 0;
    for (bool blocked = false;; ++steps) {
      const auto plan = picker_->PickManual(tree_.version(), {}, {}, manual, &blocked);
      ASSERT_FALSE(blocked);
      if (!plan) break;
      ASSERT_LT(steps, kStepsToEndMax) << testing::DrawPlan(*plan);
      tree_.Run(*plan);
      Check();
    }
    uint64_t entries = 0;
    tree_.version().ForEachSegment([&](const auto& segment) {
      EXPECT_GE(segment->number(), manual.rewrite_before);
      if (style_ == CompactionStyle::kByTime) return;
      EXPECT_EQ(segment->entry().deletes, 0u);
      if (style_ != CompactionStyle::kTiered) {
        EXPECT_EQ(segment->entry().level, kLastLevel);
      }
      entries += segment->entry().entries;
    });
    if (style_ != CompactionStyle::kByTime) {
      EXPECT_EQ(entries, newest_.size());
    }
  }

  size_t plans() const { return plans_; }
  size_t plans_beside_others() const { return plans_beside_others_; }

 private:
  static ModelTree::Settings Settings(uint64_t seed) {
    ModelTree::Settings settings;
    settings.entry_bytes = kEntryBytes;
    settings.exclusive_bounds = true;
    settings.range_tombstones = seed % 2 == 0;
    settings.seed = seed;
    return settings;
  }

  std::optional<CompactionPlan> Pick() const {
    return picker_->Pick(tree_.version(), tree_.busy(), tree_.running(), droppable_before_);
  }

  void ChangeStyle() {
    style_ = static_cast<CompactionStyle>(random_.Uniform(4));
    PickerOptions options;
    options.segment_bytes = kEntryBytes * random_.Between(3, 60);
    options.level0_runs_trigger = random_.Between(1, 6);
    options.level_base_bytes = kEntryBytes * random_.Between(10, 100);
    options.level_size_ratio = random_.Between(2, 10);
    options.tiered_runs_trigger = random_.Between(2, 8);
    options.tiered_space_percent_max = random_.Between(20, 300);
    picker_ = NewCompactionPicker(style_, options, tree_.comparator());
  }

  void Step() {
    switch (random_.Uniform(16)) {
      case 0:
        if (random_.OneIn(4)) ChangeStyle();
        break;
      case 1:
        if (random_.OneIn(2)) {
          droppable_before_ = sequence_ - random_.Uniform(std::min<uint64_t>(sequence_, 100) + 1);
          tree_.set_droppable_before(droppable_before_);
        }
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        Flush();
        break;
      case 6:
      case 7:
      case 8:
      case 9:
        if (!tree_.running().empty()) Finish();
        break;
      case 10:
        StartManual();
        break;
      default:
        if (auto plan = Pick()) Start(std::move(*plan));
    }
    Check();
  }

  void Flush() {
    ModelTree::Entries entries;
    const uint32_t first = random_.Uniform(kKeys);
    const uint32_t width = random_.Between(1, random_.OneIn(3) ? kKeys : 30);
    const uint64_t count = random_.Between(1, 40);
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t key = (first + random_.Uniform(width)) % kKeys;
      entries.push_back({key, ++sequence_, random_.OneIn(3)});
      newest_.erase(key);
      if (!entries.back().tombstone) newest_[key] = sequence_;
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
    });
    const size_t segments = random_.Between(1, 4);
    random_.OneIn(3) ? tree_.FlushSiblings(entries, segments) : tree_.Flush(entries, segments);
  }

  void Start(CompactionPlan plan) {
    if (tree_.running().size() >= 5) return;
    ++plans_;
    plans_beside_others_ += !tree_.running().empty();
    tree_.Begin(std::move(plan));
  }
  void StartManual() {
    ManualCompaction manual;
    if (random_.OneIn(2)) manual.begin = testing::ModelTree::Key(random_.Uniform(kKeys));
    if (random_.OneIn(2)) manual.end = testing::ModelTree::Key(random_.Uniform(kKeys));
    if (random_.OneIn(2)) manual.rewrite_before = random_.Uniform(tree_.next_number() + 1);
    bool blocked = false;
    auto plan =
        picker_->PickManual(tree_.version(), tree_.busy(), tree_.running(), manual, &blocked);
    if (plan) Start(std::move(*plan));
    if (blocked) {
      EXPECT_FALSE(tree_.running().empty()) << "nothing to wait for";
    }
  }
  void Finish() { tree_.Finish(random_.Uniform(tree_.running().size())); }

  void Check() {
    ASSERT_EQ(tree_.Disorder(), "") << testing::DrawTree(tree_.version());
    ASSERT_EQ(tree_.Live(), newest_);
  }

  Random random_;
  ModelTree tree_;
  CompactionStyle style_ = CompactionStyle::kLeveled;
  std::unique_ptr<CompactionPicker> picker_;
  SequenceNumber sequence_ = 0;
  SequenceNumber droppable_before_ = kMaxSequence;
  std::map<uint32_t, SequenceNumber> newest_;
  size_t plans_ = 0, plans_beside_others_ = 0;
};

// Checklist S14, C5, C11
TEST(PickerModel, OrderHoldsWhateverRuns) {
  size_t plans = 0, beside_others = 0;
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    walk.Go(250);
    walk.Rest();
    walk.CompactAll();
    plans += walk.plans();
    beside_others += walk.plans_beside_others();
  }
  // It did what it is for.
  EXPECT_GT(plans, 1500u);
  EXPECT_GT(beside_others, 500u);
}

}  // namespace
}  // namespace varve
