#include <gflags/gflags.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "tests/metamorphic/differential.h"
#include "tools/crash/allocations.h"
#include "tools/crash/child_process.h"
#include "tools/crash/kills.h"
#include "tools/crash/matrix.h"
#include "tools/crash/runner.h"
#include "tools/crash/shrink.h"
#include "tools/crash/sites.h"

// Makes crashes by the thousand on a simulated disk, opens the engine on what is left, and holds
// the result against an oracle: see tools/crash/matrix.h for how, tests/support/ledger.h for what
// is promised, tests/support/sim_disk.h for what a disk may do.

DEFINE_string(budget, "60s", "how long to run: 90s, 5m, 2h");
DEFINE_uint64(seed, 1, "seed of the first run; each run takes the next one");
DEFINE_string(matrix, "all",
              "what is crashed: all, or some of wal, manifest, db, flush, compaction, checkpoint, "
              "recovery, evict, and faults (the db with its first call failing, then its second "
              "…); comma-separated");
DEFINE_string(faults, "", "these kinds of crash and damage alone, as --list names them");
DEFINE_bool(exhaustive, false,
            "in the manifest matrix: every mixture of old and new sectors of a root that is being "
            "written, and of pages while they are twelve at most");
DEFINE_string(
    sync, "-",
    "sync mode of the log in the db matrix: never, interval, always; -: the seed decides");
DEFINE_uint64(images_max, 3000, "images of a run, about; 0: all that are known, which is many");
DEFINE_int32(depth, 2, "crashes in a row: 1 to 3");
DEFINE_uint64(runs, 0, "end after so many runs; 0: the budget alone ends it");
DEFINE_int32(jobs, 2, "worker processes");
DEFINE_double(hang, 60, "seconds without progress after which a run counts as hanging");
DEFINE_uint64(violations_max, 10, "end after so many violations");
DEFINE_uint64(kills, 0,
              "instead of the simulation: so many real kills of a process that writes to the file "
              "system; the budget ends it too");
DEFINE_bool(out_of_memory, false,
            "with --kills: in some children an allocation fails, once or for good from then on");
DEFINE_bool(short_transfers, false,
            "with --kills: in some children the system reads and writes less than it was asked to, "
            "or is interrupted, now and then");
DEFINE_bool(failing_calls, false,
            "with --kills: in some children a call of the system fails, once or for good from then "
            "on, with EIO, ENOSPC, EDQUOT, EMFILE, ENOMEM or EAGAIN");
DEFINE_string(of, "db", "with --kills: what is killed, db or cache");
DEFINE_uint64(allocations, 0,
              "instead of the simulation: in short lives on the file system this allocation fails, "
              "then the next one, until none is left; the budget ends it too");
DEFINE_uint64(differential, 0,
              "instead of crashes: the same random operations, of so many seeds, on a database, on "
              "another under other options, on an ordered map and on RocksDB, which must answer "
              "alike; the budget ends it too");
DEFINE_uint64(operations, 10000, "with --differential: operations of a seed");
DEFINE_string(
    kill_dir, "",
    "where the databases of --kills and --allocations are made; default: a temporary one");
DEFINE_string(replay, "", "look at the image of one token alone, and say what is wrong with it");
DEFINE_bool(
    shrink, false,
    "with --replay: look for the smallest run that shows a violation, for --budget at most");
DEFINE_string(corpus, "",
              "file of tokens, one a line, that are looked at first; # begins a comment");
DEFINE_bool(list, false, "name the places at which it crashes the engine, and the faults");
DEFINE_bool(json, false, "print one JSON object instead of the summary");
DEFINE_bool(cells, false, "print the table of places and faults");

