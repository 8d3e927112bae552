#pragma once

namespace app {

// Raises the limit of open descriptors to what the system allows, a connection being one, and has
// the kernel make its table for the first 65,536 of them (or the limit, if that is less; 8 bytes
// each). Before any thread starts: with one thread a table grows at once, with more each doubling
// waits for all processors to have passed the old one (some 15 ms), and whoever connects waits with
// it.
void make_descriptor_table();

}  // namespace app
