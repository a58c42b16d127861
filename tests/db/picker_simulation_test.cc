// Years of overwriting in seconds: pickers driven with flushes and merges of simulated keys, each
// of which stands for a hundred. Time passes as merges read bytes, so that backlogs come about as
// they do on a device that is slower than its writers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "db/compaction_picker.h"
#include "tests/db/model_tree.h"
#include "util/random.h"

namespace varve {
namespace {

using testing::ModelTree;

struct Load {
  // 20M entries of 100 B values as a segment holds them, compressed to half.
  uint64_t keys = 200'000;
  uint64_t entry_bytes = 7000;
  uint64_t flush_entries = 2300;  // four memtables of 8 MiB
  uint64_t writes = 600'000;
  // Every second write falls into so many percent of the keys; 100: uniform.
  uint64_t hot_percent = 100;
  // Bytes that one compaction reads in the time in which writers fill as many, unless stalled.
  double bandwidth = 3;
  size_t slots = 1;
};

struct Outcome {
  double write_amplification = 0;
  double space_amplification = 0;  // after quiescence
  double write_share = 1;          // of the time, in which writers were not stalled
  size_t runs_max = 0;
  double runs_mean = 0;
  size_t steps_to_quiesce = 0;
};

class Simulation {
 public:
  Simulation(CompactionStyle style, const PickerOptions& options, const Load& load)
      : style_(style), options_(options), load_(load), tree_(Settings(load)), random_(7) {
    picker_ = NewCompactionPicker(style, options, tree_.comparator());
  }

