#pragma once
// Tells a connection that something may be there for it. May be called from any thread and more
// often than needed; must only post to the connection's executor, never call the hub back.
// Copies are of one and the same waker, and cost two pointers.
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace hub {

class Waker {
 public:
  struct Target {
    virtual ~Target() = default;
    virtual void wake() = 0;
  };

  Waker() = default;  // nobody to wake: does nothing
  Waker(std::shared_ptr<Target> target) : target_(std::move(target)) {}
  template <std::invocable Function>
  requires(!std::same_as<std::remove_cvref_t<Function>, Waker>) Waker(Function&& function)
      : target_(std::make_shared<Callable<std::remove_cvref_t<Function>>>(
            std::forward<Function>(function))) {}

  void operator()() const {
    if (target_) target_->wake();
  }

 private:
  template <class Function>
  struct Callable final : Target {
    explicit Callable(Function given) : function(std::move(given)) {}
    void wake() override { function(); }
    Function function;
  };

  std::shared_ptr<Target> target_;
};

}  // namespace hub
