#pragma once
// The deadlines of all connections of a thread behind one timer: a timer of Asio's own costs a
// connection more memory than all its other waits. Setting one is O(log n).
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/set.hpp>

#include <chrono>
#include <optional>

namespace net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;
using SteadyTime = std::chrono::steady_clock::time_point;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

class Deadlines {
  using Hook =
      boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                      boost::intrusive::optimize_size<true>>;

 public:
  // Whose deadline it is. Going away, it takes its deadline along.
  class Owner : public Hook {
   public:
    // Once for each set(), from the thread's loop; may set another one, and end the owner.
    virtual void on_deadline() = 0;
    void forget_deadline() { unlink(); }

    SteadyTime deadline{};  // for Deadlines only

   protected:
    ~Owner() = default;
  };

  explicit Deadlines(Executor executor) : timer_(executor) {}
  void set(Owner& owner, std::chrono::nanoseconds from_now);  // in place of an earlier one

 private:
  struct Earlier {
    bool operator()(const Owner& a, const Owner& b) const { return a.deadline < b.deadline; }
  };
  void arm();
  void run();

  Timer timer_;
  std::optional<SteadyTime> armed_for_;
  boost::intrusive::multiset<Owner, boost::intrusive::compare<Earlier>,
                             boost::intrusive::constant_time_size<false>>
      owners_;
};

}  // namespace net
