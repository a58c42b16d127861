#include "table/ghost_dump.h"

#include <cstdio>
#include <utility>

#include "table/ghost_format.h"
#include "table/ghost_reader.h"
#include "table/segment_dump.h"

namespace varve {

namespace {

std::string Number(const char* format, double value) {
  char text[32];
  snprintf(text, sizeof(text), format, value);
  return text;
}

std::string Hex64(uint64_t value) {
  char text[19];
  snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

Status DumpGhost(const GhostDumpOptions& options, std::unique_ptr<RandomAccessFile> file,
                 std::string path, const std::function<void(Slice line)>& line) {
  std::unique_ptr<GhostReader> ghost;
  // Nothing is compared, so no comparator is needed.
  if (Status s = GhostReader::Open(nullptr, std::move(file), path, 0, &ghost); !s.ok()) return s;
  const auto field = [&](const char* name, const std::string& value) {
    line("  " + std::string(name) + ": " + value);
  };
  const GhostFooter& footer = ghost->footer();
  const HashSet& hashes = ghost->hashes();
  line("ghost " + path);
  line("footer");
  field("format version", std::to_string(kGhostFormatVersion));
  field("segment number", std::to_string(footer.number));
  field("file bytes", std::to_string(footer.file_bytes));
  field("features", "compatible " + std::to_string(footer.compat) + ", incompatible " +
                        std::to_string(footer.incompat));
  field("hash set", "offset 0, " + std::to_string(footer.hash_set_bytes) + " bytes");
  if (footer.range_tombstone_bytes != 0) {
    field("range tombstones", "offset " + std::to_string(footer.hash_set_bytes) + ", " +
                                  std::to_string(footer.range_tombstone_bytes) + " bytes");
  }
  line("hash set");
  field("keys", std::to_string(hashes.keys()));
  field("remainder bits", std::to_string(hashes.remainder_bits()));
  field("false positives, %", Number("%.4f", 100 * ghost->false_positive_rate()));
  if (hashes.keys() != 0) {
    field("bytes a key", Number("%.2f", static_cast<double>(footer.hash_set_bytes) /
                                            static_cast<double>(hashes.keys())));
  }
  if (options.entries) {
    for (HashSet::Cursor cursor(hashes); cursor.Valid(); cursor.Next()) {
      line("  value " + std::to_string(cursor.value()) + ", hashes from " +
           Hex64(hashes.LowestHash(cursor.value())));
    }
  }
  if (footer.range_tombstone_bytes != 0) {
    line("range tombstones");
    field("range tombstones", std::to_string(ghost->listed_range_tombstones().size()));
  }
  if (options.entries) {
    for (const RangeTombstone& t : ghost->listed_range_tombstones()) {
      line("  \"" + PrintableBytes(t.start, options.bytes_max) + "\" to \"" +
           PrintableBytes(t.end, options.bytes_max) + "\" @ " + std::to_string(t.sequence));
    }
  }
  return ghost->Verify();
}

}  // namespace varve
