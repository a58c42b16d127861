// Lookups and iterators over sources of every kind, laid out by hand: memtables, runs of level 0,
// several of which may share an epoch, and levels of many segments. Compared with a map of all
// writes, at every sequence.

#include "db/read_path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/segment_output.h"
#include "db/why.h"
#include "tests/db/db_iter_fixture.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"

namespace varve {
namespace {

using namespace db_iter_fixture;  // NOLINT: its names are made for these tests

constexpr char kDirectory[] = "/db";

// Writes, and the sources they are put into.
class Layout {
 public:
  // `wall_ms`: the time that reads go on from; 0: the simulated clock's own.
  explicit Layout(const Comparator* comparator, size_t block_cache_bytes = 1 << 20,
                  uint64_t wall_ms = 0)
      : comparator_(comparator), files_(SimFileSystem::New({.track = false})) {
    options_.env = MakeSimEnv(files_, 1);
    options_.comparator = comparator;
    options_.merge_operator = std::shared_ptr<const MergeOperator>(&kAppend, [](auto) {});
    options_.block_bytes = 1024;
    options_.block_cache_bytes = block_cache_bytes;
    options_.open_segments_max = 16;
    options_.statistics = Statistics::Create(/*latencies=*/false);
    EXPECT_TRUE(files_->CreateDirectory(kDirectory).ok());
    if (wall_ms != 0) clock().SetWall(wall_ms);
    reads_ = std::make_shared<ReadPath>(options_, kDirectory);
  }

  void AddMemtable(const Everything& writes) {
    auto memtable = std::make_shared<MemTable>(InternalKeyComparator(comparator_));
    for (const TestVersion& v : writes.versions) memtable->Add(v.sequence, v.type, v.key, v.value);
    for (const RangeTombstone& t : writes.ranges) {
      memtable->Add(t.sequence, ValueType::kRangeDelete, t.start, t.end);
    }
    if (view_.memtable == nullptr) {
      view_.memtable = std::move(memtable);
    } else {
      view_.immutables.push_back(std::move(memtable));
    }
  }

  // What of `writes` lies in [lower, upper) as one segment; none if there is nothing.
  void AddSegment(uint32_t level, uint64_t epoch, const Everything& writes,
                  std::optional<Slice> lower, std::optional<Slice> upper) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const TestVersion& v : writes.versions) {
      if (lower && comparator_->Compare(v.key, *lower) < 0) continue;
      if (upper && comparator_->Compare(v.key, *upper) >= 0) continue;
      std::string key;
      AppendInternalKey(&key, v.key, PackTrailer(v.sequence, v.type));
      entries.emplace_back(std::move(key), v.value);
    }
    const InternalKeyComparator comparator(comparator_);
    std::sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      return comparator.Compare(a.first, b.first) < 0;
    });
    const auto ranges =
        FragmentedRangeTombstones(comparator, writes.ranges).Tombstones(lower, upper);
    if (entries.empty() && ranges.empty()) return;
    SegmentOutputOptions output;
    output.options = &options_;
    output.directory = kDirectory;
    output.number = ++segments_;
    output.level = level;
    output.epoch = epoch;
    SegmentOutput segment(output);
    ASSERT_TRUE(segment.Open(0).ok());
    for (const RangeTombstone& t : ranges) {
      ASSERT_TRUE(segment.AddRangeTombstone(t.start, t.end, t.sequence).ok());
    }
    for (const auto& [key, value] : entries) ASSERT_TRUE(segment.Add(key, value).ok());
    entries_.emplace_back();
    ASSERT_TRUE(segment.Finish(&entries_.back()).ok());
  }

  void Publish(SequenceNumber last) {
    if (view_.memtable == nullptr) AddMemtable({});
    const Status status =
        Version::Build(InternalKeyComparator(comparator_), entries_, 0, &view_.version);
    ASSERT_TRUE(status.ok()) << status.ToString();
    reads_->Opened(last);
    reads_->views().Publish(std::make_shared<const ReadView>(view_));
  }

  std::string Account(const std::string& key, SequenceNumber sequence, uint64_t now_ms) {
    WhyTools tools;
    tools.comparator = reads_->comparator();
    tools.segments = &reads_->segments();
    tools.sequence = sequence;
    tools.now_ms = now_ms;
    EpochGuard inside(&reads_->epochs());
    return Why(tools, *reads_->views().Borrow(), key);
  }

  ReadPath& reads() { return *reads_; }
  SimFileSystem& files() { return *files_; }
  SimClock& clock() { return static_cast<SimClock&>(*options_.env.clock); }
  const Options& options() const { return options_; }

 private:
  const Comparator* const comparator_;
  const std::shared_ptr<SimFileSystem> files_;
  Options options_;
  std::shared_ptr<ReadPath> reads_;
  ReadView view_;
  std::vector<SegmentEntry> entries_;
  uint64_t segments_ = 0;
};

