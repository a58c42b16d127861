#include "tools/crash/matrix.h"

#include <algorithm>
#include <memory>

#include "util/filename.h"
#include "util/hash.h"

namespace varve::crash {
namespace {

// All subsets of so many pending items are tried when nothing limits the images.
constexpr size_t kSubsetItemsMax = 12;

// Follows a replay: what the changes so far mean for the judgement.
class Walk {
 public:
  Walk(const Session& session)
      : history_(session.history()),
        replay_(&history_),
        highest_file_(session.highest_file_before()) {}

  const SimReplay& replay() const { return replay_; }
  const SimOp* next() const {
    return replay_.AtEnd() ? nullptr : &history_.ops[replay_.position()];
  }
  const SimOp* last() const {
    return replay_.position() == 0 ? nullptr : &history_.ops[replay_.position() - 1];
  }
  bool doubtful() const { return doubtful_; }
  uint64_t highest_file() const { return highest_file_; }

  void Step() {
    const SimOp& op = *next();
    replay_.Step();
    doubtful_ |= op.kind == SimOpKind::kSyncEnd && !op.ok;
    FileNumber number;
    FileType type;
    if (!op.new_entry.empty() && ParseFileName(op.new_entry, &number, &type)) {
      highest_file_ = std::max(highest_file_, number);
    }
  }
  void AdvanceTo(uint64_t boundary) {
    while (replay_.position() < boundary && !replay_.AtEnd()) Step();
  }

 private:
  const SimHistory& history_;
  SimReplay replay_;
  bool doubtful_ = false;
  uint64_t highest_file_;
};

// A fair choice of `size` points among all offered, without keeping them.
class Reservoir {
 public:
  Reservoir(Random* random, int size) : random_(random), size_(static_cast<size_t>(size)) {}
  void Offer(const CrashPoint& point) {
    ++offered_;
    if (points_.size() < size_) {
      points_.push_back(point);
    } else if (const uint64_t at = random_->Uniform(offered_); at < size_) {
      points_[at] = point;
    }
  }
  const std::vector<CrashPoint>& points() const { return points_; }

