#ifndef VARVE_UTIL_PLANTED_H_
#define VARVE_UTIL_PLANTED_H_

// Mistakes that are planted in the engine, one rule broken each, to see that a test finds them.
//
//   if (VARVE_PLANTED("the name of the mistake")) return KeepsNothing();
//
// They exist in one build alone (bazel --config=planted), where the environment variable
// VARVE_PLANTED_BUG names the one that is made; everywhere else the condition is `false` and the
// compiler drops what follows. tools/planted_bugs runs all of them against tests/never_stale.

#ifdef VARVE_PLANTED_BUGS

namespace varve {
// Whether this mistake is to be made. `name` must be one of those that tools/planted_bugs knows.
bool PlantedBugIs(const char* name);
}  // namespace varve

#define VARVE_PLANTED(name) ::varve::PlantedBugIs(name)

#else

#define VARVE_PLANTED(name) false

#endif

#endif  // VARVE_UTIL_PLANTED_H_
