#ifndef VARVE_UTIL_HUMAN_TEXT_H_
#define VARVE_UTIL_HUMAN_TEXT_H_

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

// Numbers for people.

namespace varve {

// "1.23 GiB", "17 bytes".
inline std::string BytesText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double scaled = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; scaled >= 1024 && unit + 1 < std::size(kUnits); ++unit) scaled /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %s", scaled, kUnits[unit]);
  return text;
}

// "3 d 4 h", "2 min 5 s", "1.250 s": the two largest units.
inline std::string DurationText(uint64_t millis) {
  const uint64_t seconds = millis / 1000;
  char text[64] = "";
  if (seconds < 60) {
    std::snprintf(text, sizeof(text), "%.3f s", static_cast<double>(millis) * 1e-3);
    return text;
  }
  const struct {
    uint64_t of_larger, of_smaller;
    const char *larger, *smaller;
  } units[] = {{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}};
  for (const auto& unit : units) {
    if (seconds < unit.of_larger) continue;
    return std::to_string(seconds / unit.of_larger) + " " + unit.larger + " " +
           std::to_string(seconds % unit.of_larger / unit.of_smaller) + " " + unit.smaller;
  }
  return text;
}

// "93.10 %"; "-" for what is not a number.
inline std::string PercentText(double ratio) {
  if (std::isnan(ratio)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f %%", ratio * 100);
  return text;
}

// "2023-11-14 22:13:20.000 UTC", of milliseconds since 1970; "never" for the last of them.
inline std::string InstantText(uint64_t millis) {
  if (millis == UINT64_MAX) return "never";
  // Days since 0000-03-01, in eras of 400 years: Howard Hinnant's chrono-compatible algorithms.
  const uint64_t days = millis / 86'400'000 + 719'468;
  const uint64_t era = days / 146'097, of_era = days % 146'097;
  const uint64_t year = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const uint64_t month = (5 * of_year + 2) / 153;  // from March
  const uint64_t day = of_year - (153 * month + 2) / 5 + 1;
  const uint64_t calendar_month = month < 10 ? month + 3 : month - 9;
  const uint64_t calendar_year = era * 400 + year + (calendar_month <= 2 ? 1 : 0);
  const uint64_t of_day = millis % 86'400'000;
  char text[96];
  std::snprintf(text, sizeof(text), "%04llu-%02llu-%02llu %02llu:%02llu:%02llu.%03llu UTC",
                static_cast<unsigned long long>(calendar_year),
                static_cast<unsigned long long>(calendar_month),
                static_cast<unsigned long long>(day),
                static_cast<unsigned long long>(of_day / 3'600'000),
                static_cast<unsigned long long>(of_day / 60'000 % 60),
                static_cast<unsigned long long>(of_day / 1000 % 60),
                static_cast<unsigned long long>(of_day % 1000));
  return text;
}

}  // namespace varve

#endif  // VARVE_UTIL_HUMAN_TEXT_H_
