#include "memtable/memtable.h"

#include <algorithm>
#include <utility>

#include "memtable/skiplist.h"
#include "util/hash.h"

namespace varve {

namespace {

using Node = SkipList::Node;

// Goes back by batches of nodes, as the list has no links back. Entries that are added between the
// nodes of a batch after it was taken are not met on the way back; they are newer than
// whatever the iterator's user reads at.
class MemTableIterator final : public InternalIterator {
 public:
  explicit MemTableIterator(const SkipList* list) : list_(list) {}

  bool Valid() const override { return node_ != nullptr; }
  void SeekToFirst() override { MoveTo(list_->First()); }
  void SeekToLast() override { MoveTo(list_->FindLast()); }
  void Seek(Slice target) override { MoveTo(list_->FindAtOrAfter(TargetOf(target))); }
  void SeekForPrev(Slice target) override {
    const SkipList::Target where = TargetOf(target);
    const Node* const at = list_->FindAtOrAfter(where);
    MoveTo(at != nullptr && list_->Compare(at, where) == 0 ? at : list_->FindBefore(where));
  }
  void Next() override {
    MoveTo(node_->Next());
    if (node_ == nullptr) return;
    // What the next calls need: the next entry, and the node after it.
    if (const Node* const next = node_->Next(); next != nullptr) {
      __builtin_prefetch(next->entry);
      __builtin_prefetch(next->entry + 64);
      __builtin_prefetch(next->Next());
    }
  }
  bool NextKey(Slice* key) override {
    MemTableIterator::Next();
    if (node_ == nullptr) return false;
    *key = node_->internal_key();
    return true;
  }
  void Prev() override {
    if (behind_ == 0) behind_ = list_->FindPredecessors(node_, before_, kBatch);
    node_ = behind_ == 0 ? nullptr : before_[--behind_];
  }
  Slice key() const override { return node_->internal_key(); }
  Slice value() const override { return node_->value(); }
  Status status() const override { return Status::OK(); }

 private:
  static constexpr size_t kBatch = 32;

  SkipList::Target TargetOf(Slice internal_key) const {
    return list_->MakeTarget(ExtractUserKey(internal_key), ExtractTrailer(internal_key));
  }
  void MoveTo(const Node* node) {
    node_ = node;
    behind_ = 0;
  }

