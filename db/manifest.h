#ifndef VARVE_DB_MANIFEST_H_
#define VARVE_DB_MANIFEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/manifest_entry.h"
#include "util/filename.h"
#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/listener.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "wal/log_position.h"

// The manifest: which segments and logs make up the database, and the counters that must not run
// back. One paged file with two roots (db/MANIFEST.md has the format, RULES R4 the rules).
//
// A commit
//   1. applies the edit to the list of recent changes that the root itself holds; where that list
//      no longer fits a page, it is merged into the tree of leaf and inner pages, of which only the
//      changed ones are written, to free places, and synced;
//   2. writes the root that is not the newest one, and syncs it. Now it is the newest.
// Its cost depends on what changed, not on how many segments there are.
//
// Invariants
//   - What root N or N-1 needs (page, segment, log) is neither overwritten nor given away until N+1
//     is durable. Pages the manifest keeps itself; of files it says what may go: TakeReleased() and
//     lowest_log_needed().
//   - A number or sequence may be used once *both* roots reserve it: NewFileNumber() and
//     sequence_limit() see to that. After an unclean end the counters start at the reservation.
//   - Whatever loses one root loses nothing that both roots carried: a commit that must survive
//     that (of what is in no log) is followed by Seal().
//   - After a root was written or synced with an error it is unknown which of the two a crash would
//     leave, and after a sync of pages what they hold: the manifest is *poisoned*. It commits and
//     releases nothing more, and every call answers with the first error, until it is opened again.
//     (Where only the writing of a fresh page failed, for want of room say, nothing has changed and
//     the commit may be tried again.)
//
// What the caller owes (RULES R4.1, R4.2, W14): before Commit() of an edit, every file of an entry
// it adds is synced, and its name too (SyncDirectory); and every log up to the last that the new
// lowest_log passes over, earlier ones too, is synced.
//
// Thread safety: all methods may be called from any thread. Commits run one at a time, in the order
// in which they get the lock.

namespace varve {

namespace manifest {
class Writer;
}

// What a directory is, from its creation on. Bits that a later build added are kept.
enum ModeBit : uint32_t {
  kCacheMode = 1u << 0,  // a cache; else a database
};

struct ManifestOptions {
  std::shared_ptr<FileSystem> file_system;
  std::shared_ptr<Machine> machine;  // seeds and the boot id
  std::string comparator;            // its name; at most 256 bytes
  // Bits of ModeBit: what is made, or what an existing one is to be.
  uint32_t mode_bits = 0;
  // How far ahead each root reserves; an unclean end skips that many.
  uint64_t file_numbers_ahead = 128;
  uint64_t sequences_ahead = uint64_t{1} << 28;
  // Open(): the highest number of a segment or ghost that is there, 0 for none. All that are given
  // out are higher: a sync that lied may lose the roots that reserve it.
  FileNumber highest_file = 0;
  // Pages that are kept free beside what is in use and what only the older root needs: *written*,
  // so that a commit which changes no more of them can be made on a file system without room (RULES
  // R6.3). Where they cannot be written they are tried again with each commit.
  uint32_t spare_pages = 0;
};

// 128 random bits, the same for the life of a database.
struct DatabaseId {
  uint64_t high = 0, low = 0;
  std::string ToString() const;  // 32 hexadecimal digits
  friend bool operator==(const DatabaseId&, const DatabaseId&) = default;
};

// What a root says: all of the manifest but its pages.
struct ManifestState {
  uint32_t format_version = 0;
  uint32_t compatible_features = 0;            // unknown bits: all is well
  uint32_t read_only_compatible_features = 0;  // unknown bits: may be read, not written
  uint32_t incompatible_features = 0;          // unknown bits: refused
  DatabaseId database_id;
  uint64_t generation = 0;
  std::string comparator;
  // Of the machine when this root was written; in a cache, when the last open was done with what it
  // had found (ManifestEdit::judged).
  std::string boot_id;
  uint32_t mode_bits = 0;  // of ModeBit
  // Set by Close(): the counters are exact and nothing was open since.
  bool clean_close = false;
  // Of a cache, what the next open after an unclean end must know (db/restart_rules.h):
  bool condemned = false;   // what is on disk is out of date: it counts as empty
  bool unlogged = false;    // writes were acknowledged that are perhaps in no log and no segment
  bool all_synced = false;  // no write was acknowledged before it was durable, unlogged ones apart
  // The first that may not have been used yet. After an unclean end that is the reservation.
  FileNumber next_file_number = 1;
  SequenceNumber next_sequence = 1;
  FileNumber lowest_log = 0;  // logs below it hold nothing that is not in segments
  LogPosition durable_log;    // the log was durable up to here when the root was framed (R5.3)
  SequenceNumber retained_sequence = 0;
  uint64_t clock_mark_ms = 0;  // RULES R7
  std::optional<CacheResetInfo> last_reset;
  std::vector<SegmentEntry> segments;  // ascending numbers

