#ifndef VARVE_UTIL_CODING_H_
#define VARVE_UTIL_CODING_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "varve/slice.h"

// Integers as bytes: little-endian fixed width, and LEB128 varints (7 bits a byte, low bits first).
// Decoders of varints take a limit and never read past it.

namespace varve {

static_assert(std::endian::native == std::endian::little, "fixed-width codes assume little-endian");

inline void EncodeFixed16(char* to, uint16_t value) { std::memcpy(to, &value, sizeof(value)); }
inline void EncodeFixed32(char* to, uint32_t value) { std::memcpy(to, &value, sizeof(value)); }
inline void EncodeFixed64(char* to, uint64_t value) { std::memcpy(to, &value, sizeof(value)); }

inline uint16_t DecodeFixed16(const char* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline uint32_t DecodeFixed32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline uint64_t DecodeFixed64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

inline void PutFixed16(std::string* out, uint16_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void PutFixed32(std::string* out, uint32_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void PutFixed64(std::string* out, uint64_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline constexpr int kVarint32BytesMax = 5;
inline constexpr int kVarint64BytesMax = 10;

// Writes at most kVarint64BytesMax (32: kVarint32BytesMax) bytes; returns the end.
inline char* EncodeVarint64(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
inline char* EncodeVarint32(char* to, uint32_t value) { return EncodeVarint64(to, value); }

inline void PutVarint64(std::string* out, uint64_t value) {
  char buffer[kVarint64BytesMax];
  out->append(buffer, EncodeVarint64(buffer, value) - buffer);
}
inline void PutVarint32(std::string* out, uint32_t value) { PutVarint64(out, value); }

inline int VarintLength(uint64_t value) { return value == 0 ? 1 : (std::bit_width(value) + 6) / 7; }

// Return the end of the varint, or null if it is cut off at `limit` or too large.
inline const char* DecodeVarint64(const char* from, const char* limit, uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 64 && from < limit; shift += 7) {
    const uint64_t byte = static_cast<uint8_t>(*from++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return from;
    }
  }
  return nullptr;
}
inline const char* DecodeVarint32(const char* from, const char* limit, uint32_t* value) {
  if (from < limit && static_cast<uint8_t>(*from) < 0x80) {
    *value = static_cast<uint8_t>(*from);
    return from + 1;
  }
  uint64_t wide;
  const char* end = DecodeVarint64(from, limit, &wide);
  if (end == nullptr || wide > UINT32_MAX) return nullptr;
  *value = static_cast<uint32_t>(wide);
  return end;
}

inline void PutLengthPrefixed(std::string* out, Slice value) {
  PutVarint64(out, value.size());
  out->append(value);
}

// Take a value from the front of *input; false, with *input unspecified, if it is cut off.
inline bool GetFixed32(Slice* input, uint32_t* value) {
  if (input->size() < 4) return false;
  *value = DecodeFixed32(input->data());
  input->remove_prefix(4);
  return true;
}
inline bool GetFixed64(Slice* input, uint64_t* value) {
  if (input->size() < 8) return false;
  *value = DecodeFixed64(input->data());
  input->remove_prefix(8);
  return true;
}
inline bool GetVarint32(Slice* input, uint32_t* value) {
  const char* end = DecodeVarint32(input->data(), input->data() + input->size(), value);
  if (end == nullptr) return false;
  input->remove_prefix(end - input->data());
  return true;
}
inline bool GetVarint64(Slice* input, uint64_t* value) {
  const char* end = DecodeVarint64(input->data(), input->data() + input->size(), value);
  if (end == nullptr) return false;
  input->remove_prefix(end - input->data());
  return true;
}
inline bool GetLengthPrefixed(Slice* input, Slice* value) {
  uint64_t size;
  if (!GetVarint64(input, &size) || size > input->size()) return false;
  *value = input->substr(0, size);
  input->remove_prefix(size);
  return true;
}

}  // namespace varve

#endif  // VARVE_UTIL_CODING_H_
