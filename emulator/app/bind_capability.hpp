#pragma once

namespace app {

// Takes into effect the right to bind ports below 1024 where it is permitted only, as
// `setcap cap_net_bind_service=+p` has it. For this thread and those it starts from now on.
// Such a file starts where the right is dropped, too; with `+ep` the system refuses to run it.
void raise_bind_capability();

}  // namespace app
