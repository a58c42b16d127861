#include <algorithm>
#include <optional>
#include <string>

#include "table/open_segment.h"
#include "table/segment_format.h"
#include "util/hash.h"

// Verify: the whole file once more, from the footer on, and everything that two parts of it say
// about each other.
//
//  1. Load footer, properties, index and filter again, which checks each on its own.
//  2. Read the data in stretches. Of each block: checksum, content, padding before it; of each
//     entry: its order, its place between two separators, its tag, and that the filter accepts it
//     and its prefix.
//  3. Compare what was counted with the properties, bounds and sequences of the range tombstones
//     included.

namespace varve {

namespace {

constexpr uint64_t kStretchBytes = 1 << 20;

class SegmentVerifier {
 public:
  explicit SegmentVerifier(const OpenSegment& segment) : segment_(segment) {}

  Status Run() {
    const Index& index = segment_.index();
    for (uint64_t first = 0; first < index.blocks();) {
      const uint64_t start = index.handle(first).offset - index.padding_before(first);
      uint64_t end = start, last = first;
      for (; last < index.blocks() && (last == first || end - start < kStretchBytes); ++last) {
        end = index.handle(last).offset + index.handle(last).size;
      }
      if (Status s = CheckStretch(first, last, start, end); !s.ok()) return s;
      first = last;
    }
    counted_.largest_key = last_key_;
    CountRangeTombstones();
    return CompareProperties();
  }

 private:
  // Blocks [first, last), which lie in [start, end) of the file.
  Status CheckStretch(uint64_t first, uint64_t last, uint64_t start, uint64_t end) {
    const SegmentSource& source = segment_.source();
    RangeRead read(*source.file, start, end - start);
    read.Run(*source.file);
    segment_.Count(Counter::kSegmentBytesRead, end - start);
    Slice bytes;
    if (Status s = read.Result(source, &bytes); !s.ok()) return s;
    for (uint64_t i = first; i < last; ++i) {
      const BlockHandle handle = segment_.index().handle(i);
      const uint64_t padding = segment_.index().padding_before(i);
      const Slice zeros = bytes.substr(handle.offset - padding - start, padding);
      if (zeros.find_first_not_of('\0') != Slice::npos) {
        return source.Corrupt("padding", handle.offset - padding, "expected zeros");
      }
      HeldBlock* held;
      Status s = MakeBlock(source, bytes.substr(handle.offset - start, handle.size), handle.offset,
                           true, segment_.properties().block_raw_bytes_max, &held);
      if (!s.ok()) return s;
      const BlockRef block = BlockRef::Owned(held);
      if (s = CheckBlock(i, *block); !s.ok()) return s;
    }
    return Status::OK();
  }

  Status CheckBlock(uint64_t i, const Block& block) {
    const InternalKeyComparator& comparator = segment_.comparator();
    const auto corrupt = [&](Slice what) {
      return segment_.source().Corrupt("block " + std::to_string(i),
                                       segment_.index().handle(i).offset, what);
    };
    counted_.data_blocks++;
    counted_.block_raw_bytes_max =
        std::max<uint64_t>(counted_.block_raw_bytes_max, block.content().size());
    BlockCursor cursor;
    cursor.SetBlock(&block);
    for (cursor.MoveTo(0); cursor.valid(); cursor.MoveTo(cursor.index() + 1)) {
      const Slice key = cursor.key();
      const bool first = counted_.entries == 0;
      if (!first && comparator.Compare(last_key_, key) >= 0) {
        return corrupt("entry " + std::to_string(cursor.index()) + " is out of order");
      }
      if (cursor.index() == 0 && i > 0 && comparator.Compare(key, separator_) <= 0) {
        return corrupt("its first key does not come after the separator before it");
      }
      const Slice user_key = ExtractUserKey(key);
      if (segment_.identical()) {
        const uint64_t hash = Hash64(user_key);
        if (block.has_tags() && block.tag(cursor.index()) != TagOfHash(hash)) {
          return corrupt("entry " + std::to_string(cursor.index()) + " has a wrong tag");
        }
        if (segment_.filter() != nullptr && !segment_.filter()->MayContain(hash)) {
          return corrupt("the filter denies entry " + std::to_string(cursor.index()));
        }
        if (segment_.prefix_filter() != nullptr && !CheckPrefix(user_key)) {
          return corrupt("the filter denies the prefix of entry " + std::to_string(cursor.index()));
        }
      }
      if (TrailerType(ExtractTrailer(key)) == ValueType::kValueWithExpiry &&
          cursor.value().size() < kExpiresAtBytes) {
        return corrupt("entry " + std::to_string(cursor.index()) + " has no expiry");
      }
      CountEntry(key, cursor.value(),
                 first || comparator.CompareUserKeys(ExtractUserKey(last_key_), user_key) != 0);
      last_key_.assign(key);
    }
    separator_ = segment_.index().separator(i);
    if (comparator.Compare(last_key_, separator_) > 0) {
      return corrupt("its last key comes after its separator");
    }
    return Status::OK();
  }

