// What a DBImpl does with whole files: checkpoints.

#include <utility>

#include "db/checkpoint.h"
#include "db/db_impl.h"

namespace varve {

Status DBImpl::Checkpoint(const std::string& directory) {
  if (Status status = Flush({}); !status.ok()) return status;
  CheckpointSource source;
  source.options = &options_;
  source.directory = path_;
  source.version = reads_->views().Share()->version;
  source.limiter = limiter_.get();
  CheckpointResult result;
  Status status = MakeCheckpoint(source, directory, &result);
  if (!status.ok()) return status;
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kCheckpoints, 1);
    statistics->Add(Counter::kCheckpointFilesCopied, result.files_copied);
  }
  return status;
}

}  // namespace varve
