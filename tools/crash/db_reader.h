#ifndef VARVE_TOOLS_CRASH_DB_READER_H_
#define VARVE_TOOLS_CRASH_DB_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/ledger.h"
#include "varve/db.h"
#include "varve/slice.h"
#include "varve/snapshot.h"

// Values that prove themselves, and reading a database in every way it can be read.

namespace varve::crash {

// A value that names its key, writer, batch, place in it and, from the second on, the writer's
// life, in each of which it counts its batches anew: no value is written twice. It ends in a
// checksum over all, and is `bytes` long, or as short as that allows.
std::string MakeValue(Slice key, int writer, uint32_t batch, uint32_t place, size_t bytes,
                      int life = 0);
// "" or what is wrong with `value` as the value of `key`.
std::string CheckValue(Slice key, Slice value);

// Reads all of `db`, forward, backward, key by key, all keys at once and by seeking, and holds the
// results against each other and each value against its checksum. `keys` may be there or not;
// others should not. Returns "" and the state, or what is wrong.
std::string ReadEverything(DB* db, const std::vector<std::string>& keys, Ledger::State* state);

// Entries in [first, limit) as an iterator made now gives them.
std::string ReadRange(DB* db, const Snapshot* snapshot, Slice first, Slice limit,
                      Ledger::State* state);
// How two states differ, for people; "" if they do not.
std::string Difference(const Ledger::State& found, const Ledger::State& expected);

// "" if the files of `directory` are those that the manifest reaches, and at most spare logs more;
// for a database that is closed and whose cleaning up has ended (RULES R4.4).
std::string CheckDirectory(FileSystem* file_system, const std::string& directory);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_DB_READER_H_
