#pragma once
// Lines to a descriptor that nobody may be reading: a pipe that is full holds up a thread of its
// own, never the one that writes. What does not fit into the buffer is dropped and counted, and a
// line says how many once there is room again.
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace app {

class LineWriter {
 public:
  static constexpr std::size_t bytes_max = 1024 * 1024;  // waiting; as much again is being written
  // How long the end waits for somebody to read; together with the goodbye it stays within 2 s.
  static constexpr auto patience = std::chrono::milliseconds{400};

  // `dropped`: the line that says that so many lines were dropped, with its end.
  LineWriter(int descriptor, std::function<std::string(std::size_t)> dropped);
  // Waits until all is written, for `patience` at most. Then the descriptor must stay open: what is
  // left goes on being written if somebody reads it after all.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // Whole lines; they are written whole or not at all. Any thread; never waits for a reader.
  void write(std::string_view lines) noexcept;
  // Waits until all is written, or for `patience`.
  void drain();

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread's, too, which may outlive us
};

}  // namespace app