  Outcome Run() {
    FillInOrder();
    const uint64_t flushed_before = tree_.bytes_flushed();
    const uint64_t compacted_before = tree_.bytes_compacted();
    const uint64_t flushes = load_.writes / load_.flush_entries;
    Outcome outcome;
    for (uint64_t i = 0; i < flushes; ++i) {
      const RunPressure pressure = RunPressureOf(tree_.version(), style_, options_);
      outcome.runs_max = std::max(outcome.runs_max, pressure.runs);
      outcome.runs_mean += static_cast<double>(pressure.runs) / static_cast<double>(flushes);
      while (Pressure().runs >= Pressure().slowdown) FinishNext();
      Work(now_ + 1.0);
      tree_.Flush(RandomEntries());
      Start();
    }
    if (now_ > 0) outcome.write_share = static_cast<double>(flushes) / now_;
    while (!ends_.empty()) FinishNext();
    while (auto plan = picker_->Pick(tree_.version(), {}, {}, kMaxSequence)) {
      tree_.Run(*plan);
      ++outcome.steps_to_quiesce;
      EXPECT_LT(outcome.steps_to_quiesce, 10'000u) << "picking does not end";
      if (outcome.steps_to_quiesce >= 10'000) break;
    }
    const double flushed = static_cast<double>(tree_.bytes_flushed() - flushed_before);
    if (flushed > 0)
      outcome.write_amplification =
          1 + static_cast<double>(tree_.bytes_compacted() - compacted_before) / flushed;
    outcome.space_amplification = static_cast<double>(tree_.version().file_bytes()) /
                                  static_cast<double>(load_.keys * load_.entry_bytes);
    return outcome;
  }

  const ModelTree& tree() const { return tree_; }

 private:
  static ModelTree::Settings Settings(const Load& load) {
    ModelTree::Settings settings;
    settings.entry_bytes = load.entry_bytes;
    return settings;
  }
  RunPressure Pressure() const { return RunPressureOf(tree_.version(), style_, options_); }

  void FillInOrder() {
    ModelTree::Entries entries;
    for (uint32_t key = 0; key < load_.keys; ++key) {
      entries.push_back({key, ++sequence_});
      if (entries.size() < load_.flush_entries && key + 1 < load_.keys) continue;
      tree_.Flush(entries);
      entries.clear();
      while (auto plan = picker_->Pick(tree_.version(), {}, {}, kMaxSequence)) tree_.Run(*plan);
    }
  }

  ModelTree::Entries RandomEntries() {
    ModelTree::Entries entries;
    for (uint64_t i = 0; i < load_.flush_entries; ++i) {
      const bool hot = load_.hot_percent < 100 && random_.OneIn(2);
      const uint64_t keys = hot ? load_.keys * load_.hot_percent / 100 : load_.keys;
      // Hot keys lie everywhere.
      const uint64_t key = random_.Uniform(keys) * (load_.keys / keys);
      entries.push_back({static_cast<uint32_t>(key), ++sequence_});
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a.key != b.key ? a.key < b.key : a.sequence > b.sequence;
    });
    entries.erase(std::unique(entries.begin(), entries.end(),
                              [](const auto& a, const auto& b) { return a.key == b.key; }),
                  entries.end());
    return entries;
  }

  void Start() {
    while (tree_.running().size() < load_.slots) {
      auto plan = picker_->Pick(tree_.version(), tree_.busy(), tree_.running(), kMaxSequence);
      if (!plan || plan->score < 1) return;  // writers go on
      const double flush_bytes = static_cast<double>(load_.flush_entries * load_.entry_bytes);
      const double bytes = plan->trivial_move ? 0 : static_cast<double>(plan->input_bytes());
      ends_.push_back(now_ + bytes / flush_bytes / load_.bandwidth);
      tree_.Begin(std::move(*plan));
    }
  }
  void FinishNext() {
    ASSERT_FALSE(ends_.empty()) << "writers wait and nothing runs";
    const size_t next = std::min_element(ends_.begin(), ends_.end()) - ends_.begin();
    now_ = std::max(now_, ends_[next]);
    ends_.erase(ends_.begin() + next);
    tree_.Finish(next);
    Start();
  }
  void Work(double until) {
    while (!ends_.empty() && *std::min_element(ends_.begin(), ends_.end()) <= until) FinishNext();
    now_ = until;
  }

  const CompactionStyle style_;
  const PickerOptions options_;
  const Load load_;
  ModelTree tree_;
  Random random_;
  std::unique_ptr<CompactionPicker> picker_;
  SequenceNumber sequence_ = 0;
  double now_ = 0;
  std::vector<double> ends_;  // of tree_.running()
};

Outcome Report(const char* name, CompactionStyle style, const PickerOptions& options,
               const Load& load) {
  const Outcome outcome = Simulation(style, options, load).Run();
  std::printf(
      "%-34s bandwidth %4.1f: write amp %5.2f, space amp %.3f, runs %5.1f mean %3zu max, writing "
      "%.0f %% of the time\n",
      name, load.bandwidth, outcome.write_amplification, outcome.space_amplification,
      outcome.runs_mean, outcome.runs_max, 100 * outcome.write_share);
  return outcome;
}

// Writers three times as fast as one compaction reads, and thirty times slower than that.
TEST(PickerSimulation, LeveledUniform) {
  Load load;
  const Outcome saturated = Report("leveled, uniform", CompactionStyle::kLeveled, {}, load);
  EXPECT_LT(saturated.write_amplification, 4.7);
  EXPECT_LT(saturated.space_amplification, 1.15);
  EXPECT_LE(saturated.runs_max, 40u);
  EXPECT_GT(saturated.write_share, 0.7);

  load.bandwidth = 30;
  const Outcome relaxed = Report("leveled, uniform", CompactionStyle::kLeveled, {}, load);
  EXPECT_LT(relaxed.write_amplification, 7);
  EXPECT_LT(relaxed.space_amplification, 1.15);
  EXPECT_LE(relaxed.runs_max, PickerOptions().level0_runs_trigger + 2);
}

TEST(PickerSimulation, LeveledSkewed) {
  Load load;
  load.hot_percent = 5;
  const Outcome outcome = Report("leveled, skewed", CompactionStyle::kLeveled, {}, load);
  EXPECT_LT(outcome.write_amplification, 4.7);
  EXPECT_LT(outcome.space_amplification, 1.15);
  EXPECT_LE(outcome.runs_max, 40u);
}

// Jobs side by side get in each other's way no more than they help.
TEST(PickerSimulation, LeveledInParallel) {
  Load load;
  load.slots = 4;
  load.bandwidth /= 4;
  const Outcome outcome = Report("leveled, 4 at once", CompactionStyle::kLeveled, {}, load);
  EXPECT_LT(outcome.write_amplification, 4.7);
  EXPECT_LT(outcome.space_amplification, 1.15);
  EXPECT_GT(outcome.write_share, 0.7);
}

TEST(PickerSimulation, Tiered) {
  Load load;
  load.bandwidth = 30;
  const Outcome outcome = Report("tiered, uniform", CompactionStyle::kTiered, {}, load);
  EXPECT_LT(outcome.write_amplification, 5);
  EXPECT_LT(outcome.space_amplification, 2.05);
  EXPECT_LE(outcome.runs_max, 2 * PickerOptions().tiered_runs_trigger);
}

TEST(PickerSimulation, NothingIsWrittenTwiceForKeysInOrder) {
  for (const CompactionStyle style : {CompactionStyle::kLeveled, CompactionStyle::kNone}) {
    Load load;
    load.writes = 0;
    Simulation simulation(style, {}, load);
    simulation.Run();
    EXPECT_EQ(simulation.tree().bytes_compacted(), 0u);
  }
}

}  // namespace
}  // namespace varve