// Random writes of few keys, and where each goes.
struct Drawn {
  Everything all;
  SequenceNumber last = 0;
  size_t alphabet = 0;
};

constexpr uint64_t kSoon = 1'800'000'000'000;  // after the start of the simulated clock

// Of the type drawn for a key what it is where some keys expire: those are never merged.
TestVersion WithExpiry(Random* random, TestVersion version) {
  if (version.type == kDelete) {
    version.type = std::array{kDelete, ValueType::kRefused, ValueType::kEvicted,
                              ValueType::kExpired}[random->Uniform(4)];
  } else if (std::hash<std::string>()(version.key) % 3 != 0) {
    version.type = random->OneIn(4) ? kValue : kExpiringValue;
    if (version.type == kExpiringValue) {
      version.value = Expiring(
          std::array{uint64_t{0}, kSoon, kSoon, UINT64_MAX}[random->Uniform(4)], version.value);
    }
  }
  return version;
}

Drawn Draw(Random* random, Layout* layout, const Comparator* comparator, bool expiry = false) {
  Drawn drawn;
  drawn.alphabet = 2 + random->Uniform(3);
  drawn.last = 1 + random->Uniform(random->OneIn(4) ? 300 : 40);
  const uint64_t range_share = 2 + random->Uniform(12), merge_share = 1 + random->Uniform(4);
  const auto key = [&] { return RandomKey(random, static_cast<int>(drawn.alphabet)); };
  // The oldest sequence of each source, the newest source first.
  std::vector<SequenceNumber> starts = {1};
  for (uint64_t n = random->Uniform(7); n > 0; --n) {
    starts.push_back(1 + random->Uniform(drawn.last));
  }
  std::sort(starts.rbegin(), starts.rend());
  std::vector<Everything> sources(starts.size());
  for (SequenceNumber sequence = 1; sequence <= drawn.last; ++sequence) {
    Everything& source = sources[std::find_if(starts.begin(), starts.end(),
                                              [&](SequenceNumber s) { return s <= sequence; }) -
                                 starts.begin()];
    if (random->OneIn(range_share)) {
      drawn.all.ranges.push_back({key(), key(), sequence});
      source.ranges.push_back(drawn.all.ranges.back());
      continue;
    }
    const ValueType type = random->OneIn(5)             ? kDelete
                           : random->OneIn(merge_share) ? kMerge
                                                        : kValue;
    drawn.all.versions.push_back(
        {key(), sequence, type, type == kDelete ? "" : std::to_string(sequence)});
    if (expiry) drawn.all.versions.back() = WithExpiry(random, drawn.all.versions.back());
    source.versions.push_back(drawn.all.versions.back());
  }

  const size_t in_memory = random->Uniform(std::min<size_t>(sources.size(), 3) + 1);
  const size_t level0_end = in_memory + random->Uniform(sources.size() - in_memory + 1);
  for (size_t i = 0; i < sources.size(); ++i) {
    const Everything& source = sources[i];
    const uint64_t epoch = 100 - i;
    if (i < in_memory) {
      layout->AddMemtable(source);
    } else if (i < level0_end && random->OneIn(2)) {
      // Siblings of one epoch: each key in one of them, range tombstones in all.
      Everything siblings[2];
      for (const TestVersion& v : source.versions) {
        siblings[std::hash<std::string>()(v.key) % 2].versions.push_back(v);
      }
      for (Everything& sibling : siblings) {
        sibling.ranges = source.ranges;
        layout->AddSegment(0, epoch, sibling, std::nullopt, std::nullopt);
      }
    } else {
      std::vector<std::string> cuts;
      for (uint64_t n = random->Uniform(5); n > 0; --n) cuts.push_back(key());
      std::sort(cuts.begin(), cuts.end(), [&](const std::string& a, const std::string& b) {
        return comparator->Compare(a, b) < 0;
      });
      const uint32_t level = i < level0_end ? 0 : 1 + static_cast<uint32_t>(i - level0_end);
      for (size_t c = 0; c <= cuts.size(); ++c) {
        layout->AddSegment(level, epoch, source,
                           c == 0 ? std::nullopt : std::optional<Slice>(cuts[c - 1]),
                           c == cuts.size() ? std::nullopt : std::optional<Slice>(cuts[c]));
      }
    }
  }
  layout->Publish(drawn.last);
  return drawn;
}

