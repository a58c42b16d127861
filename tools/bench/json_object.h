#ifndef VARVE_TOOLS_BENCH_JSON_OBJECT_H_
#define VARVE_TOOLS_BENCH_JSON_OBJECT_H_

#include <concepts>
#include <cstdint>
#include <string>

#include "varve/slice.h"

namespace varve::bench {

// One flat JSON object, written member by member in the order of the calls. Names are ours and need
// no escaping; strings are escaped, numbers that are not finite become null.
class JsonObject {
 public:
  template <std::integral Integer>
  void Add(const char* name, Integer value) {
    AddRaw(name, std::to_string(value));
  }
  void Add(const char* name, double value);
  void Add(const char* name, Slice value);
  void Add(const char* name, const char* value) { Add(name, Slice(value)); }

  // "{...}" on one line, without a newline.
  std::string ToString() const { return "{" + members_ + "}"; }

 private:
  void AddRaw(const char* name, const std::string& value);

  std::string members_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_JSON_OBJECT_H_
