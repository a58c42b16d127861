#include "table/filter.h"

#include <algorithm>
#include <limits>

namespace varve {

namespace {

constexpr uint64_t kLinesMax = std::numeric_limits<uint32_t>::max();

uint64_t LinesFor(uint64_t keys, int bits_per_key) {
  const uint64_t line_bits = kFilterLineBytes * 8;
  return std::clamp<uint64_t>((keys * bits_per_key + line_bits - 1) / line_bits, 1, kLinesMax);
}

void SetBit(char* line, uint64_t h) {
  char* const word = line + ((h >> 6) & 7) * 8;
  EncodeFixed64(word, DecodeFixed64(word) | uint64_t{1} << (h & 63));
}

}  // namespace

int FilterBuilder::ProbesFor(int bits_per_key) {
  // Measured: ln 2 a bit is best for a plain filter, the uneven load of lines asks for fewer.
  return std::clamp(static_cast<int>(bits_per_key * 0.58 + 0.6), 1, kFilterProbesMax);
}

uint64_t FilterBuilder::EstimatedBytes() const {
  return kFilterHeaderBytes + LinesFor(hashes_.size(), bits_per_key_) * kFilterLineBytes;
}

void FilterBuilder::Finish(std::string* content) {
  const uint64_t lines = LinesFor(hashes_.size(), bits_per_key_);
  const int probes = ProbesFor(bits_per_key_);
  content->assign(kFilterHeaderBytes + lines * kFilterLineBytes, '\0');
  char* const start = content->data();
  start[0] = static_cast<char>(kFilterKindBlockedBloom);
  start[1] = static_cast<char>(probes);
  EncodeFixed64(start + 8, lines);

  char* const first_line = start + kFilterHeaderBytes;
  const auto line_of = [&](uint64_t hash) {
    return first_line + ((hash >> 32) * lines >> 32) * kFilterLineBytes;
  };
  // Lines are visited at random; looking ahead overlaps their cache misses.
  constexpr size_t kAhead = 16;
  for (size_t n = 0; n < hashes_.size(); ++n) {
    if (n + kAhead < hashes_.size()) __builtin_prefetch(line_of(hashes_[n + kAhead]), 1);
    char* const line = line_of(hashes_[n]);
    uint64_t h = hashes_[n] * kFilterMixA;
    for (int i = 0; i < std::min(probes, 7); ++i) SetBit(line, h >> (55 - 9 * i));
    h = (h ^ (h >> 32)) * kFilterMixB;
    for (int i = 0; i < probes - 7; ++i) SetBit(line, h >> (55 - 9 * i));
  }
  hashes_.clear();
}

const char* Filter::Parse(Slice content) {
  if (content.size() < kFilterHeaderBytes + kFilterLineBytes) return "shorter than one line";
  const uint8_t kind = static_cast<uint8_t>(content[0]);
  const int probes = static_cast<uint8_t>(content[1]);
  const uint64_t lines = DecodeFixed64(content.data() + 8);
  if (kind != kFilterKindBlockedBloom) return "unknown kind of filter";
  if (probes < 1 || probes > kFilterProbesMax) return "number of probes out of range";
  const uint64_t line_bytes = content.size() - kFilterHeaderBytes;
  if (lines != line_bytes / kFilterLineBytes || line_bytes % kFilterLineBytes != 0) {
    return "number of lines does not fit its size";
  }
  if (lines > kLinesMax) return "too many lines";
  lines_ = content.data() + kFilterHeaderBytes;
  line_count_ = lines;
  probes_ = probes;
  return nullptr;
}

}  // namespace varve
