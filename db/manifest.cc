#include "db/manifest.h"

#include <utility>

#include "db/manifest_load.h"
#include "db/manifest_writer.h"
#include "util/filename.h"

namespace varve {

Status Manifest::Create(const ManifestOptions& options, const std::string& directory,
                        const ManifestEdit& content, std::unique_ptr<Manifest>* manifest) {
  auto writer = std::make_unique<manifest::Writer>(options, directory);
  if (Status s = writer->Create(content); !s.ok()) return s;
  manifest->reset(new Manifest(std::move(writer)));
  return Status::OK();
}

Status Manifest::Open(const ManifestOptions& options, const std::string& directory,
                      ManifestState* state, std::unique_ptr<Manifest>* manifest) {
  auto writer = std::make_unique<manifest::Writer>(options, directory);
  if (Status s = writer->Open(state); !s.ok()) return s;
  manifest->reset(new Manifest(std::move(writer)));
  return Status::OK();
}

Status Manifest::Inspect(FileSystem* file_system, const std::string& directory,
                         ManifestState* state) {
  const std::string path = ManifestFileName(directory);
  std::unique_ptr<RandomAccessFile> file;
  if (Status s = file_system->NewRandomAccessFile(path, /*direct=*/false, &file); !s.ok()) return s;
  uint64_t file_bytes;
  if (Status s = file->Size(&file_bytes); !s.ok()) return s;
  manifest::PageSource source(path, file_bytes,
                              [&](uint64_t offset, size_t size, char* buffer, size_t* bytes_read) {
                                return file->Read(offset, size, buffer, bytes_read);
                              });
  manifest::LoadedManifest loaded;
  if (Status s = manifest::LoadManifest(&source, &loaded); !s.ok()) return s;
  *state = manifest::TakeState(source, &loaded);
  return Status::OK();
}

Manifest::Manifest(std::unique_ptr<manifest::Writer> writer) : writer_(std::move(writer)) {}
Manifest::~Manifest() = default;

Status Manifest::Commit(const ManifestEdit& edit) { return writer_->Commit(edit); }
Status Manifest::Seal() { return writer_->Seal(); }
Status Manifest::NewFileNumber(FileNumber* number) { return writer_->NewFileNumber(number); }
SequenceNumber Manifest::sequence_limit() const { return writer_->sequence_limit(); }
Status Manifest::ReserveSequences(SequenceNumber upto) { return writer_->ReserveSequences(upto); }
Status Manifest::Close(const ManifestEdit& last) { return writer_->Close(last); }
void Manifest::Shut() { writer_->Shut(); }
std::vector<NumberedFile> Manifest::TakeReleased() { return writer_->TakeReleased(); }
FileNumber Manifest::lowest_log_needed() const { return writer_->lowest_log_needed(); }
Status Manifest::poisoned() const { return writer_->poisoned(); }
ManifestStats Manifest::stats() const { return writer_->stats(); }
DatabaseId Manifest::database_id() const { return writer_->database_id(); }
std::optional<CacheResetInfo> Manifest::last_reset() const { return writer_->last_reset(); }

}  // namespace varve
