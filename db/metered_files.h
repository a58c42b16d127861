#ifndef VARVE_DB_METERED_FILES_H_
#define VARVE_DB_METERED_FILES_H_

#include <cstdint>
#include <memory>

#include "db/space_account.h"
#include "varve/env.h"

namespace varve {

// Files of a MeteredFileSystem: each is another one of which an account is kept. They have been
// opened in it, and are closed in it when they are closed or destroyed.

// Can be closed under its readers: SpaceAccount::CloseReaders().
std::unique_ptr<RandomAccessFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                                 SpaceAccount::FileRef file,
                                                 std::unique_ptr<RandomAccessFile> base);
// Charged before it grows, settled when it is closed after a sync.
std::unique_ptr<WritableFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                             SpaceAccount::FileRef file,
                                             std::unique_ptr<WritableFile> base);
// Charged before it grows, settled when it is cut. `size`: that it has.
std::unique_ptr<RandomRWFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                             SpaceAccount::FileRef file,
                                             std::unique_ptr<RandomRWFile> base, uint64_t size);
// Charged whole, by who makes it.
std::unique_ptr<LogFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                        SpaceAccount::FileRef file, std::unique_ptr<LogFile> base);

}  // namespace varve

#endif  // VARVE_DB_METERED_FILES_H_