std::vector<std::string> AllKeys(size_t alphabet) {
  std::vector<std::string> keys = {""};
  for (size_t from = 0, length = 0; length < 3; ++length) {
    const size_t to = keys.size();
    for (; from < to; ++from) {
      for (size_t i = 0; i < alphabet; ++i) keys.push_back(keys[from] + "\0az\xff"[i]);
    }
  }
  return keys;
}

std::string Answer(const Status& status, Slice value) {
  return status.ok() ? std::string(value) : StatusCodeName(status.code());
}
std::string Expected(const Comparator* comparator, const State& state, const std::string& key) {
  const auto found = std::find_if(state.begin(), state.end(), [&](const auto& entry) {
    return comparator->Compare(entry.first, key) == 0;
  });
  return found == state.end() ? "NotFound" : found->second;
}

// Why a key that nothing is found of is not there: what its newest version says, or what covers it.
MissReason ExpectedReason(const Comparator* comparator, const Everything& all,
                          SequenceNumber sequence, const std::string& key) {
  const TestVersion* newest = nullptr;
  for (const TestVersion& v : all.versions) {
    if (v.sequence > sequence || comparator->Compare(v.key, key) != 0) continue;
    if (newest == nullptr || v.sequence > newest->sequence) newest = &v;
  }
  for (const RangeTombstone& t : all.ranges) {
    if (t.sequence > sequence || (newest != nullptr && t.sequence < newest->sequence)) continue;
    if (comparator->Compare(t.start, key) <= 0 && comparator->Compare(key, t.end) < 0) {
      return MissReason::kDeleted;
    }
  }
  if (newest == nullptr) return MissReason::kAbsent;
  switch (newest->type) {
    case ValueType::kRefused:
      return MissReason::kRefused;
    case ValueType::kEvicted:
      return MissReason::kEvicted;
    case ValueType::kExpired:
    case ValueType::kValueWithExpiry:
      return MissReason::kExpired;
    default:
      return MissReason::kDeleted;
  }
}

// The word that an account of the key must begin with.
std::string ExpectedWord(const Comparator* comparator, const Everything& all,
                         SequenceNumber sequence, const std::string& key, bool found) {
  if (found) return "live";
  switch (ExpectedReason(comparator, all, sequence, key)) {
    case MissReason::kAbsent:
      return "never seen";
    case MissReason::kExpired:
      return "expired";
    case MissReason::kRefused:
      return "refused";
    case MissReason::kEvicted:
      return "evicted";
    default:
      return "deleted";
  }
}

