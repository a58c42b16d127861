#include "table/hash_set.h"

#include <algorithm>

namespace varve {

namespace {

uint64_t StretchesOf(uint64_t keys) {
  return (keys + kHashSetStretchUnits - 1) / kHashSetStretchUnits;
}

// With the keys before the end of the last stretch.
uint64_t TableBytes(uint64_t keys) { return (StretchesOf(keys) + 1) * sizeof(uint32_t); }

uint64_t BitsBytes(uint64_t keys, int remainder_bits) {
  const uint64_t bits =
      keys * (static_cast<uint64_t>(remainder_bits) + 1) + StretchesOf(keys) * kHashSetStretchUnits;
  return (bits + 7) / 8;
}

// Bits appended to a string, the lowest of each byte first.
class BitWriter {
 public:
  explicit BitWriter(std::string* out) : out_(out) {}

  // The `count` (at most 32) lowest of `bits`, the others of which are 0.
  void Put(uint64_t bits, int count) {
    pending_ |= bits << pending_count_;
    pending_count_ += count;
    for (; pending_count_ >= 8; pending_count_ -= 8, pending_ >>= 8) {
      out_->push_back(static_cast<char>(pending_));
    }
  }
  // Fills the last byte with zeros.
  void Finish() {
    if (pending_count_ > 0) out_->push_back(static_cast<char>(pending_));
  }