namespace varve::crash {
namespace {

constexpr uint64_t kRunsToComeEverywhere = 12;  // of each place in the order of matrices

bool ParseSeconds(const std::string& text, double* seconds) {
  char* end = nullptr;
  *seconds = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  if (unit == "m") *seconds *= 60;
  if (unit == "h") *seconds *= 3600;
  return end != text.c_str() && *seconds > 0 &&
         (unit.empty() || unit == "s" || unit == "m" || unit == "h");
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> names;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    names.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return names;
}

std::vector<std::string> ParseMatrices(const std::string& text) {
  return text == "all" ? AllMatrices() : Split(text);
}

int Fail(const std::string& what) {
  std::fprintf(stderr, "varve_crash: %s\n", what.c_str());
  return 2;
}

std::string Quote(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned char>(c));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

void PrintJson(const RunnerReport& report, const std::vector<std::string>& unhit) {
  std::string text = "{\"images\": " + std::to_string(report.images) +
                     ", \"distinct\": " + std::to_string(report.distinct) +
                     ", \"violations\": " + std::to_string(report.violations) + ", \"kills\": 0" +
                     ", \"runs\": " + std::to_string(report.sessions) +
                     ", \"seconds\": " + std::to_string(report.seconds) + ", \"tokens\": [";
  for (size_t i = 0; i < report.found.size(); ++i) {
    text += (i > 0 ? ", " : "") + Quote(report.found[i].token);
  }
  text += "], \"texts\": [";
  for (size_t i = 0; i < report.found.size(); ++i) {
    text += (i > 0 ? ", " : "") + Quote(report.found[i].text);
  }
  text += "], \"unhit\": [";
  for (size_t i = 0; i < unhit.size(); ++i) text += (i > 0 ? ", " : "") + Quote(unhit[i]);
  text += "], \"cells\": [";
  bool first = true;
  for (const auto& [place, cell] : report.cells) {
    text += std::string(first ? "" : ", ") + "{\"place\": " + Quote(place.first) +
            ", \"fault\": " + Quote(place.second) + ", \"images\": " + std::to_string(cell.images) +
            ", \"violations\": " + std::to_string(cell.violations) + "}";
    first = false;
  }
  std::printf("%s]}\n", text.c_str());
}

void PrintCells(const RunnerReport& report) {
  std::printf("%-36s %-12s %10s %10s\n", "after", "fault", "images", "violations");
  for (const auto& [place, cell] : report.cells) {
    std::printf("%-36s %-12s %10llu %10llu\n", place.first.c_str(), place.second.c_str(),
                static_cast<unsigned long long>(cell.images),
                static_cast<unsigned long long>(cell.violations));
  }
}

void PrintSummary(const RunnerReport& report, const std::vector<std::string>& unhit) {
  for (const Violation& violation : report.found) {
    std::printf("VIOLATION  --replay=%s\n%s\n\n", violation.token.c_str(), violation.text.c_str());
  }
  if (FLAGS_cells) PrintCells(report);
  for (const std::string& place : unhit) std::printf("UNHIT  %s\n", place.c_str());
  std::printf(
      "%llu runs, %llu images, %llu distinct (%.0f a minute), %llu violations, %zu places "
      "not hit, %.1f s\n",
      static_cast<unsigned long long>(report.sessions),
      static_cast<unsigned long long>(report.images),
      static_cast<unsigned long long>(report.distinct),
      static_cast<double>(report.distinct) / report.seconds * 60,
      static_cast<unsigned long long>(report.violations), unhit.size(), report.seconds);
}

// Does nothing: a replay needs no news.
class Quiet : public MatrixListener {
 public:
  bool OnImage(const Token&) override { return true; }
  void OnObserved() override {}
  void OnViolation(const Token&, const std::string&) override {}
};

class FirstViolation : public MatrixListener {
 public:
  bool OnImage(const Token&) override { return text.empty(); }
  void OnObserved() override {}
  void OnViolation(const Token& violated, const std::string& what) override {
    if (text.empty()) token = violated, text = what;
  }
  Token token;
  std::string text;
};

int Replay(const std::string& text, double seconds) {
  Token token;
  if (!Token::Parse(text, &token)) return Fail("not a token: '" + text + "'");
  if (FLAGS_shrink) {
    const Shrunk shrunk = Shrink(token, seconds);
    std::printf("%s\n%s\n", shrunk.token.ToString().c_str(),
                shrunk.text.empty() ? "no violation" : shrunk.text.c_str());
    return shrunk.text.empty() ? 0 : 1;
  }
  Quiet quiet;
  const std::string wrong = Matrix({}, &quiet).Replay(token);
  std::printf("%s\n%s\n", text.c_str(), wrong.empty() ? "no violation" : wrong.c_str());
  return wrong.empty() ? 0 : 1;
}

int List() {
  const std::vector<std::string> matrices = AllMatrices();
  std::printf("matrices:");
  for (const std::string& name : std::set<std::string>(matrices.begin(), matrices.end())) {
    std::printf(" %s", name.c_str());
  }
  std::printf("\n\n");
  for (const Site& site : Sites()) std::printf("%-10s %s\n", site.matrix, site.place);
  std::printf("\nfaults:");
  for (const char* fault : Faults()) std::printf(" %s", fault);
  std::printf("\n");
  return 0;
}

// What once was a violation: each image, and the whole run that it was found in. The tokens that
// show one again.
int RunCorpus(const std::string& path, std::vector<Violation>* found) {
  std::ifstream in(path);
  if (!in) return Fail("--corpus: cannot read '" + path + "'");
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find_first_of(" #"));
    if (line.empty()) continue;
    Token token;
    if (!Token::Parse(line, &token)) return Fail("--corpus: not a token: '" + line + "'");
    Quiet quiet;
    Matrix matrix({.images_max = 500}, &quiet);
    if (std::string wrong = matrix.Replay(token); !wrong.empty()) found->push_back({line, wrong});
    token.points.clear();
    FirstViolation first;
    Matrix({.images_max = 500}, &first).Run(token);
    if (!first.text.empty()) found->push_back({first.token.ToString(), first.text});
  }
  return 0;
}