// What each reason has been counted, and the misses at the end.
std::vector<uint64_t> Misses(const Statistics& statistics) {
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < kMissReasons; ++i) {
    counts.push_back(statistics.Get(CounterOf(static_cast<MissReason>(i))));
  }
  counts.push_back(statistics.Get(Counter::kGetMisses));
  return counts;
}

class ReadPathModel : public testing::TestWithParam<const Comparator*> {};

// Checklist E10: the second time with entries that expire, before they do and after. DESIGN I3: a
// miss has the one reason that the map of all writes knows.
TEST_P(ReadPathModel, EveryReadSeesTheMapOfAllWrites) {
  const Comparator* const comparator = GetParam();
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const bool expiry = seed > 100;
    // It goes on by less than the difference.
    const uint64_t now = expiry && random.OneIn(2) ? kSoon : kSoon - 10'000'000;
    Layout layout(comparator, 1 << 20, now);
    const Drawn drawn = Draw(&random, &layout, comparator, expiry);
    if (HasFatalFailure()) return;
    const std::vector<std::string> keys = AllKeys(drawn.alphabet);
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    std::vector<Status> statuses(keys.size());
    const Statistics& statistics = *layout.options().statistics;
    for (int round = 0; round < 4; ++round) {
      ReadOptions options;
      options.at_sequence = round == 0 ? drawn.last : random.Uniform(drawn.last + 1);
      SCOPED_TRACE(testing::Message() << "at " << *options.at_sequence);
      const State state = StateAt(comparator, drawn.all, *options.at_sequence, {}, now);
      std::vector<uint64_t> one_by_one = Misses(statistics);
      layout.reads().MultiGet(options, slices, values, statuses);
      const std::vector<uint64_t> together = Misses(statistics);
      for (size_t i = 0; i < keys.size(); ++i) {
        const std::string expected = Expected(comparator, state, keys[i]);
        ASSERT_EQ(Answer(statuses[i], values[i]), expected) << "MultiGet of number " << i;
        PinnedValue value;
        std::vector<uint64_t> counts = Misses(statistics);
        const Status status = layout.reads().Get(options, keys[i], &value);
        ASSERT_EQ(Answer(status, value), expected) << "Get of number " << i;
        if (status.IsNotFound()) {
          const MissReason reason =
              ExpectedReason(comparator, drawn.all, *options.at_sequence, keys[i]);
          for (std::vector<uint64_t>* tally : {&counts, &one_by_one}) {
            ++(*tally)[static_cast<size_t>(reason)];
            ++tally->back();
          }
        }
        ASSERT_EQ(Misses(statistics), counts) << "Get of number " << i;
        if (i % 4 != static_cast<size_t>(round)) continue;  // each in one of the rounds
        const std::string account = layout.Account(keys[i], *options.at_sequence, now);
        const std::string word = account.substr(0, account.find(':'));
        ASSERT_EQ(word == "operand" && status.ok() ? "live" : word,
                  ExpectedWord(comparator, drawn.all, *options.at_sequence, keys[i], status.ok()))
            << account;
        ASSERT_EQ(Misses(statistics), counts);
      }
      ASSERT_EQ(together, one_by_one);
      const std::string lower = keys[random.Uniform(keys.size())];
      const std::string upper = keys[random.Uniform(keys.size())];
      if (random.OneIn(3)) options.lower_bound = lower;
      if (random.OneIn(3)) options.upper_bound = upper;
      const State shown = StateAt(comparator, drawn.all, *options.at_sequence, options, now);
      const auto it = layout.reads().NewIterator(options);
      size_t at = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next(), ++at) {
        ASSERT_LT(at, shown.size());
        ASSERT_EQ(std::string(it->key()), shown[at].first);
        ASSERT_EQ(std::string(it->value()), shown[at].second);
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      ASSERT_EQ(at, shown.size());
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        ASSERT_GT(at, 0u);
        ASSERT_EQ(std::string(it->key()), shown[--at].first);
        ASSERT_EQ(std::string(it->value()), shown[at].second);
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      ASSERT_EQ(at, 0u);
      for (int seek = 0; seek < 20; ++seek) {
        const std::string& target = keys[random.Uniform(keys.size())];
        const bool forward = random.OneIn(2);
        forward ? it->Seek(target) : it->SeekForPrev(target);
        at = std::count_if(shown.begin(), shown.end(), [&](const auto& entry) {
          const int order = comparator->Compare(entry.first, target);
          return order < 0 || (!forward && order == 0);
        });
        if (!forward) --at;
        for (int step = 0; step < 4; ++step) {
          ASSERT_EQ(it->Valid(), at < shown.size());
          if (!it->Valid()) break;
          ASSERT_EQ(std::string(it->value()), shown[at].second);
          random.OneIn(2) ? (it->Next(), ++at) : (it->Prev(), --at);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Comparators, ReadPathModel,
                         testing::Values(BytewiseComparator(), ReverseComparator()));

// Checklist C14: whatever cannot be read, the answer is right or an error, never what is older.
// Checklist I5: an error is neither a hit nor a miss.
TEST(ReadPath, WhatCannotBeReadIsAnErrorAndNeverStale) {
  uint64_t errors = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Layout layout(BytewiseComparator(), /*block_cache_bytes=*/0);
    const Drawn drawn = Draw(&random, &layout, BytewiseComparator());
    if (HasFatalFailure()) return;
    const std::vector<std::string> keys = AllKeys(drawn.alphabet);
    ReadOptions options;
    options.at_sequence = random.OneIn(2) ? drawn.last : random.Uniform(drawn.last + 1);
    const State state = StateAt(BytewiseComparator(), drawn.all, *options.at_sequence);
    for (int round = 0; round < 60; ++round) {
      layout.files().InjectFault(
          {.calls = kSimRead | kSimOpen, .nth = 1 + random.Uniform(6), .forever = random.OneIn(3)});
      if (random.OneIn(2)) {
        const std::string& key = keys[random.Uniform(keys.size())];
        PinnedValue value;
        const Statistics& statistics = *layout.options().statistics;
        const uint64_t hits = statistics.Get(Counter::kGetHits);
        const uint64_t misses = statistics.Get(Counter::kGetMisses);
        const Status status = layout.reads().Get(options, key, &value);
        EXPECT_EQ(statistics.Get(Counter::kGetHits) - hits, status.ok() ? 1u : 0u);
        EXPECT_EQ(statistics.Get(Counter::kGetMisses) - misses, status.IsNotFound() ? 1u : 0u);
        if (status.IsIOError()) {
          ++errors;
        } else {
          ASSERT_EQ(Answer(status, value), Expected(BytewiseComparator(), state, key));
        }
      } else {
        const auto it = layout.reads().NewIterator(options);
        const bool forward = random.OneIn(2);
        size_t at = 0;
        for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
             forward ? it->Next() : it->Prev()) {
          ASSERT_LT(at, state.size());
          const auto& [key, value] = state[forward ? at : state.size() - 1 - at];
          ++at;
          ASSERT_EQ(std::string(it->key()), key);
          ASSERT_EQ(std::string(it->value()), value);
        }
        if (it->status().ok()) {
          ASSERT_EQ(at, state.size());
        } else {
          ++errors;
        }
      }
      layout.files().ClearFault();
    }
  }
  EXPECT_GT(errors, 200u);
}

// Each segment of a run has a gap before its range tombstone and one behind; what the tombstones
// cover lies in an older run.
TEST(ReadPath, AnIteratorAsksTheSegmentsItMeets) {
  Layout layout(BytewiseComparator());
  Everything newer, older;
  std::string shown;
  for (char c = 'a'; c <= 'h'; ++c) {
    const std::string s(1, c);
    const SequenceNumber n = c - 'a' + 1;
    older.versions.push_back({s + "35", n, kValue, "x"});
    newer.versions.push_back({s, 100 + n, kValue, "v"});
    newer.versions.push_back({s + "5", 200 + n, kValue, "v"});
    newer.ranges.push_back({s + "3", s + "4", 300 + n});
    shown += (shown.empty() ? "" : " ") + s + "=v " + s + "5=v";
  }
  for (char c = 'a'; c <= 'h'; ++c) {
    const std::string lower(1, c), upper(1, static_cast<char>(c + 1));
    layout.AddSegment(1, 1, newer, lower, upper);
  }
  layout.AddSegment(2, 0, older, std::nullopt, std::nullopt);
  layout.Publish(400);
  const auto it = layout.reads().NewIterator({});
  it->Seek("c");
  EXPECT_EQ(Text(*it), "c=v");
  it->Next();
  EXPECT_EQ(Text(*it), "c5=v");
  EXPECT_EQ(layout.reads().segments().open_count(), 2u);
  EXPECT_EQ(Walk(it.get(), true), shown);
  EXPECT_EQ(Walk(it.get(), false), shown);
}

TEST(ReadPath, AListenerHearsOfALongRunOnceASecond) {
  Layout layout(BytewiseComparator());
  Everything writes;
  for (uint64_t i = 0; i < 2 * kHiddenRunMin; ++i) {
    std::string key = std::to_string(1000000 + i);
    writes.versions.push_back({std::move(key), i + 1, kDelete, ""});
  }
  layout.AddSegment(0, 1, writes, std::nullopt, std::nullopt);
  layout.Publish(2 * kHiddenRunMin);
  int told = 0;
  layout.reads().SetHiddenRunListener([&](Slice smallest, Slice largest, uint64_t entries) {
    ++told;
    EXPECT_LT(smallest, "1000100");
    EXPECT_EQ(largest, std::to_string(1000000 + 2 * kHiddenRunMin - 1));
    EXPECT_EQ(entries, 2 * kHiddenRunMin);
  });
  const auto it = layout.reads().NewIterator({});
  for (const int expected : {1, 1, 2}) {
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    EXPECT_EQ(told, expected);
    layout.clock().Advance(600);
  }
  const Statistics& statistics = *layout.options().statistics;
  EXPECT_EQ(statistics.Get(Counter::kHiddenRuns), 3u);
  EXPECT_EQ(statistics.Get(Counter::kHiddenRunEntries), 6 * kHiddenRunMin);
  layout.reads().SetHiddenRunListener(nullptr);
  layout.clock().Advance(2000);
  it->SeekToLast();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(statistics.Get(Counter::kHiddenRuns), 4u);
}

TEST(ReadPath, LookupsOfWhatExpiresAndIsMergedOrCutOff) {
  for (const bool in_memory : {true, false}) {
    Layout layout(BytewiseComparator());
    Everything all;
    all.versions = {{"a", 4, kMerge, "x"},
                    {"a", 3, kExpiringValue, Expiring(kSoon, "1")},
                    {"b", 2, kExpiringValue, Expiring(0, "2")},
                    {"b", 1, kValue, "old"}};
    if (in_memory) {
      all.versions.push_back({"c", 5, kExpiringValue, "short"});
      layout.AddMemtable(all);
    } else {
      layout.AddSegment(0, 1, all, std::nullopt, std::nullopt);
    }
    layout.Publish(5);
    const std::vector<Slice> keys = {"a", "b", "c"};
    std::vector<PinnedValue> values(3);
    std::vector<Status> statuses(3);
    layout.reads().MultiGet({}, keys, values, statuses);
    for (size_t i = 0; i < keys.size(); ++i) {
      PinnedValue value;
      for (const Status& s : {statuses[i], layout.reads().Get({}, keys[i], &value)}) {
        EXPECT_EQ(Answer(s, ""), i == 0                ? "NotSupported"
                                 : i == 2 && in_memory ? "Corruption"
                                                       : "NotFound")
            << keys[i];
      }
    }
  }
}

}  // namespace
}  // namespace varve
