#ifndef VARVE_TOOLS_BENCH_BENCH_DATABASE_H_
#define VARVE_TOOLS_BENCH_BENCH_DATABASE_H_

#include <memory>
#include <string>

#include "tools/bench/bench_options.h"
#include "varve/db.h"

namespace varve::bench {

// The one database of a run, which benchmarks may ask to be made anew. One thread.
class BenchDatabase {
 public:
  // `options.engine` is what it is opened with.
  explicit BenchDatabase(const BenchOptions& options);

  // Removes what database there is, if any, and makes an empty one.
  Status OpenNew();
  // Opens the one that is there.
  Status OpenExisting();
  // With the first error that nobody was told of. OK if none is open.
  Status Close();

  DB* db() const { return db_.get(); }  // null if none is open
  const std::string& path() const { return path_; }

 private:
  const Options options_;
  const std::string path_;
  std::unique_ptr<DB> db_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_BENCH_DATABASE_H_
