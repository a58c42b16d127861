#ifndef VARVE_TABLE_FORMAT_ERRORS_H_
#define VARVE_TABLE_FORMAT_ERRORS_H_

#include <cstdint>
#include <string>

#include "varve/status.h"

namespace varve {

// What the footers of segments and ghosts say of a file they cannot take. `kind`: "segment" or
// "ghost". The caller puts the file's name in front.

inline Status Damaged(const char* what, uint64_t offset, uint64_t expected, uint64_t found) {
  return Status::Corruption(std::string(what) + " at offset " + std::to_string(offset) +
                            ": expected " + std::to_string(expected) + ", found " +
                            std::to_string(found));
}

inline Status NewerFormat(const std::string& kind, uint32_t version, uint32_t newest_known) {
  return Status::NotSupported(kind + " format version " + std::to_string(version) +
                              " is newer than " + std::to_string(newest_known) +
                              ", the newest this build reads");
}

inline Status UnknownFeatures(const std::string& kind, uint32_t features, uint32_t known) {
  return Status::NotSupported(kind + " uses incompatible features " + std::to_string(features) +
                              ", of which this build knows " + std::to_string(known));
}

}  // namespace varve

#endif  // VARVE_TABLE_FORMAT_ERRORS_H_
