#ifndef VARVE_TOOLS_CRASH_VARIANT_H_
#define VARVE_TOOLS_CRASH_VARIANT_H_

#include <cstdint>
#include <string>

namespace varve::crash {

// What a token says of a run besides its seed: "-" (the seed decides all), "always", "-+f12o",
// "never+f3g+s20+w1".
struct Variant {
  std::string sync = "-";    // never, interval, always; -: the seed decides
  uint64_t fault_nth = 0;    // +f: the call that fails, from 1; 0: the seed decides
  bool fault_lasts = false;  // … and all after it ("g"), not once alone ("o")
  uint64_t lie_nth = 0;      // +l: the sync that lies, from 1; 0: the seed decides
  uint64_t steps_max = 0;    // +s: of each client; 0: as the seed says
  uint64_t writers_max = 0;  // +w: clients; 0: as the seed says

  // What is not understood is left out.
  static Variant Parse(const std::string& text);
  std::string ToString() const;

  template <typename T>
  void LimitSteps(T* steps) const {
    if (steps_max != 0 && static_cast<uint64_t>(*steps) > steps_max) {
      *steps = static_cast<T>(steps_max);
    }
  }
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_VARIANT_H_
