#include "tools/bench/bench_database.h"

namespace varve::bench {

BenchDatabase::BenchDatabase(const BenchOptions& options)
    : options_(options.engine), path_(options.path.empty() ? DefaultPath() : options.path) {}

Status BenchDatabase::OpenNew() {
  Status status = Close();
  if (!status.ok()) return status;
  status = DB::Destroy(options_, path_);
  if (!status.ok() && !status.IsNotFound()) return status.WithContext("removing the old database");
  Options options = options_;
  options.create_if_missing = true;
  options.error_if_exists = true;
  return DB::Open(options, path_, &db_).WithContext("open");
}

Status BenchDatabase::OpenExisting() {
  Status status = Close();
  if (!status.ok()) return status;
  return DB::Open(options_, path_, &db_).WithContext("open");
}

Status BenchDatabase::Close() {
  if (db_ == nullptr) return Status::OK();
  Status status = db_->Close();
  db_.reset();
  return status.WithContext("close");
}

}  // namespace varve::bench
