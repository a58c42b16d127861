#include "db/merging_iterator.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

// A tournament ("loser tree") of the children. Leaf i is child i, an inner node holds the loser of
// the match between the winners of its two halves, and the winner of all is the current entry. A
// step moves the winner's child and replays the matches on its way up: one comparison a level, and,
// as each node keeps its loser's rank, without a look at other children.
//
// The rank of a child is the KeyPrefix of its current key going forward, and the complement going
// backward: the lower rank wins. Under a comparator without prefixes all ranks are 0. Only where
// ranks tie are keys compared. A child that is at its end has the highest rank, and loses every
// tie.
//
// Keys such as "user/0001234" differ only behind their first eight bytes. Where the current keys of
// all children have those in common, prefixes are taken behind a *base*, most of what they have in
// common; a key that has left it has the highest rank. When such a one wins, a new base is chosen.
//
// Invariants, going forward (backward is the mirror image):
//  1. The children not current stand at their first entry after the current one, in the order of
//     (internal key, number of the child), or at their end. (Behind what they were told to skip.)
//  2. tree_ and each child's key agree with the children's positions.
// A change of direction puts the other children where 1. wants them, by a seek each.

namespace varve {

namespace {

class EmptyIterator final : public InternalIterator {
 public:
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(Slice) override {}
  void SeekForPrev(Slice) override {}
  void Next() override {}
  void Prev() override {}
  Slice key() const override { return Slice(); }
  Slice value() const override { return Slice(); }
  Status status() const override { return Status::OK(); }
};

class Tournament final : public MergingIterator {
 public:
  Tournament(const InternalKeyComparator& comparator,
             std::vector<std::unique_ptr<InternalIterator>> children)
      : comparator_(comparator), bytewise_(comparator.bytewise()), tree_(children.size()) {
    children_.reserve(children.size());
    for (auto& child : children) children_.push_back({std::move(child), Slice(), false});
    winners_.resize(2 * children_.size());
  }

  bool Valid() const override { return valid_; }
  size_t child() const override { return current_; }

  void SeekToFirst() override {
    Begin(/*forward=*/true);
    for (Child& child : children_) child.iterator->SeekToFirst();
    PlayAll();
  }
  void SeekToLast() override {
    Begin(/*forward=*/false);
    for (Child& child : children_) child.iterator->SeekToLast();
    PlayAll();
  }
  void Seek(Slice target) override {
    Begin(/*forward=*/true);
    seeking_.clear();
    for (Child& child : children_) StartSeekOf(&child, target);
    FinishSeeks();
    PlayAll();
  }
  void SeekForPrev(Slice target) override {
    Begin(/*forward=*/false);
    for (Child& child : children_) child.iterator->SeekForPrev(target);
    PlayAll();
  }

  void Next() override {
    if (!forward_) {
      TurnForward();
      return;
    }
    Child& child = children_[current_];
    child.valid = child.iterator->NextKey(&child.key);
    Replay(child);
  }
  bool NextKey(Slice* key) override {
    Tournament::Next();
    if (!valid_) return false;
    *key = children_[current_].key;
    return true;
  }
  void Prev() override {
    if (forward_) {
      TurnBackward();
      return;
    }
    Child& child = children_[current_];
    child.iterator->Prev();
    child.valid = child.iterator->Valid();
    if (child.valid) child.key = child.iterator->key();
    Replay(child);
  }

  bool SkipForward(size_t first, Slice user_key) override {
    if (!valid_ || !forward_) return false;
    saved_key_.clear();
    AppendInternalKey(&saved_key_, user_key, kTrailerBeforeAll);
    seeking_.clear();
    for (size_t i = first; i < children_.size(); ++i) {
      Child& child = children_[i];
      if (child.valid && comparator_.CompareUserKeys(ExtractUserKey(child.key), user_key) < 0) {
        StartSeekOf(&child, saved_key_);
      }
    }
    if (seeking_.empty()) return false;
    FinishSeeks();
    PlayAll();
    return true;
  }
  bool SkipBackward(size_t first, Slice user_key) override {
    if (!valid_ || forward_) return false;
    saved_key_.clear();
    AppendInternalKey(&saved_key_, user_key, kTrailerBeforeAll);
    bool moved = false;
    for (size_t i = first; i < children_.size(); ++i) {
      Child& child = children_[i];
      if (!child.valid || comparator_.CompareUserKeys(ExtractUserKey(child.key), user_key) < 0) {
        continue;
      }
      child.iterator->SeekForPrev(saved_key_);
      moved = true;
    }
    if (moved) PlayAll();
    return moved;
  }

