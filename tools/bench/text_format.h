#ifndef VARVE_TOOLS_BENCH_TEXT_FORMAT_H_
#define VARVE_TOOLS_BENCH_TEXT_FORMAT_H_

#include <cstdint>
#include <string>

namespace varve::bench {

// printf into a string.
__attribute__((format(printf, 1, 2))) std::string Format(const char* format, ...);

// "3.21 GB": three digits, powers of 1000.
std::string HumanBytes(double bytes);
// "1.23 M", "412 k", "17".
std::string HumanCount(double count);
// "1,234,567".
std::string WithCommas(uint64_t number);
// "0:07", "12:34", "1:02:03"; rounded up to whole seconds.
std::string HumanDuration(double seconds);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TEXT_FORMAT_H_