struct Count {
  const char* key;
  uint64_t count;
  const char* text;  // after the number, for people; "": not for them
};

// Where nothing is simulated: what was counted and what is wrong, with the keys of all modes as
// JSON. The exit code.
int Tell(std::initializer_list<Count> counts, const std::vector<std::string>& violations,
         double seconds) {
  for (const std::string& violation : violations) {
    std::fprintf(FLAGS_json ? stderr : stdout, "VIOLATION  %s\n", violation.c_str());
  }
  if (FLAGS_json) std::printf("{\"images\": 0, \"distinct\": 0, \"unhit\": [], \"cells\": [], ");
  for (const Count& count : counts) {
    const auto number = static_cast<unsigned long long>(count.count);
    if (FLAGS_json) std::printf("\"%s\": %llu, ", count.key, number);
    if (!FLAGS_json && *count.text != '\0') std::printf("%llu %s, ", number, count.text);
  }
  std::printf(FLAGS_json ? "\"violations\": %zu, \"seconds\": %.1f}\n" : "%zu violations, %.1f s\n",
              violations.size(), seconds);
  return violations.empty() ? 0 : 1;
}

// A directory for real files.
class RealDirectory {
 public:
  RealDirectory() : path_(FLAGS_kill_dir) {
    if (path_.empty() && mkdtemp(made_) != nullptr) path_ = made_;
  }
  ~RealDirectory() {
    if (FLAGS_kill_dir.empty()) rmdir(made_);  // unless a violation left something to look at
  }
  const std::string& path() const { return path_; }

 private:
  char made_[32] = "/tmp/varve_crash_XXXXXX";
  std::string path_;
};

int Allocations(double seconds) {
  const RealDirectory directory;
  if (directory.path().empty()) return Fail("cannot make a temporary directory; use --kill_dir");
  const AllocationReport report =
      FailAllAllocations({.directory = directory.path(),
                          .seconds = seconds,
                          .first = FLAGS_allocations,
                          .progress = !FLAGS_json && isatty(STDERR_FILENO) != 0});
  return Tell({{"kills", 0, ""},
               {"allocations", report.allocations,
                report.complete ? "allocations, none is left" : "allocations, more are left"},
               {"complete", report.complete, ""},
               {"runs", report.runs, "runs"},
               {"ended", report.ended, "ended by it"},
               {"errors", report.errors, "with an error"},
               {"passed", report.passed, "all the same well"}},
              report.violations, report.seconds);
}

int Kills(double seconds) {
  if (FLAGS_of != "db" && FLAGS_of != "cache") return Fail("--of: db or cache");
  const RealDirectory directory;
  if (directory.path().empty()) return Fail("cannot make a temporary directory; use --kill_dir");
  KillOptions options;
  options.directory = directory.path();
  options.seed = FLAGS_seed;
  options.kills = FLAGS_kills;
  options.cache = FLAGS_of == "cache";
  options.out_of_memory = FLAGS_out_of_memory;
  options.short_transfers = FLAGS_short_transfers;
  options.failing_calls = FLAGS_failing_calls;
  options.seconds = seconds;
  options.progress = !FLAGS_json && isatty(STDERR_FILENO) != 0;
  const KillReport report = RunKills(options);
  return Tell({{"kills", report.kills, "kills while writing"},
               {"recovery_kills", report.recovery_kills, "while opening"},
               {"out_of_memory", report.out_of_memory, "of them out of memory"},
               {"failing_calls", report.failing_calls, "with an error of a call"},
               {"batches", report.counts.batches, "batches found"},
               {"evictions", report.counts.evictions, "evictions"}},
              report.violations, report.seconds);
}

