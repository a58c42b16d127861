#ifndef VARVE_DB_COVERING_TOMBSTONES_H_
#define VARVE_DB_COVERING_TOMBSTONES_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

class MergingIterator;

// Keys [from, to), unbounded where unset, for all of which `newest` is the newest range tombstone
// at or below a sequence; 0: there is none.
struct TombstoneStretch {
  std::optional<Slice> from, to;
  SequenceNumber newest = 0;
};

// The range tombstones of one source, asked key after key.
class TombstoneSource {
 public:
  virtual ~TombstoneSource() = default;
  // The stretch that holds the key, as read at `at`; its slices live until the next call. An error
  // if what is there cannot be read.
  virtual Status Find(Slice user_key, SequenceNumber at, TombstoneStretch* stretch) = 0;
};

// A list that is in memory. Neighbours of the last answer are found without a search.
class TombstoneList final : public TombstoneSource {
 public:
  TombstoneList(const InternalKeyComparator& comparator,
                std::shared_ptr<const FragmentedRangeTombstones> list)
      : comparator_(comparator), list_(std::move(list)) {}
  Status Find(Slice user_key, SequenceNumber at, TombstoneStretch* stretch) override;

 private:
  bool IsFirstToEndAfter(size_t i, Slice user_key) const;

  const InternalKeyComparator comparator_;
  const std::shared_ptr<const FragmentedRangeTombstones> list_;
  size_t at_ = 0;  // the first fragment to end after the last key asked for
};

// Which range tombstone of all sources of an iterator covers a key: what the iterator asks for
// every key it comes to, in either direction.
//
// The stretches of all sources around the last key are kept, and where they meet: a key in that is
// answered by two comparisons, and one beside it asks only the sources whose stretch it left. So a
// scan looks at each fragment once.
//
// Not thread-safe.
class CoveringTombstones {
 public:
  CoveringTombstones(const InternalKeyComparator& comparator, SequenceNumber at)
      : comparator_(comparator), at_(at) {}
  CoveringTombstones(const CoveringTombstones&) = delete;
  CoveringTombstones& operator=(const CoveringTombstones&) = delete;

  // Sources in any order. `first_older`: the iterator's children from that number on are older than
  // the source, so that its tombstones cover all they hold of their keys (RULES R1.1).
  void Add(std::unique_ptr<TombstoneSource> source, size_t first_older) {
    sources_.push_back({std::move(source), first_older, {}});
  }

  // *newest: the newest range tombstone that covers the key; entries of the key below it are
  // hidden. 0: none.
  Status Find(Slice user_key, SequenceNumber* newest) {
    if (!known_ || !Holds(meet_, user_key)) {
      Status status = FindAnew(user_key);
      if (!status.ok()) return status;
    }
    *newest = meet_.newest;
    return Status::OK();
  }

  // Moves those children of `iterator` past the stretches around the key Find() was last asked for
  // of which all is hidden by a newer source. What they pass over would not show. False if none
  // moved.
  bool SkipForward(MergingIterator* iterator);
  bool SkipBackward(MergingIterator* iterator);

 private:
  struct Source {
    std::unique_ptr<TombstoneSource> tombstones;
    size_t first_older;
    TombstoneStretch stretch;
  };

  bool Holds(const TombstoneStretch& stretch, Slice user_key) const {
    return (!stretch.to.has_value() || comparator_.CompareUserKeys(user_key, *stretch.to) < 0) &&
           (!stretch.from.has_value() || comparator_.CompareUserKeys(user_key, *stretch.from) >= 0);
  }
  Status FindAnew(Slice user_key);

  const InternalKeyComparator comparator_;
  const SequenceNumber at_;
  std::vector<Source> sources_;
  bool known_ = false;     // the stretches mean something
  TombstoneStretch meet_;  // what the stretches of all have in common
};

}  // namespace varve

#endif  // VARVE_DB_COVERING_TOMBSTONES_H_
