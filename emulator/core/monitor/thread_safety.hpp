#pragma once
// What clang's thread-safety analysis is told (scripts/lint); nothing to other compilers.
#if defined(__clang__)
#define HUB_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define HUB_THREAD_SAFETY(attribute)
#endif

#define HUB_CAPABILITY(name) HUB_THREAD_SAFETY(capability(name))
#define HUB_SCOPED_CAPABILITY HUB_THREAD_SAFETY(scoped_lockable)
#define HUB_GUARDED_BY(capability) HUB_THREAD_SAFETY(guarded_by(capability))
#define HUB_REQUIRES(capability) HUB_THREAD_SAFETY(requires_capability(capability))
#define HUB_EXCLUDES(capability) HUB_THREAD_SAFETY(locks_excluded(capability))
#define HUB_ACQUIRE(capability) HUB_THREAD_SAFETY(acquire_capability(capability))
#define HUB_RELEASE() HUB_THREAD_SAFETY(release_capability())
#define HUB_NO_THREAD_SAFETY_ANALYSIS HUB_THREAD_SAFETY(no_thread_safety_analysis)
