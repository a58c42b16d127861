#ifndef VARVE_DB_RESET_RECORD_H_
#define VARVE_DB_RESET_RECORD_H_

#include <optional>
#include <string>

#include "varve/listener.h"
#include "varve/slice.h"

namespace varve::manifest {

// What a root's extensions say of the last reset of a cache (db/MANIFEST.md, "Root payload").
// `reset` becomes one extension: tag and value. Nothing for nullopt.
std::string EncodeLastReset(const std::optional<CacheResetInfo>& reset);

// Takes `extensions` apart into the last reset, if they tell of one, and all others, as they are.
// False if they are malformed, or tell of two.
bool DecodeRootExtensions(Slice extensions, std::optional<CacheResetInfo>* reset,
                          std::string* others);

}  // namespace varve::manifest

#endif  // VARVE_DB_RESET_RECORD_H_
