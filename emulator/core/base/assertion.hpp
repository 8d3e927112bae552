#pragma once
// Where a broken invariant (HUB_ASSERT) is said before the process aborts.

namespace hub {

// Instead of stderr, which may make whoever writes wait. Set once, before other threads are there.
void set_assertion_sink(void (*sink)(const char* line) noexcept);

}  // namespace hub
