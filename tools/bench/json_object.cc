#include "tools/bench/json_object.h"

#include <cmath>
#include <cstdio>

namespace varve::bench {

void JsonObject::AddRaw(const char* name, const std::string& value) {
  if (!members_.empty()) members_ += ", ";
  members_ += '"' + std::string(name) + "\": " + value;
}

void JsonObject::Add(const char* name, double value) {
  if (!std::isfinite(value)) return AddRaw(name, "null");
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  AddRaw(name, text);
}

void JsonObject::Add(const char* name, Slice value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  AddRaw(name, quoted + '"');
}

}  // namespace varve::bench
