#include "tests/db/many_segments.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "db/manifest.h"
#include "table/segment_builder.h"
#include "util/filename.h"
#include "util/internal_key.h"
#include "varve/env.h"

namespace varve {

std::string ManySegmentsKey(uint32_t segment, uint32_t key) {
  char text[32];
  std::snprintf(text, sizeof(text), "%06u-%06u", segment, key);
  return text;
}

Status MakeManySegments(const std::string& path, uint32_t segments, uint32_t keys) {
  const Env env = Env::Default();
  Status status = env.file_system->CreateDirectory(path);
  ManifestOptions options;
  options.file_system = env.file_system;
  options.machine = env.machine;
  options.comparator = BytewiseComparator()->Name();
  std::unique_ptr<Manifest> manifest;
  if (status.ok()) status = Manifest::Create(options, path, &manifest);
  ManifestEdit edit;
  for (uint32_t i = 0; status.ok() && i < segments; ++i) {
    SegmentBuilderOptions building;
    status = manifest->NewFileNumber(&building.number);
    if (!status.ok()) return status;
    building.path = SegmentFileName(path, building.number);
    std::unique_ptr<WritableFile> file;
    status = env.file_system->NewWritableFile(building.path, 0, &file);
    if (!status.ok()) return status;
    SegmentBuilder builder(building, file.get());
    for (uint32_t k = 0; status.ok() && k < keys; ++k) {
      std::string key;
      AppendInternalKey(&key, ManySegmentsKey(i, k), PackTrailer(1, ValueType::kValue));
      status = builder.Add(key, "value");
    }
    SegmentProperties properties;
    if (status.ok()) status = builder.Finish(&properties);
    if (status.ok()) status = file->Close();
    SegmentEntry& entry = edit.added.emplace_back();
    entry.number = building.number;
    entry.level = 6;
    entry.epoch = 1;
    entry.file_bytes = properties.file_bytes;
    entry.entries = properties.entries;
    entry.smallest = properties.smallest_key;
    entry.largest = properties.largest_key;
    entry.smallest_sequence = entry.largest_sequence = 1;
  }
  edit.next_sequence = 2;
  if (status.ok()) status = manifest->Commit(edit);
  ManifestEdit last;
  last.next_sequence = edit.next_sequence;
  return status.ok() ? manifest->Close(last) : status;
}

}  // namespace varve