  Slice key() const override { return children_[current_].key; }
  Slice value() const override { return children_[current_].iterator->value(); }
  Status status() const override { return status_; }

 private:
  struct Child {
    std::unique_ptr<InternalIterator> iterator;
    Slice key;   // where valid
    bool valid;  // as iterator->Valid()
  };
  // One side of a match.
  struct Player {
    uint64_t rank;
    uint64_t child;
  };
  static constexpr uint64_t kRankOfNone = UINT64_MAX;
  static constexpr size_t kOutsideBaseBytes = 4;

  void Begin(bool forward) {
    forward_ = forward;
    valid_ = false;
    status_ = Status::OK();
  }

  // Seeks go on step by step in turn, so that their cache misses overlap: a seek that goes to
  // memory in a dozen segments then takes little more than one in a single segment. `target` lives
  // until all are done.
  void StartSeekOf(Child* child, Slice target) {
    child->iterator->StartSeek(target);
    seeking_.push_back(child->iterator.get());
  }
  void FinishSeeks() {
    while (!seeking_.empty()) {
      size_t left = 0;
      for (InternalIterator* child : seeking_) {
        if (!child->ContinueSeek()) seeking_[left++] = child;
      }
      seeking_.resize(left);
    }
  }

  Player PlayerOf(uint64_t index) const {
    const Child& child = children_[index];
    if (!child.valid) return {kRankOfNone, index};
    if (!bytewise_) return {0, index};
    if (!base_.empty()) [[unlikely]]
      return {RankBehindBase(child), index};
    const uint64_t prefix = KeyPrefix(ExtractUserKey(child.key));
    return {forward_ ? prefix : ~prefix, index};
  }
  // Apart, and PlayAll() too, so that a step among keys without a base stays without branches.
  [[gnu::noinline]] uint64_t RankBehindBase(const Child& child) const {
    const Slice user_key = ExtractUserKey(child.key);
    if (user_key.substr(0, base_.size()) != base_) return kRankOfNone;
    const uint64_t prefix = KeyPrefix(user_key.substr(base_.size()));
    return forward_ ? prefix : ~prefix;
  }

  // For the keys where the children are.
  void ChooseBase() {
    base_.clear();
    if (!bytewise_) return;
    Slice first;
    size_t common = 0;
    for (const Child& child : children_) {
      if (!child.valid) continue;
      const Slice user_key = ExtractUserKey(child.key);
      if (first.data() == nullptr) {
        first = user_key;
        common = first.size();
      } else if (KeyPrefix(user_key) != KeyPrefix(first)) {
        return;
      } else {
        const size_t limit = std::min(common, user_key.size());
        for (common = 0; common < limit && user_key[common] == first[common];) ++common;
      }
    }
    // Some of it stays outside, so that keys leave the base only when that has overflowed.
    if (common >= sizeof(uint64_t)) base_.assign(first, 0, common - kOutsideBaseBytes);
  }

  // Whether child a wins against child b, whose ranks tie.
  bool WinsTie(uint64_t a, uint64_t b) const {
    if (!children_[a].valid || !children_[b].valid) return children_[a].valid;
    const int order = comparator_.Compare(children_[a].key, children_[b].key);
    if (order != 0) return (order < 0) == forward_;
    return (a < b) == forward_;
  }
  bool Wins(const Player& a, const Player& b) const {
    return a.rank != b.rank ? a.rank < b.rank : WinsTie(a.child, b.child);
  }

