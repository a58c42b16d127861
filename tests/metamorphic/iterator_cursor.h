#ifndef VARVE_TESTS_METAMORPHIC_ITERATOR_CURSOR_H_
#define VARVE_TESTS_METAMORPHIC_ITERATOR_CURSOR_H_

#include <memory>
#include <string>
#include <utility>

#include "tests/metamorphic/operation.h"
#include "tests/metamorphic/store.h"

// What Varve and RocksDB spell alike.

namespace varve::metamorphic {

// A cursor over an iterator of either; how it renews itself is left to each.
template <typename Iterator>
class IteratorCursor : public Cursor {
 public:
  explicit IteratorCursor(std::unique_ptr<Iterator> iterator) : iterator_(std::move(iterator)) {}

  bool Valid() override { return iterator_->Valid(); }
  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Seek(const std::string& target) override { iterator_->Seek(target); }
  void SeekForPrev(const std::string& target) override { iterator_->SeekForPrev(target); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  std::string Key() override { return Bytes(iterator_->key()); }
  std::string Value() override { return Bytes(iterator_->value()); }
  std::string Status() override { return iterator_->status().ToString(); }

 protected:
  std::unique_ptr<Iterator> iterator_;

 private:
  template <typename SomeSlice>
  static std::string Bytes(const SomeSlice& slice) {
    return std::string(slice.data(), slice.size());
  }
};

// Adds one entry to a batch of either.
template <typename Batch>
auto AddEntry(const Operation& entry, Batch* batch) {
  switch (entry.kind) {
    case Kind::kDelete:
      return batch->Delete(entry.key());
    case Kind::kDeleteRange:
      return batch->DeleteRange(*entry.lower, *entry.upper);
    case Kind::kMerge:
      return batch->Merge(entry.key(), entry.value.Expand());
    default:
      return batch->Put(entry.key(), entry.value.Expand());
  }
}

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_ITERATOR_CURSOR_H_
