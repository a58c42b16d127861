#include "tools/bench/value_ledger.h"

#include <utility>

namespace varve::bench {
namespace {

constexpr size_t kSlotsAtFirst = 1024;

// 0 marks a free slot, so that hash stands in for it.
uint64_t NotZero(uint64_t key_hash) { return key_hash == 0 ? 1 : key_hash; }

}  // namespace

ValueLedger::ValueLedger() : slots_(kSlotsAtFirst) {}

size_t ValueLedger::SlotOf(uint64_t key_hash) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = key_hash & mask;
  while (slots_[slot].key_hash != 0 && slots_[slot].key_hash != key_hash) slot = (slot + 1) & mask;
  return slot;
}

const ValueLedger::Entry* ValueLedger::Find(uint64_t key_hash) const {
  const Entry& entry = slots_[SlotOf(NotZero(key_hash))];
  return entry.key_hash == 0 ? nullptr : &entry;
}

void ValueLedger::Set(const Entry& entry) {
  const uint64_t key_hash = NotZero(entry.key_hash);
  size_t slot = SlotOf(key_hash);
  if (slots_[slot].key_hash == 0) {
    if ((used_ + 1) * 4 > slots_.size() * 3) {
      Grow();
      slot = SlotOf(key_hash);
    }
    ++used_;
  }
  slots_[slot] = entry;
  slots_[slot].key_hash = key_hash;
}

void ValueLedger::Grow() {
  std::vector<Entry> old(slots_.size() * 2);
  std::swap(old, slots_);
  for (const Entry& entry : old) {
    if (entry.key_hash != 0) slots_[SlotOf(entry.key_hash)] = entry;
  }
}

}  // namespace varve::bench
