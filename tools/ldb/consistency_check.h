#ifndef VARVE_TOOLS_LDB_CONSISTENCY_CHECK_H_
#define VARVE_TOOLS_LDB_CONSISTENCY_CHECK_H_

#include <string>

#include "varve/options.h"
#include "varve/status.h"

namespace varve::ldb {

// Hears what the check finds, as it finds it.
class CheckListener {
 public:
  virtual ~CheckListener() = default;
  virtual void OnGood(const std::string& line) = 0;  // a file that is as it should be
  // Worth knowing, but no damage: what a crash may leave, what is not the database's.
  virtual void OnNote(const std::string& line) = 0;
  virtual void OnProblem(
      const Status& status) = 0;  // names the file, and the offset if there is one
};

// Reads all of the database in `directory` and checks
//  1. the manifest: both roots, every page;
//  2. each segment that it names: every checksum, the order of the keys, the counts; and that the
//     manifest and the segment's own properties say the same; each ghost file, of segments and of
//     what was evicted: its checksums and its keys;
//  3. the logs, as recovery would replay them: the chain, what is known durable, each batch, and
//     that sequences grow and stay below those reserved;
//  4. that each other file is one a crash may leave, or none of ours.
// Where a part is unreadable, the rest is checked as far as it can be judged without it.
//
// Takes no lock and writes nothing. Of a database that is open elsewhere it may say what is not so,
// since files come and go; a note tells where that was possible. Needs `options.env`; the
// comparator matters for the order of keys alone, and where it is not the database's, checksums are
// verified and the order is not.
//
// OK if the check could be made, whatever it found; else why it could not.
Status CheckConsistency(const Options& options, const std::string& directory,
                        CheckListener* listener);

}  // namespace varve::ldb

#endif  // VARVE_TOOLS_LDB_CONSISTENCY_CHECK_H_
