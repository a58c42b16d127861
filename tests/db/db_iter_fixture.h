#ifndef VARVE_TESTS_DB_DB_ITER_FIXTURE_H_
#define VARVE_TESTS_DB_DB_ITER_FIXTURE_H_

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "db/covering_tombstones.h"
#include "db/db_iter.h"
#include "db/merging_iterator.h"
#include "tests/db/vector_iterator.h"
#include "tests/support/comparators.h"
#include "util/random.h"
#include "util/range_tombstones.h"
#include "varve/merge_operator.h"

// For tests of the user's iterator: sources made of vectors, and walks as text.

namespace varve::db_iter_fixture {

// Operands are appended to the value, each behind a comma; "!" cannot be.
class AppendOperator final : public MergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool FullMerge(Slice, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const override {
    result->assign(existing == nullptr ? "-" : *existing);
    for (const Slice operand : operands) {
      if (operand == "!") return false;
      result->append(",").append(operand);
    }
    return true;
  }
};
inline const AppendOperator kAppend;

struct TestVersion {
  std::string key;
  SequenceNumber sequence;
  ValueType type;
  std::string value;
};

constexpr auto kValue = ValueType::kValue;
constexpr auto kDelete = ValueType::kDelete;
constexpr auto kMerge = ValueType::kMerge;
constexpr auto kExpiringValue = ValueType::kValueWithExpiry;

// The value of an entry of type kExpiringValue.
inline std::string Expiring(uint64_t expires_at, Slice value) {
  std::string bytes;
  PutFixed64(&bytes, expires_at);
  return bytes.append(value);
}

// Versions of keys, spread over children of a merging iterator, with damage where it is wanted.
class TestSource final : public DbIterSource {
 public:
  TestSource(const InternalKeyComparator& comparator, size_t children)
      : comparator_(comparator), children_(children), ranges_(children) {}

  void Add(size_t child, const TestVersion& version) {
    std::string key;
    AppendInternalKey(&key, version.key, PackTrailer(version.sequence, version.type));
    AddRaw(child, key, version.value);
  }
  void AddRaw(size_t child, const std::string& key, const std::string& value) {
    children_[child].emplace_back(key, value);
  }
  void Sort() {
    for (auto& entries : children_) {
      std::sort(entries.begin(), entries.end(), [this](const auto& a, const auto& b) {
        return comparator_.Compare(a.first, b.first) < 0;
      });
    }
  }
  size_t EntriesOf(size_t child) const { return children_[child].size(); }

  // Of source number `child`: it hides what that and the later children hold.
  void AddRange(size_t child, RangeTombstone tombstone) {
    ranges_[child].push_back(std::move(tombstone));
  }

  Status Renew(DbIterView* view) override {
    ++renewals;
    if (!error.ok()) return error;
    std::vector<std::unique_ptr<InternalIterator>> made;
    for (size_t i = 0; i < children_.size(); ++i) {
      made.push_back(std::make_unique<VectorIterator>(
          comparator_, &children_[i], i == damaged_child ? damaged : VectorIterator::kNone,
          Status::Corruption("damaged entry"), &moves));
    }
    view->entries = NewMergingIterator(comparator_, std::move(made), &view->merging);
    view->sequence = at;
    view->now_ms = now_ms;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i].empty() && unreadable_ranges != i) continue;
      if (view->tombstones == nullptr) {
        view->tombstones = std::make_unique<CoveringTombstones>(comparator_, at);
      }
      if (unreadable_ranges == i) {
        view->tombstones->Add(std::make_unique<Unreadable>(), i + 1);
        continue;
      }
      auto list = std::make_shared<FragmentedRangeTombstones>(comparator_, ranges_[i]);
      view->tombstones->Add(std::make_unique<TombstoneList>(comparator_, std::move(list)), i + 1);
    }
    return Status::OK();
  }
  void OnHiddenRun(Slice smallest, Slice largest, uint64_t entries) override {
    hidden_runs.push_back(std::string(smallest) + "-" + std::string(largest) + ":" +
                          std::to_string(entries));
  }

  SequenceNumber at = kMaxSequence;
  uint64_t now_ms = 0;
  size_t unreadable_ranges = SIZE_MAX;  // the child whose range tombstones cannot be read
  size_t damaged_child = SIZE_MAX;
  size_t damaged = VectorIterator::kNone;
  Status error;
  int renewals = 0;
  uint64_t moves = 0;  // seeks and steps of all children
  std::vector<std::string> hidden_runs;

 private:
  class Unreadable final : public TombstoneSource {
   public:
    Status Find(Slice, SequenceNumber, TombstoneStretch*) override {
      return Status::IOError("unreadable tombstones");
    }
  };

  const InternalKeyComparator comparator_;
  std::vector<VectorIterator::Entries> children_;
  std::vector<std::vector<RangeTombstone>> ranges_;
};