  // Takes over where the children are, and plays all matches. Stops at the first child with an
  // error.
  void PlayAll() {
    for (Child& child : children_) {
      child.valid = child.iterator->Valid();
      if (child.valid) {
        child.key = child.iterator->key();
      } else if (Fails(child)) {
        return;
      }
    }
    ChooseBase();
    // winners_[n + i] is leaf i, winners_[i] the winner of what is below inner node i.
    const size_t n = children_.size();
    for (size_t i = 0; i < n; ++i) winners_[n + i] = PlayerOf(i);
    for (size_t node = n - 1; node > 0; --node) {
      const Player &left = winners_[2 * node], &right = winners_[2 * node + 1];
      const bool left_wins = Wins(left, right);
      winners_[node] = left_wins ? left : right;
      tree_[node] = left_wins ? right : left;
    }
    current_ = winners_[1].child;
    valid_ = children_[current_].valid;
  }

  // After the current child moved.
  void Replay(const Child& child) {
    if (!child.valid && Fails(child)) return;
    Player winner = PlayerOf(current_);
    for (size_t node = (current_ + children_.size()) / 2; node > 0; node /= 2) {
      const Player other = tree_[node];
      const bool other_wins =
          other.rank == winner.rank ? WinsTie(other.child, winner.child) : other.rank < winner.rank;
      // Who wins is a toss-up: select by masks, as a branch would be mispredicted half the time.
      const uint64_t mask = -static_cast<uint64_t>(other_wins);
      const uint64_t rank_bits = (other.rank ^ winner.rank) & mask;
      const uint64_t child_bits = (other.child ^ winner.child) & mask;
      tree_[node] = {other.rank ^ rank_bits, other.child ^ child_bits};
      winner = {winner.rank ^ rank_bits, winner.child ^ child_bits};
    }
    current_ = winner.child;
    valid_ = children_[current_].valid;
    if (winner.rank == kRankOfNone && valid_ && !base_.empty()) [[unlikely]]
      PlayAll();
  }

  // True, and the whole is invalid, if `child`, which is invalid, had an error.
  bool Fails(const Child& child) {
    status_ = child.iterator->status();
    if (status_.ok()) return false;
    valid_ = false;
    return true;
  }

  void TurnForward() {
    const uint64_t from = current_;
    saved_key_.assign(children_[from].key);
    Begin(/*forward=*/true);
    for (uint64_t i = 0; i < children_.size(); ++i) {
      InternalIterator* const child = children_[i].iterator.get();
      if (i == from) {
        child->Next();
        continue;
      }
      child->Seek(saved_key_);
      // One with the same key came before the current child, if its number is lower.
      if (i < from && child->Valid() && comparator_.Compare(child->key(), saved_key_) == 0) {
        child->Next();
      }
    }
    PlayAll();
  }

  void TurnBackward() {
    const uint64_t from = current_;
    saved_key_.assign(children_[from].key);
    Begin(/*forward=*/false);
    for (uint64_t i = 0; i < children_.size(); ++i) {
      InternalIterator* const child = children_[i].iterator.get();
      if (i == from) {
        child->Prev();
        continue;
      }
      child->SeekForPrev(saved_key_);
      if (i > from && child->Valid() && comparator_.Compare(child->key(), saved_key_) == 0) {
        child->Prev();
      }
    }
    PlayAll();
  }

  const InternalKeyComparator comparator_;
  const bool bytewise_;
  std::vector<Child> children_;             // at least 2
  std::vector<Player> tree_;                // losers, from index 1
  std::vector<Player> winners_;             // of PlayAll() alone
  std::vector<InternalIterator*> seeking_;  // seeks that are under way
  uint64_t current_ = 0;                    // the winner; meaningful while valid_
  bool valid_ = false;
  bool forward_ = true;
  Status status_;
  std::string saved_key_;
  // Every current key going forward begins with it or is after all that do; backward, before.
  std::string base_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator& comparator,
    std::vector<std::unique_ptr<InternalIterator>> children, MergingIterator** merging) {
  if (merging != nullptr) *merging = nullptr;
  if (children.empty()) return std::make_unique<EmptyIterator>();
  if (children.size() == 1) return std::move(children[0]);
  auto tournament = std::make_unique<Tournament>(comparator, std::move(children));
  if (merging != nullptr) *merging = tournament.get();
  return tournament;
}

}  // namespace varve