 private:
  std::string* const out_;
  uint64_t pending_ = 0;  // fewer than 8 bits between calls
  int pending_count_ = 0;
};

constexpr uint64_t kEachByte = 0x0101010101010101;

// In byte i how many bits are set in bytes 0 to i.
uint64_t BitsSetUpTo(uint64_t word) {
  word -= (word >> 1) & 0x5555555555555555;
  word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333);
  return ((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f) * kEachByte;
}

// Where the n-th bit that is set lies, from 0 on; there are more than n. `up_to` is
// BitsSetUpTo(word). (Vigna, "Broadword Implementation of Rank/Select Queries", 2008.)
uint64_t SelectBit(uint64_t word, uint64_t up_to, uint64_t n) {
  // No byte of up_to exceeds 64, so no difference borrows from the next byte.
  const uint64_t reached = ((up_to | (kEachByte << 7)) - (n + 1) * kEachByte) & (kEachByte << 7);
  const int shift = __builtin_ctzll(reached) & ~7;  // of the byte that holds it
  n -= (up_to << 8 >> shift) & 0xff;
  word >>= shift;
  for (; n > 0; --n) word &= word - 1;
  return shift + __builtin_ctzll(word);
}

}  // namespace

// ---- Building ----------------------------------------------------------------------------------

uint64_t HashSetBuilder::ContentBytes() const {
  return kHashSetHeaderBytes + TableBytes(keys()) + BitsBytes(keys(), remainder_bits_);
}

void HashSetBuilder::Finish(std::string* content) {
  const uint64_t n = keys();
  const uint64_t content_bytes = ContentBytes();
  content->clear();
  content->reserve(content_bytes);
  content->push_back(static_cast<char>(kHashSetKindEliasFano));
  content->push_back(static_cast<char>(remainder_bits_));
  content->append(6, '\0');
  PutFixed64(content, n);

  std::vector<uint64_t>& values = hashes_;
  std::sort(values.begin(), values.end());
  for (uint64_t& value : values) value = ScaledHash(value, n << remainder_bits_);
  const auto unit_of = [&](uint64_t i) { return values[i] >> remainder_bits_; };

  // Where the stretches end among the values, then their bits.
  std::vector<uint64_t> ends(StretchesOf(n));
  PutFixed32(content, 0);
  for (uint64_t s = 0, i = 0; s < ends.size(); ++s) {
    while (i < n && unit_of(i) < (s + 1) * kHashSetStretchUnits) ++i;
    ends[s] = i;
    PutFixed32(content, static_cast<uint32_t>(i));
  }
  BitWriter writer(content);
  for (uint64_t s = 0, first = 0; s < ends.size(); first = ends[s++]) {
    uint64_t unit = s * kHashSetStretchUnits;
    for (uint64_t i = first; i < ends[s]; ++i) {
      for (; unit < unit_of(i); ++unit) writer.Put(0, 1);
      writer.Put(1, 1);
    }
    for (; unit < (s + 1) * kHashSetStretchUnits; ++unit) writer.Put(0, 1);
    for (uint64_t i = first; i < ends[s]; ++i) {
      writer.Put(values[i] & ((uint64_t{1} << remainder_bits_) - 1), remainder_bits_);
    }
  }
  writer.Finish();
  hashes_.clear();
}

// ---- Asking ------------------------------------------------------------------------------------

const char* HashSet::Parse(Slice content) {
  if (content.size() < kHashSetHeaderBytes) return "shorter than its header";
  const int remainder_bits = static_cast<uint8_t>(content[1]);
  const uint64_t keys = DecodeFixed64(content.data() + 8);
  if (static_cast<uint8_t>(content[0]) != kHashSetKindEliasFano) return "unknown kind of set";
  if (remainder_bits < 1 || remainder_bits > kHashSetRemainderBitsMax) {
    return "number of remainder bits out of range";
  }
  if (keys > kHashSetKeysMax) return "too many keys";
  if (content.size() != kHashSetHeaderBytes + TableBytes(keys) + BitsBytes(keys, remainder_bits)) {
    return "number of keys does not fit its size";
  }
  table_ = content.data() + kHashSetHeaderBytes;
  bits_ = table_ + TableBytes(keys);
  keys_ = keys;
  remainder_bits_ = remainder_bits;
  if (KeysBefore(0) != 0) return "keys before the first stretch";
  for (uint64_t s = 0; s < stretches(); ++s) {
    if (KeysBefore(s) > KeysBefore(s + 1)) return "stretches are out of order";
  }
  return KeysBefore(stretches()) == keys ? nullptr : "stretches do not hold as many keys";
}

bool HashSet::MayContain(uint64_t hash) const {
  if (keys_ == 0) return false;
  const uint64_t value = ScaledHash(hash, range());
  const uint64_t unit = value >> remainder_bits_;
  const uint64_t remainder = value & ((uint64_t{1} << remainder_bits_) - 1);
  const Stretch stretch = StretchAt(unit / kHashSetStretchUnits);
  const uint64_t units_before = unit % kHashSetStretchUnits;
  const uint64_t end = kHashSetStretchUnits + stretch.keys;

  // Behind as many zeros as there are units before this one, it begins.
  constexpr uint64_t kStep = 56;
  constexpr uint64_t kStepMask = (uint64_t{1} << kStep) - 1;
  uint64_t at = 0;
  for (uint64_t left = units_before; left > 0;) {
    if (at >= end) return false;
    const uint64_t zeros = ~BitsAt(stretch.units + at) & kStepMask;
    const uint64_t up_to = BitsSetUpTo(zeros);
    const uint64_t count = up_to >> 56;
    if (count >= left) {
      at += SelectBit(zeros, up_to, left - 1) + 1;
      break;
    }
    left -= count;
    at += kStep;
  }
  // One key for each one that follows, and as many before them as there are ones.
  for (; at < end && (BitsAt(stretch.units + at) & 1) != 0; ++at) {
    const uint64_t i = at - units_before;
    if (i >= stretch.keys) return false;
    if (RemainderAt(stretch, i) == remainder) return true;
  }
  return false;
}

const char* HashSet::Check() const {
  for (uint64_t s = 0; s < stretches(); ++s) {
    const Stretch stretch = StretchAt(s);
    uint64_t ones = 0, value_before = 0;
    for (uint64_t at = 0; at < kHashSetStretchUnits + stretch.keys; ++at) {
      if ((BitsAt(stretch.units + at) & 1) == 0) continue;
      if (ones == stretch.keys) return "a stretch has more keys than its bits";
      const uint64_t unit = s * kHashSetStretchUnits + (at - ones);
      const uint64_t value = unit << remainder_bits_ | RemainderAt(stretch, ones);
      if (value >= range()) return "a value lies outside the range";
      if (value < value_before) return "values are out of order";
      value_before = value;
      ++ones;
    }
    if (ones != stretch.keys) return "a stretch has fewer keys than its bits";
  }
  return nullptr;
}

uint64_t HashSet::LowestHash(uint64_t value) const {
  // The smallest h with h * range / 2^64 >= value.
  const unsigned __int128 scaled = static_cast<unsigned __int128>(value) << 64;
  return static_cast<uint64_t>((scaled + range() - 1) / range());
}

// ---- Listing -----------------------------------------------------------------------------------

void HashSet::Cursor::Next() {
  valid_ = false;
  for (; stretch_ < set_.stretches(); ++stretch_, at_ = 0, ones_ = 0) {
    const Stretch stretch = set_.StretchAt(stretch_);
    for (const uint64_t end = kHashSetStretchUnits + stretch.keys; at_ < end;) {
      const uint64_t bits = set_.BitsAt(stretch.units + at_) & 0xffffffff;
      const uint64_t zeros = bits == 0 ? 32 : __builtin_ctzll(bits);
      at_ += zeros;
      if (bits == 0 || at_ >= end) continue;
      if (ones_ == stretch.keys) break;
      const uint64_t unit = stretch_ * kHashSetStretchUnits + (at_ - ones_);
      const uint64_t value = unit << set_.remainder_bits_ | set_.RemainderAt(stretch, ones_);
      ++at_;
      ++ones_;
      if (value < value_ || value >= set_.range()) continue;  // damage
      value_ = value;
      valid_ = true;
      return;
    }
  }
}

}  // namespace varve