 private:
  Random* const random_;
  const size_t size_;
  uint64_t offered_ = 0;
  std::vector<CrashPoint> points_;
};

// Whether what went wrong is an error that says which file is damaged.
bool NamesDamage(const std::string& fault) {
  if (fault.find("Corruption") == std::string::npos) return false;
  for (const char* name : {".seg", ".log", ".ghost", "MANIFEST"}) {
    if (fault.find(name) != std::string::npos) return true;
  }
  return false;
}

bool ChangesNothing(const SimOp* op) {
  return op != nullptr &&
         (op->kind == SimOpKind::kSyncBegin || op->kind == SimOpKind::kDirectorySyncBegin);
}

std::unique_ptr<Session> GoOn(const Session& session, const Walk& walk, const CrashPoint& point,
                              uint64_t seed) {
  SimDisk disk = Materialise(walk.replay(), walk.next(), point);
  DamageDisk(point, session.directory(), &disk);
  const bool kill = point.kind == CrashPoint::Kind::kKill && !walk.doubtful();
  auto next = session.Continue(std::move(disk), point.boundary, kill, seed);
  if (next != nullptr) next->set_highest_file_before(walk.highest_file());
  return next;
}

}  // namespace

std::unique_ptr<Session> StartSession(const Token& token) {
  const SessionOptions options{.seed = token.seed, .variant = token.variant, .focus = token.matrix};
  if (token.matrix == "wal") return StartWalSession(options);
  if (token.matrix == "manifest") return StartManifestSession(options);
  for (const char* of_db : {"db", "flush", "compaction", "checkpoint", "recovery"}) {
    if (token.matrix == of_db) return StartDbSession(options);
  }
  if (token.matrix == "evict") return StartCacheSession(options);
  return nullptr;
}

std::vector<CrashPoint> Matrix::Plan(const SimReplay& replay, const SimOp* next, bool after_step,
                                     bool decays, uint64_t allowance, Random* random) const {
  std::vector<CrashPoint> points;
  CrashPoint point{.boundary = replay.position()};
  const auto add_loss = [&](SimLoss loss) {
    point.kind = CrashPoint::Kind::kLoss;
    point.loss = loss;
    points.push_back(point);
  };
  const size_t pending = replay.disk().PendingCount();
  points.push_back(point);
  add_loss(SimLoss::DropAll());
  // The disk is as at the boundary before, so one of each is enough: what counts is what was
  // promised by then.
  if (after_step) return points;
  add_loss(SimLoss::KeepAll());
  if (options_.exhaustive) {
    PlanEveryMixture(replay, next, &points);
    return points;
  }
  const auto damage = [&](CrashPoint::Damage kind) {
    for (size_t i = 0; i < 3; ++i) {
      points.push_back(points[i]);
      points.back().damage = kind;
      if (kind >= CrashPoint::Damage::kFlip) points.back().damage_seed = random->Uniform(1 << 30);
    }
  };
  if (options_.damage && (allowance == 0 || random->OneIn(4))) damage(CrashPoint::Damage::kRoot);
  if (options_.damage && decays && (allowance == 0 || random->OneIn(4))) {
    damage(random->OneIn(3) ? CrashPoint::Damage::kMove : CrashPoint::Damage::kFlip);
  }
  const uint64_t sectors = next == nullptr ? 0 : SimDisk::SectorsOf(*next);
  if (sectors > 0 && (next->mapped || sectors > 1)) {
    point = {.boundary = replay.position()};
    point.torn = true;
    const uint64_t tears = next->mapped ? 3 : sectors - 1;
    for (uint64_t tear = 1; tear <= tears; ++tear) {
      if (allowance > 0 && !random->OneIn(tears)) continue;
      point.tear = next->mapped ? random->Uniform(1 << 20) : tear;
      points.push_back(point);
    }
    point.torn = false;
  }
  if (pending == 0) return points;
  if (allowance == 0) {
    for (size_t i = 0; i < pending; ++i) add_loss(SimLoss::Only(i)), add_loss(SimLoss::AllBut(i));
    if (pending <= kSubsetItemsMax) {
      for (uint64_t mask = 0; mask < uint64_t{1} << pending; ++mask)
        add_loss(SimLoss::Subset(mask));
    }
    for (int i = 0; i < 20; ++i) add_loss(SimLoss::Random(random->Uniform(1 << 30)));
    return points;
  }
  while (points.size() < allowance) {
    const uint64_t way = random->Uniform(6);
    if (way == 0) add_loss(SimLoss::Only(random->Uniform(pending)));
    if (way == 1) add_loss(SimLoss::AllBut(random->Uniform(pending)));
    if (way == 2 && pending <= kSubsetItemsMax) {
      add_loss(SimLoss::Subset(random->Uniform(uint64_t{1} << pending)));
    }
    if (way >= 3) add_loss(SimLoss::Random(random->Uniform(1 << 30)));
  }
  return points;
}

Circumstances Matrix::CircumstancesOf(const Session& session, const CrashPoint& point,
                                      bool doubtful) {
  Circumstances how;
  how.kill = point.kind == CrashPoint::Kind::kKill && !doubtful;
  how.damaged = point.damage != CrashPoint::Damage::kNone;
  // Of either kind of loss that no engine can prevent it must tell, or show less: a prefix.
  how.lied = point.kind == CrashPoint::Kind::kLoss && session.LiedBefore(point.boundary);
  how.decayed = how.lied || point.damage >= CrashPoint::Damage::kFlip;
  return how;
}

void Matrix::PlanEveryMixture(const SimReplay& replay, const SimOp* next,
                              std::vector<CrashPoint>* points) const {
  constexpr uint32_t kRootPages = 2;  // the first two of the file, which is a manifest
  CrashPoint point{.boundary = replay.position()};
  point.torn = true;
  const uint64_t sectors = next == nullptr ? 0 : SimDisk::SectorsOf(*next);
  for (point.tear = 1; point.tear < sectors; ++point.tear) points->push_back(point);
  point = {.boundary = replay.position(), .kind = CrashPoint::Kind::kLoss};
  const std::vector<SimPendingGroup> groups = replay.disk().PendingGroups();
  for (const SimPendingGroup& group : groups) {
    if (!group.is_page || group.page >= kRootPages) continue;
    for (const bool others : {false, true}) {
      if (others && groups.size() == 1) continue;
      for (uint32_t mask = 0; mask < 1u << group.items; ++mask) {
        point.loss = SimLoss::Sectors(group.first, static_cast<uint8_t>(mask), others);
        points->push_back(point);
      }
    }
  }
  if (groups.empty() || groups.size() > kSubsetItemsMax) return;
  for (uint64_t mask = 0; mask < uint64_t{1} << groups.size(); ++mask) {
    point.loss = SimLoss::Pages(mask);
    points->push_back(point);
  }
}

bool Matrix::IsWanted(const CrashPoint& point) const {
  if (options_.faults.empty()) return true;
  std::string name = point.Fault();
  const auto chosen = [this](const std::string& fault) {
    return std::find(options_.faults.begin(), options_.faults.end(), fault) !=
           options_.faults.end();
  };
  const size_t tilde = name.find('~');
  if (tilde != std::string::npos && !chosen(name.substr(tilde + 1))) return false;
  return chosen(name.substr(0, tilde));
}

std::string Matrix::Judge(const Session& session, const CrashPoint& point,
                          const Observation& observation, bool doubtful,
                          uint64_t highest_file) const {
  const Circumstances how = CircumstancesOf(session, point, doubtful);
  if (!observation.fault.empty()) {
    return how.decayed && NamesDamage(observation.fault) ? "" : observation.fault;
  }
  highest_file = std::max(highest_file, session.HighestFile(point.boundary));
  const bool numbers_kept = !how.lied;  // the root that reserves them may not be there
  if (numbers_kept && observation.lowest_new_file <= highest_file) {
    return "file number " + std::to_string(observation.lowest_new_file) + " is used again; " +
           std::to_string(highest_file) + " was taken before the crash";
  }
  if (numbers_kept && observation.lowest_new_sequence <= session.HighestSequence(point.boundary)) {
    return "sequence " + std::to_string(observation.lowest_new_sequence) + " is used again; " +
           std::to_string(session.HighestSequence(point.boundary)) + " was taken before the crash";
  }
  return session.JudgeState(observation, point, how);
}

std::string Matrix::Report(const Session& session, const SimReplay& replay, const CrashPoint& point,
                           const std::string& wrong, bool doubtful) const {
  const SimHistory& history = session.history();
  std::string text = wrong + "\n";
  text += "  after: " + (point.boundary == 0 ? "start" : history.ops[point.boundary - 1].Label()) +
          "\n";
  const SimOp* next = point.boundary < history.ops.size() ? &history.ops[point.boundary] : nullptr;
  SimDisk disk = Materialise(replay, next, point);
  if (const std::string path = DamageDisk(point, session.directory(), &disk); !path.empty()) {
    text += "  damaged: " + path + "\n";
  }
  Ledger::State state;
  session.Observe(disk, point, &state);
  text += session.Explain(state, point, CircumstancesOf(session, point, doubtful));
  text += "  crash: " + point.ToString() + (doubtful ? " (a sync had failed)" : "") +
          "; the last changes before it, and the next:\n";
  const uint64_t from = point.boundary > 12 ? point.boundary - 12 : 0;
  for (uint64_t i = from; i < point.boundary && i < history.ops.size(); ++i) {
    text += "    " + std::to_string(i) + "  " + history.ops[i].ToString() + "\n";
  }
  if (next != nullptr) text += "    next  " + next->ToString() + "\n";
  std::string pending = replay.disk().DescribePending();
  if (pending.size() > 1500) pending = pending.substr(0, 1500) + "…\n";
  text += "  pending before the crash:\n" + pending + "  the disk after it:\n";
  for (const std::string& path : disk.Paths()) {
    text += "    " + path + "  " + std::to_string(disk.Size(disk.Find(path))) + "\n";
  }
  return text;
}

bool Matrix::Examine(const Session& session, Token token, uint64_t images_max, uint64_t from) {
  const size_t depth = token.points.size();
  token.points.emplace_back();
  CrashPoint& current = token.points.back();
  if (!session.fault().empty()) {
    listener_->OnViolation(token, "while it ran: " + session.fault());
    return true;
  }
  Random random(token.SeedAt(depth) ^ 0x706c616e);
  const auto& ops = session.history().ops;
  const uint64_t boundaries =
      1 + static_cast<uint64_t>(std::count_if(
              ops.begin(), ops.end(), [](const SimOp& op) { return op.kind != SimOpKind::kStep; }));
  const uint64_t allowance = images_max == 0 ? 0 : std::max<uint64_t>(4, images_max / boundaries);
  // Where further sessions start. Every other one at a kill that left names unsynced, which are few
  // and which the next process must not rely on (RULES R4.3).
  Reservoir any(&random, options_.continuations - options_.continuations / 2);
  Reservoir unsynced_names(&random, options_.continuations / 2);
  for (Walk walk(session);; walk.Step()) {
    const bool wanted = walk.replay().position() >= from &&
                        (walk.next() == nullptr || options_.boundary_one_in <= 1 ||
                         random.OneIn(options_.boundary_one_in));
    if (ChangesNothing(walk.last()) || !wanted) {
      if (walk.next() == nullptr) break;
      continue;
    }
    const std::string place = walk.last() == nullptr ? "start" : walk.last()->Label();
    const bool after_step = walk.last() != nullptr && walk.last()->kind == SimOpKind::kStep;
    for (const CrashPoint& point :
         Plan(walk.replay(), walk.next(), after_step, session.finds_damage(), allowance, &random)) {
      if (!IsWanted(point)) continue;
      current = point;
      SimDisk disk = Materialise(walk.replay(), walk.next(), point);
      const bool damaged = point.damage != CrashPoint::Damage::kNone;
      if (damaged && DamageDisk(point, session.directory(), &disk).empty()) continue;
      if (!listener_->OnImage(token)) return false;
      const uint64_t key = Mix64(disk.CachedHash() + session.Context(point));
      auto it = seen_.find(key);
      if (it == seen_.end()) {
        it = seen_.emplace(key, session.Observe(std::move(disk), point, nullptr)).first;
        // One that told of damage was not opened twice.
        if (it->second.fault.empty() && counted_.insert(key).second) listener_->OnObserved();
      }
      const std::string wrong =
          Judge(session, point, it->second, walk.doubtful(), walk.highest_file());
      Cell& cell = cells_[{place, point.Fault()}];
      ++cell.images;
      if (!wrong.empty()) {
        ++cell.violations;
        listener_->OnViolation(token,
                               Report(session, walk.replay(), point, wrong, walk.doubtful()));
        continue;
      }
      // Damage on top of a crash is not what recovery may go on from.
      if (damaged || session.LiedBefore(point.boundary)) continue;
      const bool kill = point.kind == CrashPoint::Kind::kKill;
      (kill && walk.replay().disk().HasPendingNames() ? unsynced_names : any).Offer(point);
    }
    if (walk.next() == nullptr) break;
  }
  if (depth + 1 >= static_cast<size_t>(options_.depth)) return true;
  std::vector<CrashPoint> kept = any.points();
  kept.insert(kept.end(), unsynced_names.points().begin(), unsynced_names.points().end());
  for (const CrashPoint& point : kept) {
    current = point;
    Walk walk(session);
    walk.AdvanceTo(point.boundary);
    const auto next = GoOn(session, walk, point, token.SeedAt(depth + 1));
    if (next != nullptr && !Examine(*next, token, images_max / 3)) return false;
  }
  return true;
}

bool Matrix::Run(const Token& token) {
  seen_.clear();  // values differ between seeds: nothing would be found again
  counted_.clear();
  const std::unique_ptr<Session> session = StartSession(token);
  return session == nullptr || Examine(*session, token, options_.images_max);
}

bool Matrix::RunFaults(const Token& token) {
  counted_.clear();
  for (const char* lasting : {"o", "g"}) {
    bool met = true;
    uint64_t from = 0;
    for (uint64_t nth = 1; met; ++nth) {
      Token faulty = token;
      faulty.variant += "+f" + std::to_string(nth) + lasting;
      seen_.clear();
      const std::unique_ptr<Session> session = StartSession(faulty);
      met = session->met_injected_error();
      // Up to there it is as when a later call fails: each of these boundaries is examined once.
      const bool lasts = lasting == std::string("g");
      if (lasts) from = session->first_injected_error();
      if (!Examine(*session, faulty, options_.images_max, from)) return false;
      if (!lasts) from = session->first_injected_error();
    }
  }
  return true;
}

std::string Matrix::Replay(const Token& token) {
  std::unique_ptr<Session> session = StartSession(token);
  if (session == nullptr) return "no such matrix: " + token.matrix;
  for (size_t depth = 0;; ++depth) {
    if (!session->fault().empty()) return "while it ran: " + session->fault();
    if (depth == token.points.size()) return "";
    const CrashPoint& point = token.points[depth];
    if (point.boundary > session->history().ops.size()) {
      return "the run has only " + std::to_string(session->history().ops.size()) + " changes";
    }
    Walk walk(*session);
    walk.AdvanceTo(point.boundary);
    if (depth + 1 == token.points.size()) {
      SimDisk disk = Materialise(walk.replay(), walk.next(), point);
      DamageDisk(point, session->directory(), &disk);
      const Observation observation = session->Observe(std::move(disk), point, nullptr);
      const std::string wrong =
          Judge(*session, point, observation, walk.doubtful(), walk.highest_file());
      return wrong.empty() ? "" : Report(*session, walk.replay(), point, wrong, walk.doubtful());
    }
    session = GoOn(*session, walk, point, token.SeedAt(depth + 1));
    if (session == nullptr) return "the matrix goes no deeper";
  }
}

}  // namespace varve::crash
