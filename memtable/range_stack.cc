#include "memtable/range_stack.h"

#include <string>
#include <utility>
#include <vector>

#include "util/scheduler.h"

namespace varve {

RangeTombstoneStack::RangeTombstoneStack(const InternalKeyComparator& comparator)
    : comparator_(comparator) {}

RangeTombstoneStack::~RangeTombstoneStack() {
  delete made_.load(std::memory_order_acquire);
  for (const Element* element = newest_.load(std::memory_order_acquire); element != nullptr;) {
    const Element* const older = element->older;
    delete element;
    element = older;
  }
}

void RangeTombstoneStack::Add(SequenceNumber sequence, Slice start, Slice end) {
  auto* const element = new Element{{std::string(start), std::string(end), sequence}};
  charge_.fetch_add(ChargeOf(1, start.size() + end.size()), std::memory_order_relaxed);
  const Element* newest = newest_.load(std::memory_order_acquire);
  do {
    element->older = newest;
    element->count = newest == nullptr ? 1 : newest->count + 1;
    SchedulePoint();
  } while (!newest_.compare_exchange_weak(newest, element, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
}

SequenceNumber RangeTombstoneStack::MaxCovering(Slice user_key, SequenceNumber at) const {
  EpochGuard inside(&epochs_);
  const Made* const made = Current();
  return made == nullptr ? 0 : made->list->MaxCovering(user_key, at);
}

std::shared_ptr<const FragmentedRangeTombstones> RangeTombstoneStack::list() const {
  EpochGuard inside(&epochs_);
  const Made* const made = Current();
  return made == nullptr ? nullptr : made->list;
}

const RangeTombstoneStack::Made* RangeTombstoneStack::Current() const {
  const uint64_t wanted = count();
  const Made* made = made_.load(std::memory_order_seq_cst);  // see EpochDomain
  if (made != nullptr && made->count >= wanted) [[likely]]
    return made;
  if (wanted == 0) return nullptr;

  MutexLock lock(&make_mu_);
  const Element* const newest = newest_.load(std::memory_order_acquire);
  const Made* const old = made_.load(std::memory_order_seq_cst);
  if (old != nullptr && old->count >= newest->count) return old;
  std::vector<RangeTombstone> all;
  all.reserve(newest->count);
  for (const Element* element = newest; element != nullptr; element = element->older) {
    all.push_back(element->tombstone);
  }
  made = new Made{std::make_shared<const FragmentedRangeTombstones>(comparator_, std::move(all)),
                  newest->count};
  made_.store(made, std::memory_order_seq_cst);
  if (old != nullptr) epochs_.Retire([old] { delete old; });
  return made;
}

size_t RangeTombstoneStack::ChargeOf(uint64_t tombstones, size_t key_bytes) {
  constexpr size_t kShare = 256;
  return tombstones * (sizeof(Element) + kShare) + 2 * key_bytes;
}

}  // namespace varve