int Differential(double seconds) {
  const double started = SecondsNow();
  uint64_t seeds = 0;
  std::vector<std::string> found;
  for (; seeds < FLAGS_differential && found.empty() && SecondsNow() - started < seconds; ++seeds) {
    const std::string seed = std::to_string(FLAGS_seed + seeds);
    const std::string replay = "varve_crash --differential=1 --seed=" + seed +
                               " --operations=" + std::to_string(FLAGS_operations);
    const std::string wrong = metamorphic::RunSeed(
        FLAGS_seed + seeds, {.operations = FLAGS_operations, .option_sets = 2}, replay);
    if (!wrong.empty()) found.push_back("seed " + seed + '\n' + wrong);
  }
  return Tell({{"kills", 0, ""},
               {"seeds", seeds, "seeds"},
               {"operations", FLAGS_operations, "operations of each"}},
              found, SecondsNow() - started);
}

int Main() {
  if (FLAGS_list) return List();
  RunnerOptions options;
  if (!ParseSeconds(FLAGS_budget, &options.seconds)) {
    return Fail("--budget: '" + FLAGS_budget + "' is no time; say 90s, 5m or 2h");
  }
  if (FLAGS_shrink && FLAGS_replay.empty()) return Fail("--shrink: of which --replay?");
  if (!FLAGS_replay.empty()) return Replay(FLAGS_replay, options.seconds);
  if (FLAGS_kills > 0) return Kills(options.seconds);
  if (FLAGS_allocations > 0) return Allocations(options.seconds);
  if (FLAGS_differential > 0) return Differential(options.seconds);
  options.matrices = ParseMatrices(FLAGS_matrix);
  const std::vector<std::string> known = AllMatrices();
  for (const std::string& name : options.matrices) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Fail("--matrix: there is no '" + name + "'; --list names them");
    }
  }
  options.matrix.faults = Split(FLAGS_faults);
  for (const std::string& name : options.matrix.faults) {
    if (std::find(Faults().begin(), Faults().end(), name) == Faults().end()) {
      return Fail("--faults: there is no '" + name + "'; --list names them");
    }
  }
  options.matrix.exhaustive = FLAGS_exhaustive;
  if (FLAGS_sync != "-" && FLAGS_sync != "never" && FLAGS_sync != "interval" &&
      FLAGS_sync != "always") {
    return Fail("--sync: '" + FLAGS_sync + "' is not never, interval, always or -");
  }
  if (FLAGS_depth < 1 || FLAGS_depth > 3) return Fail("--depth: 1 to 3");
  if (FLAGS_jobs < 1 || FLAGS_jobs > 64) return Fail("--jobs: 1 to 64");
  options.variant = FLAGS_sync;
  options.seed = FLAGS_seed;
  options.sessions_max = FLAGS_runs;
  options.jobs = FLAGS_jobs;
  options.hang_seconds = FLAGS_hang;
  options.violations_max = std::max<uint64_t>(FLAGS_violations_max, 1);
  options.matrix.images_max = FLAGS_images_max;
  options.matrix.depth = FLAGS_depth;
  std::vector<Violation> again;
  if (!FLAGS_corpus.empty()) {
    if (const int failed = RunCorpus(FLAGS_corpus, &again); failed != 0) return failed;
  }
  RunnerReport report = Run(options, !FLAGS_json && isatty(STDERR_FILENO) != 0);
  if (!report.error.empty()) return Fail(report.error);
  report.violations += again.size();
  report.found.insert(report.found.begin(), again.begin(), again.end());
  const std::vector<std::string> unhit = UnhitSites(options, report);
  FLAGS_json ? PrintJson(report, unhit) : PrintSummary(report, unhit);
  // So many runs of each matrix come everywhere, fewer need not: a slow machine is no defect.
  const bool complete = unhit.empty() || FLAGS_runs > 0 ||
                        report.sessions < kRunsToComeEverywhere * options.matrices.size();
  return report.violations > 0 || !complete ? 1 : 0;
}

}  // namespace
}  // namespace varve::crash

int main(int argc, char** argv) {
  gflags::SetUsageMessage("crashes the engine on a simulated disk and checks what is left");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc > 1) return varve::crash::Fail(std::string("what is '") + argv[1] + "'?");
  return varve::crash::Main();
}
