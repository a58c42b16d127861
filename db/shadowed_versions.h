#ifndef VARVE_DB_SHADOWED_VERSIONS_H_
#define VARVE_DB_SHADOWED_VERSIONS_H_

#include <string>
#include <utility>

#include "db/read_sequences.h"
#include "util/internal_key.h"

namespace varve {

// Which versions nobody can see any more: fed with entries in internal key order (newest version of
// a key first), says of each whether a newer one hides it from every reader. Tombstones hide as
// values do, and stay; a merge operand hides nothing.
class ShadowedVersions {
 public:
  explicit ShadowedVersions(ReadSequences readers) : readers_(std::move(readers)) {}

  bool Hides(Slice internal_key) {
    const Slice user_key = ExtractUserKey(internal_key);
    const uint64_t trailer = ExtractTrailer(internal_key);
    const SequenceNumber sequence = TrailerSequence(trailer);
    if (!any_ || user_key != user_key_) {
      user_key_.assign(user_key);
      any_ = true;
      newer_ = kNone;
    }
    const bool hidden = newer_ <= readers_.FirstToSee(sequence);
    if (TrailerType(trailer) != ValueType::kMerge) newer_ = sequence;
    return hidden;
  }

 private:
  static constexpr SequenceNumber kNone = UINT64_MAX;  // no version hides as yet

  const ReadSequences readers_;
  bool any_ = false;  // user_key_ is one
  std::string user_key_;
  SequenceNumber newer_ = kNone;  // the next newer version that hides
};

}  // namespace varve

#endif  // VARVE_DB_SHADOWED_VERSIONS_H_