  // Not in the root: how it was found. 2 unless one was torn or damaged, in which case
  // `invalid_root` says which and why: after a crash that is no damage (a commit was under way).
  int valid_roots = 0;
  std::string invalid_root;
  uint64_t file_bytes = 0;
};

// What a commit changes. Counters are only ever raised: a lower value than the manifest has is not
// an error and changes nothing, so that commits may arrive in another order than their edits were
// made in.
struct ManifestEdit {
  // A number that is removed and added at once is replaced: another level, say, or the ghost of
  // what was a segment. The files that only the former entry names are released, one by one; the
  // new one names no others.
  std::vector<SegmentEntry> added;  // numbers from NewFileNumber()
  std::vector<FileNumber> removed;
  FileNumber lowest_log = 0;
  LogPosition durable_log;
  // The next sequence that will be given out, as far as the caller knows: the root reserves ahead
  // of it.
  SequenceNumber next_sequence = 0;
  SequenceNumber retained_sequence = 0;
  uint64_t clock_mark_ms = 0;
  // The mark becomes clock_mark_ms, were it lower: by a clean close, which knows the exact time,
  // and by a tool that sets a wrong one right.
  bool sets_clock_mark = false;

  // Of a cache. Unset: as before.
  std::optional<bool> condemned, unlogged, all_synced;
  // What this open found has been judged: the boot id of the roots is this machine's from now on.
  // Until then an open that ends early leaves the next one the same evidence as it had.
  bool judged = false;
  // All entries go, with nothing added or removed besides, and this becomes the last reset: its
  // reason and time are the caller's, the rest is filled in. See db/cache_reset.h.
  std::optional<CacheResetInfo> reset;
};

struct ManifestStats {
  uint64_t generation = 0;
  uint64_t segments = 0;
  uint64_t file_pages = 0;     // 4 KiB each, the two roots included
  uint64_t free_pages = 0;     // of them, what may be written by the next commit
  uint64_t waiting_pages = 0;  // of them, what only the older root needs
  uint64_t waiting_files = 0;  // of entries, what only the older root needs: a seal releases them
  bool waiting_logs = false;   // the older root needs logs that the newest one does not
  uint64_t tail_pages = 0;     // free at the end of the file, that a seal would give back
  // Since it was opened.
  uint64_t commits = 0;
  uint64_t pages_written = 0;
  uint64_t syncs = 0;
  uint64_t rewrites = 0;
  uint64_t rewrites_failed = 0;  // without harm: tried again at the next Seal()
};

class Manifest {
 public:
  // Makes the manifest of an empty database in `directory`, which exists: under a temporary name,
  // both roots, synced, renamed, directory synced. InvalidArgument if there is one already.
  // `content` is there from the first moment: its segments, which the caller owes as Commit() says,
  // and its counters; file numbers go on after the highest number and epoch among its segments.
  static Status Create(const ManifestOptions& options, const std::string& directory,
                       const ManifestEdit& content, std::unique_ptr<Manifest>* manifest);
  static Status Create(const ManifestOptions& options, const std::string& directory,
                       std::unique_ptr<Manifest>* manifest) {
    return Create(options, directory, {}, manifest);
  }

