#include "tools/crash/variant.h"

#include <cstdlib>

namespace varve::crash {

Variant Variant::Parse(const std::string& text) {
  Variant variant;
  size_t at = text.find('+');
  variant.sync = text.substr(0, at);
  while (at != std::string::npos && at + 1 < text.size()) {
    const char what = text[at + 1];
    char* rest = nullptr;
    const uint64_t number = std::strtoull(text.c_str() + at + 2, &rest, 10);
    if (what == 'f') {
      variant.fault_nth = number;
      variant.fault_lasts = *rest == 'g';
    }
    if (what == 'l') variant.lie_nth = number;
    if (what == 's') variant.steps_max = number;
    if (what == 'w') variant.writers_max = number;
    at = text.find('+', at + 1);
  }
  return variant;
}

std::string Variant::ToString() const {
  std::string text = sync;
  if (fault_nth != 0) text += "+f" + std::to_string(fault_nth) + (fault_lasts ? "g" : "o");
  if (lie_nth != 0) text += "+l" + std::to_string(lie_nth);
  if (steps_max != 0) text += "+s" + std::to_string(steps_max);
  if (writers_max != 0) text += "+w" + std::to_string(writers_max);
  return text;
}

}  // namespace varve::crash
