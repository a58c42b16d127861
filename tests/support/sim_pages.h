#ifndef VARVE_TESTS_SUPPORT_SIM_PAGES_H_
#define VARVE_TESTS_SUPPORT_SIM_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/support/sim_disk.h"

// Pages of the simulated disk, shared until one holder changes its own; a null page is zeros.

namespace varve::sim_pages {

inline const char* Bytes(const SimPageRef& page) {
  static const SimPage zeros{};
  return page ? page->bytes.data() : zeros.bytes.data();
}

// A page to fill: a copy of `page`.
inline std::shared_ptr<SimPage> Copy(const SimPageRef& page) {
  auto copy = std::make_shared<SimPage>();
  std::memcpy(copy->bytes.data(), Bytes(page), kSimPageBytes);
  return copy;
}

inline const SimPageRef& PageAt(const std::vector<SimPageRef>& pages, size_t index) {
  static const SimPageRef none;
  return index < pages.size() ? pages[index] : none;
}

inline SimPageRef* PageSlot(std::vector<SimPageRef>* pages, size_t index) {
  if (index >= pages->size()) pages->resize(index + 1);
  return &(*pages)[index];
}

// The page in `slot` to change in place: a copy if others hold it too.
inline SimPage* OwnPage(SimPageRef* slot) {
  if (*slot == nullptr || slot->use_count() > 1) *slot = Copy(*slot);
  auto* page = const_cast<SimPage*>(slot->get());  // made by Copy(), which makes no const objects
  page->Changed();
  return page;
}

// Makes everything past `size` zero.
inline void CutPages(std::vector<SimPageRef>* pages, uint64_t size) {
  const size_t whole = size / kSimPageBytes, rest = size % kSimPageBytes;
  if (whole + (rest > 0) < pages->size()) pages->resize(whole + (rest > 0));
  if (rest == 0 || whole >= pages->size() || (*pages)[whole] == nullptr) return;
  std::memset(OwnPage(&(*pages)[whole])->bytes.data() + rest, 0, kSimPageBytes - rest);
}

// The content to change in place: a copy if others hold it too.
template <typename Content>
Content* Own(std::shared_ptr<const Content>* content) {
  if (content->use_count() > 1) *content = std::make_shared<Content>(**content);
  return const_cast<Content*>(content->get());  // made by make_shared<Content>
}

}  // namespace varve::sim_pages

#endif  // VARVE_TESTS_SUPPORT_SIM_PAGES_H_
