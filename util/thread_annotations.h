#ifndef VARVE_UTIL_THREAD_ANNOTATIONS_H_
#define VARVE_UTIL_THREAD_ANNOTATIONS_H_

// Clang's thread safety analysis (-Wthread-safety); other compilers see nothing.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html

#if defined(__clang__)
#define VARVE_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define VARVE_THREAD_ANNOTATION(x)
#endif

// On types.
#define CAPABILITY(x) VARVE_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY VARVE_THREAD_ANNOTATION(scoped_lockable)

// On data: only touched, or only reached through, while the mutex is held.
#define GUARDED_BY(x) VARVE_THREAD_ANNOTATION(guarded_by(x))
#define PT_GUARDED_BY(x) VARVE_THREAD_ANNOTATION(pt_guarded_by(x))

// On functions: called with the mutex held; without it; taking it; letting it go.
#define REQUIRES(...) VARVE_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) VARVE_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) VARVE_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) VARVE_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) VARVE_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) VARVE_THREAD_ANNOTATION(assert_capability(x))
#define RETURN_CAPABILITY(x) VARVE_THREAD_ANNOTATION(lock_returned(x))
#define ACQUIRED_BEFORE(...) VARVE_THREAD_ANNOTATION(acquired_before(__VA_ARGS__))
#define ACQUIRED_AFTER(...) VARVE_THREAD_ANNOTATION(acquired_after(__VA_ARGS__))

// For what the analysis cannot follow; say why beside it.
#define NO_THREAD_SAFETY_ANALYSIS VARVE_THREAD_ANNOTATION(no_thread_safety_analysis)

#endif  // VARVE_UTIL_THREAD_ANNOTATIONS_H_
