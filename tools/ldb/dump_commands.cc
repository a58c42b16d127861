// Commands that print one kind of file, damaged ones as far as they go. They take no lock and write
// nothing.

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "db/write_batch_internal.h"
#include "table/ghost_dump.h"
#include "table/segment_dump.h"
#include "tools/ldb/command.h"
#include "util/filename.h"
#include "wal/log_dump.h"

namespace varve::ldb {
namespace {

// The entries of a commit group, a line each.
class EntryPrinter final : public WriteBatch::Handler {
 public:
  explicit EntryPrinter(const Context& context) : context_(context) {}

  Status Put(Slice key, Slice value) override { return PrintPut(key, value, ""); }
  Status PutUntil(Slice key, Slice value, uint64_t expires_at_ms) override {
    return PrintPut(key, value, " until " + std::to_string(expires_at_ms) + " ms");
  }
  Status PutWithTtl(Slice key, Slice value, uint64_t ttl_ms) override {
    return PrintPut(key, value, " for " + Ttl(ttl_ms));
  }
  Status CommitTime(uint64_t now_ms, uint64_t put_ttl_ms) override {
    *context_.out << "    committed at " << now_ms << " ms, plain puts for " << Ttl(put_ttl_ms)
                  << "\n";
    return Status::OK();
  }
  Status Refused(Slice key) override {
    *context_.out << "    refused " << Text(key) << "\n";
    return Status::OK();
  }
  Status Delete(Slice key) override {
    *context_.out << "    delete " << Text(key) << "\n";
    return Status::OK();
  }
  Status DeleteRange(Slice start, Slice end) override {
    *context_.out << "    delete from " << Text(start) << " to " << Text(end) << "\n";
    return Status::OK();
  }
  Status Merge(Slice key, Slice operand) override {
    *context_.out << "    merge " << Text(key);
    if (!context_.flags.keys_only) *context_.out << " with " << Text(operand);
    *context_.out << "\n";
    return Status::OK();
  }

 private:
  Status PrintPut(Slice key, Slice value, const std::string& lifetime) {
    *context_.out << "    put " << Text(key);
    if (!context_.flags.keys_only) *context_.out << " = " << Text(value);
    *context_.out << lifetime << "\n";
    return Status::OK();
  }
  static std::string Ttl(uint64_t ttl_ms) {
    return ttl_ms == CommitTime::kNever ? "ever" : std::to_string(ttl_ms) + " ms";
  }
  std::string Text(Slice bytes) const {
    return "\"" + PrintableBytes(bytes, context_.flags.bytes_max) + "\"";
  }

  const Context& context_;
};

class LogPrinter final : public wal::LogDumpSink {
 public:
  explicit LogPrinter(const Context& context) : context_(context) {}

  void OnHeader(uint64_t offset, const wal::HeaderCopy& copy) override {
    std::ostream& out = *context_.out;
    out << "  header at " << offset << ": ";
    if (!copy.good) {
      out << "!! " << copy.why << "\n";
      return;
    }
    const wal::LogHeader& header = copy.header;
    out << "version " << header.version << ", number " << header.number << ", nonce "
        << header.nonce << ", capacity " << header.capacity << ", features: compatible "
        << header.compat << ", read-only compatible " << header.read_only_compat
        << ", incompatible " << header.incompat << "\n";
  }

  void OnRecord(uint64_t offset, const wal::RecordHeader& header, Slice payload,
                const std::string& damage) override {
    std::ostream& out = *context_.out;
    out << "  record at " << offset << ": " << header.payload_bytes << " bytes, previous "
        << Text(header.prev) << ", durable " << Text(header.durable);
    if (header.type != static_cast<uint8_t>(wal::RecordType::kGroup) || header.flags != 0) {
      out << ", unknown type " << int{header.type} << " with flags " << int{header.flags} << "\n";
      return;
    }
    if (!damage.empty()) {
      out << "\n    !! " << damage << "\n";
      return;
    }
    if (payload.size() >= WriteBatchInternal::kHeaderBytes) {
      out << ", " << WriteBatchInternal::Count(payload) << " entries from sequence "
          << WriteBatchInternal::Sequence(payload);
    }
    out << "\n";
    EntryPrinter entries(context_);
    const Status status =
        WriteBatchInternal::Iterate(payload, &entries, WriteBatchInternal::Origin::kLog);
    if (!status.ok()) out << "    !! " << status.ToString() << "\n";
  }

  void OnGap(uint64_t from, uint64_t to, bool all_zero, const std::string& why) override {
    *context_.out << "  no record from " << from << " to " << to << ": "
                  << (all_zero ? "zeros" : why) << "\n";
  }

