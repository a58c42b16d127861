#include "db/expiry_cut.h"

#include <algorithm>
#include <utility>

namespace varve {

Status ExpiryCut::Plan(const InternalKeyComparator& comparator, const ReadSequences& readers,
                       const std::vector<std::shared_ptr<MemTable>>& memtables, uint64_t now_ms,
                       uint64_t segment_bytes, std::unique_ptr<FlushCut>* cut) {
  ExpiryBuckets buckets(now_ms);
  const Status status = ForEachKeptKey(comparator, readers, memtables,
                                       [&buckets](std::span<const MemTableEntry> versions) {
                                         buckets.Add(ExpiryOf(versions), BytesOf(versions));
                                         return Status::OK();
                                       });
  if (!status.ok()) return status;
  auto planned = std::make_unique<ExpiryCut>(buckets.Plan(segment_bytes), segment_bytes);
  if (planned->outputs() > 1) *cut = std::move(planned);
  return status;
}

ExpiryCut::ExpiryCut(ExpiryOutputs outputs, uint64_t segment_bytes)
    : by_expiry_(std::move(outputs)), pieces_(by_expiry_.count()), count_(by_expiry_.count()) {
  const auto bytes = [this](size_t i) { return by_expiry_.bytes(i) / pieces_[i].count; };
  for (; count_ < ExpiryOutputs::kOutputsMax; ++count_) {
    size_t largest = 0;
    for (size_t i = 1; i < pieces_.size(); ++i) {
      if (bytes(i) > bytes(largest)) largest = i;
    }
    if (bytes(largest) <= segment_bytes) break;
    ++pieces_[largest].count;
  }
  size_t first = 0;
  for (Pieces& pieces : pieces_) {
    pieces.first = first;
    first += pieces.count;
  }
}

size_t ExpiryCut::OutputFor(std::span<const MemTableEntry> versions) {
  const size_t output = by_expiry_.OutputOf(ExpiryOf(versions));
  Pieces& pieces = pieces_[output];
  const double passed = static_cast<double>(pieces.passed_bytes) /
                        static_cast<double>(std::max<uint64_t>(by_expiry_.bytes(output), 1));
  pieces.passed_bytes += BytesOf(versions);
  const auto piece = static_cast<size_t>(passed * static_cast<double>(pieces.count));
  return pieces.first + std::min(piece, pieces.count - 1);
}

uint64_t ExpiryCut::ExpiryOf(std::span<const MemTableEntry> versions) {
  uint64_t expires_at = 0;
  for (const MemTableEntry& version : versions) {
    if (TrailerType(ExtractTrailer(version.internal_key)) != ValueType::kValueWithExpiry ||
        version.value.size() < kExpiresAtBytes) {
      return kNeverExpires;
    }
    expires_at = std::max(expires_at, ExpiresAtOf(version.value));
  }
  return expires_at;
}

uint64_t ExpiryCut::BytesOf(std::span<const MemTableEntry> versions) {
  uint64_t bytes = 0;
  for (const MemTableEntry& version : versions) {
    bytes += version.internal_key.size() + version.value.size();
  }
  return bytes;
}

}  // namespace varve