  // Opens the manifest of `directory`, and makes the state durable in two fresh roots before it
  // returns (R4.3); *state is what the newest valid root held. Nothing may be unlinked, recycled or
  // written over before. A leftover temporary manifest is removed at the end; whoever cleans the
  // directory up must leave that name alone.
  // NotFound: there is none. Corruption: file, offset, what is wrong; a damaged manifest is never
  // taken for an empty one. NotSupported: a newer format, or unknown feature bits. InvalidArgument:
  // another comparator; a cache that was asked for as a database, or the other way round. IOError,
  // NoSpace.
  static Status Open(const ManifestOptions& options, const std::string& directory,
                     ManifestState* state, std::unique_ptr<Manifest>* manifest);

  // Reads the manifest of `directory` as Open would, and writes nothing. For tools, for checks, and
  // for a look before Open; comparator and mode are not checked, read-only-compatible bits are
  // accepted.
  static Status Inspect(FileSystem* file_system, const std::string& directory,
                        ManifestState* state);

  // A description for people, of damaged files too: both roots, then the tree of the newest valid
  // one page by page, its segments, and what is wrong on the way. Writes nothing. OK even if the
  // file is damaged; *text then says so. An error only if it cannot be read at all.
  static Status Describe(FileSystem* file_system, const std::string& directory, std::string* text);

  // Closes the file; commits nothing. What was open is then found as after a kill.
  ~Manifest();
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;

  // Makes the edit durable in one root, all of it or, on an error, nothing as far as this object
  // can tell (after a poisoning the next Open decides). InvalidArgument, with nothing changed: a
  // number is removed that is not there, or added that is there, was never given out, or was
  // removed a moment ago; or a replaced entry names a file that it did not name before.
  Status Commit(const ManifestEdit& edit);

  // A commit with unchanged content: what the root before the last commit needed is released. Also
  // gives free room at the end of the file back, and rewrites the file when little in it is live.
  // Made when freed room is wanted, when idle, and where durability in both roots is asked for.
  Status Seal();

  // A number that was never used and never will be again, reserved in both roots. Nearly always
  // without I/O.
  Status NewFileNumber(FileNumber* number);

  // Sequences below it may be used: both roots reserve them.
  SequenceNumber sequence_limit() const;
  // Commits until sequence_limit() is at least `upto` (and further ahead, so this is rare). Every
  // commit moves the reservation on as well.
  Status ReserveSequences(SequenceNumber upto);

  // Commits `last` twice, with exact counters and the mark of a clean end: the caller has stopped
  // everything, and last.next_sequence is the next free one, exactly. Afterwards every call that
  // changes something answers Aborted. Called twice it does nothing.
  Status Close(const ManifestEdit& last);
  // Closes the file; commits nothing. Every call that changes something answers Aborted, or the
  // error of before. For an owner whose users may still be about to call.
  void Shut();

  // Files of entries that neither root needs any more, each told once: they may be unlinked when no
  // version refers to them. What was never committed is the caller's own to remove.
  std::vector<NumberedFile> TakeReleased();
  // Logs below it are needed by neither root: they may be recycled or removed.
  FileNumber lowest_log_needed() const;

  // OK, or the error after which nothing is committed until it is opened again.
  Status poisoned() const;
  ManifestStats stats() const;
  DatabaseId database_id() const;
  // The last reset that both this object and a root know of.
  std::optional<CacheResetInfo> last_reset() const;

 private:
  explicit Manifest(std::unique_ptr<manifest::Writer> writer);

  const std::unique_ptr<manifest::Writer> writer_;
};

}  // namespace varve

#endif  // VARVE_DB_MANIFEST_H_
