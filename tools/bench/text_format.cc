#include "tools/bench/text_format.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <span>

namespace varve::bench {
namespace {

// `number` by powers of 1000 with the unit that leaves less than 1000, in three digits.
std::string ThreeDigits(double number, std::span<const char* const> units) {
  size_t unit = 0;
  while (number >= 999.5 && unit + 1 < units.size()) {
    number /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || number >= 99.95 ? 0 : (number >= 9.995 ? 1 : 2);
  return Format("%.*f%s", decimals, number, units[unit]);
}

}  // namespace

std::string Format(const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

std::string HumanBytes(double bytes) {
  static constexpr const char* kUnits[] = {" B", " kB", " MB", " GB", " TB", " PB"};
  return ThreeDigits(bytes, kUnits);
}

std::string HumanCount(double count) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  return ThreeDigits(count, kUnits);
}

std::string WithCommas(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string grouped;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += ',';
    grouped += digits[i];
  }
  return grouped;
}

std::string HumanDuration(double seconds) {
  const auto total = static_cast<int>(std::ceil(std::clamp(seconds, 0.0, 1e9)));
  if (total >= 3600) {
    return Format("%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60);
  }
  return Format("%d:%02d", total / 60, total % 60);
}

}  // namespace varve::bench