  const SkipList* const list_;
  const Node* node_ = nullptr;
  // The `behind_` nodes before node_, the nearest last.
  size_t behind_ = 0;
  const Node* before_[kBatch];
};

// For one writer at a time, beside readers.
void Increase(std::atomic<uint64_t>* counter, uint64_t by) {
  counter->store(counter->load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

MemTable::MemTable(const InternalKeyComparator& comparator, Slice common_prefix,
                   size_t expected_bytes, std::shared_ptr<MemoryBudget> memory)
    : comparator_(comparator),
      filter_(comparator.user_comparator()->EqualMeansIdentical() ? expected_bytes : 0),
      list_(std::make_unique<SkipList>(comparator, common_prefix)),
      charge_(std::move(memory), MemoryPart::kMemtables) {
  ChargeMemory();
}

MemTable::~MemTable() { delete ranges(); }

void MemTable::Add(SequenceNumber sequence, ValueType type, Slice key, Slice value,
                   Slice value_head) {
  if (type == ValueType::kRangeDelete) [[unlikely]] {
    AddRange(sequence, key, value);
  } else {
    if (filter_.used()) filter_.Add(Hash64(key));
    list_->Insert(list_->MakeTarget(key, PackTrailer(sequence, type)), value, value_head);
  }
  Increase(&entries_, 1);
  if (IsTombstone(type)) Increase(&deletes_, 1);
  if (sequence < smallest_sequence()) {
    smallest_sequence_.store(sequence, std::memory_order_relaxed);
  }
  if (sequence > largest_sequence()) {
    largest_sequence_.store(sequence, std::memory_order_relaxed);
  }
}

void MemTable::AddConcurrently(SequenceNumber sequence, ValueType type, Slice key, Slice value,
                               Tally* tally, Slice value_head) {
  if (type == ValueType::kRangeDelete) [[unlikely]] {
    AddRange(sequence, key, value);
  } else {
    if (filter_.used()) filter_.AddConcurrently(Hash64(key));
    list_->InsertConcurrently(list_->MakeTarget(key, PackTrailer(sequence, type)), value,
                              value_head);
  }
  tally->Count(sequence, type);
}

void MemTable::AddTally(const Tally& tally) {
  if (tally.entries == 0) return;
  entries_.fetch_add(tally.entries, std::memory_order_relaxed);
  deletes_.fetch_add(tally.deletes, std::memory_order_relaxed);
  SequenceNumber smallest = smallest_sequence();
  while (tally.smallest_sequence < smallest &&
         !smallest_sequence_.compare_exchange_weak(smallest, tally.smallest_sequence,
                                                   std::memory_order_relaxed)) {
  }
  SequenceNumber largest = largest_sequence();
  while (tally.largest_sequence > largest &&
         !largest_sequence_.compare_exchange_weak(largest, tally.largest_sequence,
                                                  std::memory_order_relaxed)) {
  }
  list_->NoteConcurrentInserts(tally.entries);
}

void MemTable::AddRange(SequenceNumber sequence, Slice start, Slice end) {
  if (comparator_.CompareUserKeys(start, end) >= 0) return;
  RangeTombstoneStack* stack = ranges();
  if (stack == nullptr) {
    auto fresh = std::make_unique<RangeTombstoneStack>(comparator_);
    if (ranges_.compare_exchange_strong(stack, fresh.get(), std::memory_order_acq_rel)) {
      stack = fresh.release();
    }
  }
  stack->Add(sequence, start, end);
}

bool MemTable::Get(const LookupKey& lookup, Slice* value, uint64_t* trailer) const {
  if (filter_.used() && !filter_.MayContain(lookup.hash())) return false;
  const Slice user_key = lookup.user_key();
  const SkipList::Target target =
      list_->MakeTarget(user_key, ExtractTrailer(lookup.internal_key()));
  const Node* const node = list_->FindAtOrAfter(target);
  if (node == nullptr || node->prefix != target.prefix ||
      comparator_.CompareUserKeys(node->user_key(), user_key) != 0) {
    return false;
  }
  *value = node->value();
  *trailer = node->trailer();
  return true;
}

std::string MemTable::CommonPrefix() const {
  // With fewer bytes in common, the rest of the first eight has at least 2^24 values.
  constexpr size_t kBytesMin = 6;
  constexpr size_t kBytesMax = 256;
  const Node* const first = list_->First();
  if (first == nullptr || !comparator_.bytewise()) return {};
  const Slice a = first->user_key(), b = list_->FindLast()->user_key();
  const size_t limit = std::min({a.size(), b.size(), kBytesMax});
  size_t common = 0;
  while (common < limit && a[common] == b[common]) ++common;
  return std::string(common < kBytesMin ? Slice() : a.substr(0, common));
}

std::unique_ptr<InternalIterator> MemTable::NewIterator() const {
  return std::make_unique<MemTableIterator>(list_.get());
}

size_t MemTable::bytes() const {
  return sizeof(*this) + filter_.bytes() + sizeof(SkipList) + list_->memory_bytes() +
         (has_range_tombstones() ? sizeof(RangeTombstoneStack) + ranges()->charge() : 0);
}
size_t MemTable::used_bytes() const {
  return list_->used_bytes() + (has_range_tombstones() ? ranges()->charge() : 0);
}
size_t MemTable::BytesMax(uint64_t entries, size_t data_bytes, uint64_t range_deletes) {
  return SkipList::BytesMax(entries, data_bytes) +
         (range_deletes == 0 ? 0 : RangeTombstoneStack::ChargeOf(range_deletes, data_bytes));
}

}  // namespace varve