  bool CheckPrefix(Slice user_key) {
    const std::optional<Slice> prefix = segment_.prefix_extractor().Prefix(user_key);
    if (!prefix.has_value() || last_prefix_ == *prefix) return true;
    counted_.prefixes++;
    last_prefix_.emplace(*prefix);
    return segment_.prefix_filter()->MayContain(PrefixHash(*prefix));
  }

  void CountEntry(Slice key, Slice value, bool new_user_key) {
    const uint64_t trailer = ExtractTrailer(key);
    const SequenceNumber sequence = TrailerSequence(trailer);
    if (counted_.entries == 0) {
      counted_.smallest_key.assign(key);
      counted_.sequence_min = counted_.sequence_max = sequence;
    }
    counted_.sequence_min = std::min(counted_.sequence_min, sequence);
    counted_.sequence_max = std::max(counted_.sequence_max, sequence);
    counted_.entries++;
    counted_.raw_key_bytes += key.size();
    counted_.raw_value_bytes += value.size();
    features_ |= counted_.CountType(TrailerType(trailer), value);
    if (new_user_key) counted_.user_keys++;
  }

  // After all entries. Tombstones that are the fragmented list's are whole, in order, and joined as
  // far as they can be, or it would have others: only their number is left to compare.
  void CountRangeTombstones() {
    const FragmentedRangeTombstones* const list = segment_.range_tombstones();
    if (list == nullptr || list->empty()) return;
    counted_.range_deletes = list->tombstones();
    const bool alone = counted_.entries == 0;
    std::string smallest, largest;
    AppendInternalKey(&smallest, list->start(0),
                      PackTrailer(list->NewestAt(0, kMaxSequence), ValueType::kRangeDelete));
    AppendInternalKey(&largest, list->end(list->fragments() - 1), kExclusiveTrailer);
    const InternalKeyComparator& comparator = segment_.comparator();
    if (alone || comparator.Compare(smallest, counted_.smallest_key) < 0) {
      counted_.smallest_key = smallest;
    }
    if (alone || comparator.Compare(largest, counted_.largest_key) > 0) {
      counted_.largest_key = largest;
    }
    counted_.sequence_min = alone ? list->smallest_sequence()
                                  : std::min(counted_.sequence_min, list->smallest_sequence());
    counted_.sequence_max = std::max(counted_.sequence_max, list->largest_sequence());
  }

  Status CompareProperties() {
    const SegmentProperties& p = segment_.properties();
    if (segment_.prefix_filter() == nullptr) counted_.prefixes = p.prefixes;  // nobody knows
    const struct {
      const char* name;
      uint64_t recorded, found;
    } numbers[] = {
        {"entries", p.entries, counted_.entries},
        {"deletes", p.deletes, counted_.deletes},
        {"range deletes", p.range_deletes, counted_.range_deletes},
        {"merges", p.merges, counted_.merges},
        {"lowest expiry", p.expires_at_min, counted_.expires_at_min},
        {"highest expiry", p.expires_at_max, counted_.expires_at_max},
        {"entries with expiry", p.entries_with_expiry, counted_.entries_with_expiry},
        {"prefixes", p.prefixes, counted_.prefixes},
        {"user keys", p.user_keys, counted_.user_keys},
        {"raw key bytes", p.raw_key_bytes, counted_.raw_key_bytes},
        {"raw value bytes", p.raw_value_bytes, counted_.raw_value_bytes},
        {"data blocks", p.data_blocks, counted_.data_blocks},
        {"block raw bytes", p.block_raw_bytes_max, counted_.block_raw_bytes_max},
        {"lowest sequence", p.sequence_min, counted_.sequence_min},
        {"highest sequence", p.sequence_max, counted_.sequence_max},
    };
    const uint64_t at = segment_.footer().properties.offset;
    for (const auto& number : numbers) {
      if (number.recorded != number.found) {
        return segment_.source().Corrupt(std::string("property ") + number.name, at,
                                         "expected " + std::to_string(number.recorded) +
                                             ", found " + std::to_string(number.found));
      }
    }
    if (const uint32_t features = segment_.footer().incompat; (features_ & ~features) != 0) {
      return segment_.source().Corrupt("footer", segment_.footer().file_bytes - kFooterBytes,
                                       "entries need the incompatible features " +
                                           std::to_string(features_) + ", found " +
                                           std::to_string(features));
    }
    if (p.smallest_key != counted_.smallest_key || p.largest_key != counted_.largest_key) {
      return segment_.source().Corrupt("properties", at, "smallest or largest key is another");
    }
    return Status::OK();
  }

  const OpenSegment& segment_;
  SegmentProperties counted_;
  uint32_t features_ = 0;  // that the entries need
  std::string last_key_;
  std::string separator_;
  std::optional<std::string> last_prefix_;
};

}  // namespace

Status OpenSegment::Verify() const {
  SegmentReaderOptions options = options_;
  options.cache = nullptr;
  OpenSegment again(options, file_, source_.path);
  if (Status s = again.Load(source_.number); !s.ok()) return s;
  return SegmentVerifier(again).Run();
}

}  // namespace varve
