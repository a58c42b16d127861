#ifndef VARVE_TESTS_NEVER_STALE_TAGGED_VALUE_H_
#define VARVE_TESTS_NEVER_STALE_TAGGED_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "varve/slice.h"

namespace varve::never_stale {

// What a value says of itself: which write it is of, so that whoever reads it knows whether that is
// the one it has to be, whatever the engine thinks of it.
struct Tag {
  uint64_t write = 0;   // unique over all writers
  uint32_t key = 0;     // number of the key it was written under
  uint32_t writer = 0;  // number of the thread that wrote it
};

inline constexpr size_t kTagBytes = 24;

// A value of `bytes`, at least kTagBytes: the tag, bytes that follow from it, and a checksum.
std::string MakeValue(const Tag& tag, size_t bytes);

// False: nobody ever wrote this.
bool ReadValue(Slice value, Tag* tag);

// Keys are numbered in their order. The first is the empty key; lengths differ.
std::string KeyOf(uint32_t number);
// False: no key has this name.
bool NumberOf(Slice key, uint32_t* number);

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_TAGGED_VALUE_H_
