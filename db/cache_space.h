#ifndef VARVE_DB_CACHE_SPACE_H_
#define VARVE_DB_CACHE_SPACE_H_

#include <memory>

#include "db/metered_file_system.h"
#include "db/space_ledger.h"

namespace varve {

// What a cache may take of the disk, and its file system that keeps the account.
struct CacheSpace {
  std::shared_ptr<SpaceLedger> ledger;         // unlimited in a database, and empty
  std::shared_ptr<MeteredFileSystem> metered;  // null in a database
};

}  // namespace varve

#endif  // VARVE_DB_CACHE_SPACE_H_
