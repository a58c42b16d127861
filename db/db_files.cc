// What a DBImpl does with whole files: checkpoints and ingestion.
//
// An ingestion at the newest place:
//  1. The files are checked, and memory is flushed.
//  2. By the leader of the write queue: a sequence is chosen that lies ahead of the writers, and of
//     every ingestion under way, further than they will come.
//  3. The segments are written with it, beside the writers and other ingestions.
//  4. In the order of their sequences, by the leader: what is in memory is flushed, so that all
//     before the ingestion is in segments (nothing that is durable may lack what came before it,
//     and no memtable lies beneath it). The segments get an epoch above all others, and a new
//     active memtable one above that (RULES R1.1). Commit; then the view, then the sequence is
//     published. A reader that has the view before and the sequence after finds neither the
//     segments nor what was written over them. A seal, because no log holds it (RULES R4.2).
// At the oldest place (3) is done by the leader too, next to an iterator that says what is there.

#include <algorithm>
#include <utility>

#include "db/checkpoint.h"
#include "db/db_impl.h"
#include "db/ingest.h"
#include "util/filename.h"

namespace varve {

namespace {

// How far ahead the sequence of an ingestion is chosen: more than an hour's writes, and still some
// sixteen million ingestions in the life of a database.
constexpr uint64_t kSequencesAhead = uint64_t{1} << 32;

}  // namespace

Status DBImpl::Checkpoint(const std::string& directory) {
  if (Status status = Flush({}); !status.ok()) return status;
  CheckpointSource source;
  source.options = &options_;
  source.directory = path_;
  std::unique_ptr<ReaderHolds::Hold> hold;  // its files are linked, so they must stay that long
  if (reads_->holds() != nullptr) hold = ReaderHolds::Register(reads_->holds(), false);
  source.version = reads_->views().Share()->version;
  if (hold != nullptr) hold->Took(source.version);
  source.limiter = limiter_.get();
  if (reads_->time().in_use()) source.clock_mark_ms = reads_->time().DropMillis();
  CheckpointResult result;
  Status status = MakeCheckpoint(source, directory, &result);
  if (!status.ok()) return status;
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kCheckpoints, 1);
    statistics->Add(Counter::kCheckpointFilesCopied, result.files_copied);
  }
  return status;
}

Status DBImpl::Ingest(const std::vector<std::string>& files, const IngestOptions& options) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  if (options_.cache() && options.place == IngestPlace::kOldest) {
    // A key that was evicted is not there, and yet what the files have of it may be older.
    return Status::NotSupported(path_ + ": a cache ingests at the newest place only");
  }
  Ingestion ingestion(&options_, path_, limiter_.get(), &ingestions_cancelled_);
  Status status = ingestion.Open(files, options.verify_checksums);
  if (status.ok()) status = Flush({});
  if (!status.ok()) return status;
  if (options.place == IngestPlace::kOldest) {
    status = Lead([&] {
      std::vector<FileNumber> numbers;
      const SequenceNumber sequence = next_sequence_;
      Status s = BeginIngestion(ingestion, sequence, &numbers);
      if (!s.ok()) return s;
      const auto present = reads_->NewOwnIterator();
      s = ingestion.Write(sequence, numbers, present.get());
      return s.ok() ? InstallIngestion(&ingestion, sequence) : s;
    });
  } else {
    status = IngestAhead(&ingestion);
  }
  events_.Deliver();
  if (!status.ok()) return status;
  const uint64_t job = events_.NewJob();
  uint64_t bytes = 0;
  for (const SegmentEntry& entry : ingestion.entries()) {
    bytes += entry.file_bytes;
    events_.SegmentCreated(
        {job, entry.number, SegmentFileName(path_, entry.number), entry.file_bytes});
  }
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kIngestions, 1);
    statistics->Add(Counter::kIngestedFiles, files.size());
    statistics->Add(Counter::kIngestedBytes, bytes);
  }
  if (options.move_files) ingestion.RemoveSources();
  return status;
}