// Lends a source to an iterator, so that the test keeps it.
class Borrowed final : public DbIterSource {
 public:
  explicit Borrowed(TestSource* source) : source_(source) {}
  Status Renew(DbIterView* view) override { return source_->Renew(view); }
  void OnHiddenRun(Slice smallest, Slice largest, uint64_t entries) override {
    source_->OnHiddenRun(smallest, largest, entries);
  }

 private:
  TestSource* const source_;
};

inline std::unique_ptr<Iterator> Iterate(TestSource* source, const ReadOptions& options = {},
                                         const Comparator* comparator = BytewiseComparator()) {
  return NewDbIterator(InternalKeyComparator(comparator), &kAppend, options,
                       std::make_unique<Borrowed>(source));
}

inline std::string Text(const Iterator& it) {
  if (!it.Valid()) return it.status().ok() ? "-" : StatusCodeName(it.status().code());
  return std::string(it.key()) + "=" + std::string(it.value());
}

inline std::string Walk(Iterator* it, bool forward) {
  std::vector<std::string> shown;
  for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
       forward ? it->Next() : it->Prev()) {
    shown.push_back(Text(*it));
  }
  shown.push_back(it->status().ok() ? "" : StatusCodeName(it->status().code()));
  if (!forward) std::reverse(shown.begin(), shown.end());
  std::string text;
  for (const std::string& s : shown) {
    if (!s.empty()) text += (text.empty() ? "" : " ") + s;
  }
  return text;
}

inline std::string RandomKey(Random* random, int alphabet) {
  std::string key;
  for (uint64_t n = random->Uniform(4); n > 0; --n) {
    key.push_back("\0az\xff"[random->Uniform(alphabet)]);
  }
  return key;
}

// All that was written, for a model.
struct Everything {
  std::vector<TestVersion> versions;  // by sequence
  std::vector<RangeTombstone> ranges;
};

using State = std::vector<std::pair<std::string, std::string>>;
// What is to be seen at a sequence and an instant, in the order of the keys.
inline State StateAt(const Comparator* comparator, const Everything& all, SequenceNumber at,
                     const ReadOptions& options = {}, uint64_t now_ms = 0) {
  const auto less = [comparator](const std::string& a, const std::string& b) {
    return comparator->Compare(a, b) < 0;
  };
  std::map<std::string, std::string, decltype(less)> map(less);
  auto version = all.versions.begin();
  auto range = all.ranges.begin();
  for (SequenceNumber sequence = 1; sequence <= at; ++sequence) {
    if (version != all.versions.end() && version->sequence == sequence) {
      const auto found = map.find(version->key);
      if (version->type == kMerge) {
        const std::string base = found == map.end() ? "-" : found->second;
        map[version->key] = base + "," + version->value;
      } else if (version->type == kValue) {
        map[version->key] = version->value;
      } else if (version->type == kExpiringValue && now_ms < ExpiresAtOf(version->value)) {
        map[version->key] = version->value.substr(kExpiresAtBytes);
      } else if (found != map.end()) {
        map.erase(found);
      }
      ++version;
    } else if (range != all.ranges.end() && range->sequence == sequence) {
      if (less(range->start, range->end)) {
        map.erase(map.lower_bound(range->start), map.lower_bound(range->end));
      }
      ++range;
    } else {
      break;
    }
  }
  State state;
  for (const auto& [key, value] : map) {
    if (options.lower_bound && comparator->Compare(key, *options.lower_bound) < 0) continue;
    if (options.upper_bound && comparator->Compare(key, *options.upper_bound) >= 0) continue;
    state.emplace_back(key, value);
  }
  return state;
}

}  // namespace varve::db_iter_fixture

#endif  // VARVE_TESTS_DB_DB_ITER_FIXTURE_H_
