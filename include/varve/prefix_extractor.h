#ifndef VARVE_INCLUDE_VARVE_PREFIX_EXTRACTOR_H_
#define VARVE_INCLUDE_VARVE_PREFIX_EXTRACTOR_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "varve/slice.h"

namespace varve {

// Says which part of a key scans ask for: of "user:123:name" perhaps "user:123:". Segments remember
// the prefixes of their keys in their filters, beside the keys. An iterator whose bounds lie within
// one prefix (see Options.prefix_extractor) then leaves segments alone that have no key of it.
//
// What must hold, or such iterators miss keys:
//  1. The answer depends on the key alone.
//  2. In the comparator's order all keys of one prefix stand together: no key with another prefix,
//     or without one, lies between two of them.
//
// Called from many threads at once.
class PrefixExtractor {
 public:
  virtual ~PrefixExtractor() = default;

  // Recorded in segments, 1 to 256 bytes. Change it whenever the prefix of any key changes:
  // prefixes in a segment that was written under another name are not used.
  virtual const char* Name() const = 0;

  // The prefix of the key, perhaps empty; its bytes lie in the key, or live as long as the
  // extractor. Nothing for a key outside its domain, which has no prefix.
  virtual std::optional<Slice> Prefix(Slice key) const = 0;

  // True if a prefix is the first bytes of its key, and every key that begins with these bytes has
  // that prefix. Then [p, the first key that does not begin with p) is known to lie within prefix
  // p, under the bytewise order. Without it only bounds that both have the prefix are.
  virtual bool LeadingBytesDecide() const { return false; }
};

// The first `bytes` bytes of a key; a shorter key has no prefix. "varve.FixedPrefix.8" for 8.
std::shared_ptr<const PrefixExtractor> NewFixedPrefixExtractor(size_t bytes);

// A key up to and including its delimiter number `count`; a key with fewer has no prefix. With ':'
// and 2, "user:123:" of "user:123:name:first". "varve.DelimiterPrefix.3a.2" for that.
std::shared_ptr<const PrefixExtractor> NewDelimiterPrefixExtractor(char delimiter, size_t count);

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_PREFIX_EXTRACTOR_H_