Status DBImpl::IngestAhead(Ingestion* ingestion) {
  SequenceNumber sequence = 0;
  std::vector<FileNumber> numbers;
  Status status = Lead([&] {
    sequence = next_sequence_;
    {
      MutexLock lock(&mu_);
      if (!ingesting_.empty()) sequence = std::max(sequence, *ingesting_.rbegin());
    }
    sequence += kSequencesAhead;
    Status s = BeginIngestion(*ingestion, sequence, &numbers);
    MutexLock lock(&mu_);
    if (s.ok()) ingesting_.insert(sequence);
    return s;
  });
  if (!status.ok()) return status;
  status = ingestion->Write(sequence, numbers, nullptr);
  if (status.ok()) {
    {
      MutexLock lock(&mu_);
      while (*ingesting_.begin() != sequence) changed_.Wait(&mu_);
    }
    status = Lead([&] {
      return next_sequence_ > sequence ? Status::Busy(path_ + ": writers outran the ingestion")
                                       : InstallIngestion(ingestion, sequence);
    });
  }
  MutexLock lock(&mu_);
  ingesting_.erase(sequence);
  changed_.SignalAll();
  return status;
}

Status DBImpl::BeginIngestion(const Ingestion& ingestion, SequenceNumber sequence,
                              std::vector<FileNumber>* numbers) {
  Status status = ReserveSequences(sequence - next_sequence_ + 1);
  numbers->assign(ingestion.segments_max(), 0);
  for (FileNumber& number : *numbers) {
    if (status.ok()) status = manifest_->NewFileNumber(&number);
  }
  return status;
}

Status DBImpl::InstallIngestion(Ingestion* ingestion, SequenceNumber sequence) {
  FlushGoal all;
  Status status = FlushAll(/*with_active=*/!active_.memtable->empty(), &all);
  if (status.ok()) status = WaitForFlush(all);
  // What is there in place of all the files hold was perhaps written after the first flush.
  if (status.ok() && ingestion->entries().empty()) return FlushUnlogged();
  uint64_t epoch = 0, next_epoch = 0;
  if (status.ok()) status = manifest_->NewFileNumber(&epoch);
  if (status.ok()) status = manifest_->NewFileNumber(&next_epoch);
  if (!status.ok()) return status;
  active_.epoch = next_epoch;

  ManifestEdit edit;
  SegmentList added;
  for (SegmentEntry& entry : ingestion->entries()) {
    entry.epoch = epoch;
    if ((entry.flags & kHasExpiry) != 0) reads_->time().Use();
    edit.added.push_back(entry);
    added.push_back(std::make_shared<SegmentFile>(entry, reads_->comparator()));
  }
  edit.durable_log = wal_->durable();
  edit.next_sequence = sequence + 1;
  status = manifest_->Commit(edit);
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    ingestion->Installed();  // a root may name them
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  if (!status.ok()) return status;
  ingestion->Installed();
  // Empty as the one before is, that one stays with the view before: a read that has pinned that
  // and takes its sequence later must not find in it what is written over the segments.
  std::shared_ptr<MemTable> memtable = NewMemTable();
  {
    MutexLock lock(&mu_);
    active_.memtable = active_memtable_ = std::move(memtable);
    version_ = version_->With(reads_->comparator(), {}, added);
    PublishView();
    ScheduleCompactions();
    UpdateStall();
  }
  reads_->epochs().Collect();  // the view before
  // Before it is published: who asks for the retained sequence in between would take what was
  // skipped for entries, and let the history go.
  if (sequence > next_sequence_) reads_->history().Skip(next_sequence_ - 1, sequence);
  next_sequence_ = sequence + 1;
  reads_->PublishSequence(sequence);
  unlogged_in_memory_ = true;  // if the seal fails, the next synced write has to do it (RULES R4.2)
  status = Seal();
  if (status.ok()) unlogged_in_memory_ = false;
  return status;
}

}  // namespace varve