 private:
  static std::string Text(LogPosition position) {
    return position == LogPosition() ? "none" : position.ToString();
  }

  const Context& context_;
};

// The argument, else --db.
Status DumpedPath(Context* context, std::string* path) {
  if (context->arguments.empty()) return DatabasePath(context, path);
  *path = context->arguments[0];
  return Status::OK();
}

Status DumpOneLog(Context* context, const std::string& path) {
  *context->out << path << "\n";
  LogPrinter printer(*context);
  return wal::DumpLog(context->options.env.file_system.get(), path, &printer);
}

Status RunWalDump(Context* context) {
  std::string path;
  if (Status status = DumpedPath(context, &path); !status.ok()) return status;
  FileSystem* const file_system = context->options.env.file_system.get();
  FileInfo info;
  if (Status status = file_system->GetFileInfo(path, &info); !status.ok()) return status;
  if (!info.is_directory) return DumpOneLog(context, path);
  std::vector<std::string> names;
  if (Status status = file_system->ListDirectory(path, &names); !status.ok()) return status;
  std::vector<FileNumber> logs;
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) && type == FileType::kLog) logs.push_back(number);
  }
  std::sort(logs.begin(), logs.end());
  Status first_error;
  for (const FileNumber number : logs) {
    const Status status = DumpOneLog(context, LogFileName(path, number));
    // An owner of the database may have removed it since it was listed.
    if (status.ok() || status.IsNotFound()) continue;
    if (!first_error.ok()) context->Complain(first_error);
    first_error = status;
  }
  return first_error;
}

// The file that the command line names.
Status OpenDumped(const Context& context, std::unique_ptr<RandomAccessFile>* file) {
  return context.options.env.file_system->NewRandomAccessFile(context.arguments[0],
                                                              /*direct=*/false, file);
}

Status RunSegmentDump(Context* context) {
  std::unique_ptr<RandomAccessFile> file;
  if (Status status = OpenDumped(*context, &file); !status.ok()) return status;
  SegmentDumpOptions dump;
  dump.blocks = context->flags.blocks;
  dump.entries = context->flags.entries;
  dump.bytes_max = context->flags.bytes_max;
  return DumpSegment(dump, std::move(file), context->arguments[0],
                     [context](Slice line) { *context->out << line << "\n"; });
}

Status RunGhostDump(Context* context) {
  std::unique_ptr<RandomAccessFile> file;
  if (Status status = OpenDumped(*context, &file); !status.ok()) return status;
  GhostDumpOptions dump;
  dump.entries = context->flags.entries;
  dump.bytes_max = context->flags.bytes_max;
  return DumpGhost(dump, std::move(file), context->arguments[0],
                   [context](Slice line) { *context->out << line << "\n"; });
}

// The directory of "<directory>/MANIFEST", as RocksDB's --path takes the file.
std::string WithoutManifestName(const std::string& path) {
  const std::string suffix = ManifestFileName("");
  if (path == suffix) return ".";
  const size_t directory = path.size() - std::min(path.size(), suffix.size() + 1);
  if (directory > 0 && path.substr(directory) == "/" + suffix) return path.substr(0, directory);
  return path;
}

Status RunManifestDump(Context* context) {
  std::string path;
  if (Status status = DumpedPath(context, &path); !status.ok()) return status;
  path = WithoutManifestName(path);
  FileSystem* const file_system = context->options.env.file_system.get();
  std::string text;
  if (Status status = Manifest::Describe(file_system, path, &text); !status.ok()) return status;
  *context->out << text;
  // The description goes on past damage; whether there was any is for Inspect to say.
  ManifestState state;
  return Manifest::Inspect(file_system, path, &state);
}

}  // namespace

std::span<const Command> DumpCommands() {
  static const std::vector<Command>* const commands = new std::vector<Command>{
      {"segment_dump",
       "",
       "<file>",
       "Prints a segment: what it says of itself, and its blocks or entries.",
       1,
       1,
       {"blocks", "entries", "bytes_max"},
       &RunSegmentDump},
      {"ghost_dump",
       "",
       "<file>",
       "Prints a ghost file: what it says of itself, and the hashes and range tombstones it holds.",
       1,
       1,
       {"entries", "bytes_max"},
       &RunGhostDump},
      {"wal_dump",
       "dump_wal",
       "[<file or directory>]",
       "Prints a log, or all of the directory (--db): each record with its writes.",
       0,
       1,
       {"keys_only", "bytes_max"},
       &RunWalDump},
      {"manifest_dump",
       "",
       "[<directory>]",
       "Prints the manifest of the directory (--db): roots, pages, segments.",
       0,
       1,
       {},
       &RunManifestDump},
  };
  return *commands;
}

}  // namespace varve::ldb
