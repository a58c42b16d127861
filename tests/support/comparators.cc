#include "tests/support/comparators.h"

#include <string>

namespace varve {

namespace {

class Reverse final : public Comparator {
 public:
  int Compare(Slice a, Slice b) const override { return b.compare(a); }
  const char* Name() const override { return "test.Reverse"; }
  bool EqualMeansIdentical() const override { return true; }
};

class CaseInsensitive final : public Comparator {
 public:
  int Compare(Slice a, Slice b) const override { return Lower(a).compare(Lower(b)); }
  const char* Name() const override { return "test.CaseInsensitive"; }

 private:
  static std::string Lower(Slice s) {
    std::string lower(s);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    }
    return lower;
  }
};

}  // namespace

const Comparator* ReverseComparator() {
  static const Reverse comparator;
  return &comparator;
}

const Comparator* CaseInsensitiveComparator() {
  static const CaseInsensitive comparator;
  return &comparator;
}

}  // namespace varve
