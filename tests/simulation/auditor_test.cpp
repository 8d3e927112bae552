// The auditor can fail: for each invariant something is broken on purpose, in what the hub shows,
// in what leaves it or in what is stored, and the auditor must say so, by the invariant's number.
#include "tests/simulation/simulation.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace simulation;

namespace {

struct Caught {
  std::set<int> invariants;
  int broken = 0, unnoticed = 0;
};

// Runs until a break has been called `number`, or 60 seeds are over. `make` builds a fresh
// sabotage; it counts in `broken` how often it has struck.
template <class Make>
Caught play(int number, Make make) {
  Caught caught;
  for (std::uint64_t seed = 1; seed <= 60 && !caught.invariants.contains(number); ++seed) {
    int broken = 0;
    Simulation run(seed, make(broken));
    try {
      run.run(1500);
      if (broken > 0) ++caught.unnoticed;
    } catch (const Violation& violation) {
      caught.invariants.insert(violation.invariant);
    }
    caught.broken += broken;
  }
  return caught;
}

// `always`: every break must be noticed; else what was broken may have got lost before anybody saw
// it.
template <class Make>
void caught_as(int number, Make make, bool always = true) {
  const Caught caught = play(number, make);
  CAPTURE(number);
  CHECK(caught.broken > 0);
  if (always) CHECK(caught.unnoticed == 0);
  std::string others;
  for (const int other : caught.invariants) others += " INV-" + std::to_string(other);
  CHECK_MESSAGE(caught.invariants.contains(number), "caught as", others);
}

// A view that is changed once, the first time `lie` finds something to change.
template <class Lie>
auto once(Lie lie) {
  return [lie](int& broken) {
    Sabotage sabotage;
    sabotage.view = [lie, &broken](View& view, const std::string& what) mutable {
      if (broken == 0 && lie(view, what)) ++broken;
    };
    return sabotage;
  };
}

// The first message of any device that is as asked for.
template <class Wanted>
hub::MessageQueue::View* find(View& view, Wanted wanted) {
  for (auto& device : view.devices) {
    for (auto& message : device.messages) {
      if (wanted(message)) return &message;
    }
  }
  return nullptr;
}

template <class Change>
void change(hub::MessageQueue::View& seen, Change with) {
  auto copy = std::make_shared<hub::Message>(*seen.message);
  with(*copy);
  seen.message = copy;
}

// A message that ended in this step is still shown, if the step counted one more of `counter` and
// of nothing else.
auto undead(std::uint64_t View::Counts::*counter, hub::Duration lives_longer = {}) {
  return [counter, lives_longer](int& broken) {
    Sabotage sabotage;
    auto before = std::make_shared<View>();
    sabotage.view = [=, &broken](View& view, const std::string&) {
      const View now = view;
      const auto ended = [](const View& v) {
        return v.counts.completed + v.counts.expired + v.counts.exceeded + v.counts.rejected +
               v.counts.purged;
      };
      const bool one =
          now.counts.*counter == before->counts.*counter + 1 && ended(now) == ended(*before) + 1;
      for (auto& device : view.devices) {
        const View::Device* old = one && broken == 0 ? before->find(device.id) : nullptr;
        if (old == nullptr || old->messages.size() != device.messages.size() + 1) continue;
        if (old->generation != device.generation) continue;
        for (std::size_t i = 0; i < old->messages.size(); ++i) {
          const auto same =
              i < device.messages.size() && device.messages[i].message == old->messages[i].message;
          if (same) continue;
          if (lives_longer > hub::Duration{} && old->messages[i].message->expires_at <= now.now)
            break;
          device.messages.insert(device.messages.begin() + static_cast<std::ptrdiff_t>(i),
                                 old->messages[i]);
          ++device.count;
          device.locked += old->messages[i].locked ? 1 : 0;
          ++broken;
          break;
        }
      }
      *before = now;
    };
    return sabotage;
  };
}

// A lock that has just ended is still shown, in steps whose line of the trace has `word`.
auto stuck_lock(const std::string& word) {
  return [word](int& broken) {
    Sabotage sabotage;
    auto before = std::make_shared<View>();
    sabotage.view = [=, &broken](View& view, const std::string& what) {
      const View now = view;
      for (auto& device : view.devices) {
        const View::Device* old = before->find(device.id);
        if (broken > 0 || old == nullptr || what.find(word) == std::string::npos) continue;
        for (auto& message : device.messages) {
          for (const auto& was : old->messages) {
            if (was.message != message.message || !was.locked || message.locked || broken > 0)
              continue;
            message.locked = true;
            ++device.locked;
            ++broken;
          }
        }
      }
      *before = now;
    };
    return sabotage;
  };
}

auto wrong_words(const std::string& from, const std::string& to) {
  return [=](int& broken) {
    Sabotage sabotage;
    sabotage.output = [=, &broken](std::string& bytes) {
      const auto at = bytes.find(from);
      if (at == std::string::npos) return;
      bytes.replace(at, from.size(), to);
      ++broken;
    };
    return sabotage;
  };
}

// Forgets the first fact of a kind, or all of them.
template <class Fact>
auto forgetful_store(bool all = false) {
  return [all](int& broken) {
    Sabotage sabotage;
    sabotage.changes = [all, &broken](std::vector<hub::Change>& changes) {
      std::erase_if(changes, [&](const hub::Change& c) {
        const bool forget = (all || broken == 0) && std::holds_alternative<Fact>(c);
        broken += forget ? 1 : 0;
        return forget;
      });
    };
    return sabotage;
  };
}

bool is_waiting(const hub::MessageQueue::View& m) { return !m.locked; }

}  // namespace

TEST_CASE("INV-01 INV-07 INV-15 INV-20 INV-30 the auditor notices a wrong view of a queue") {
  caught_as(1, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                if (!device.messages.empty()) return ++device.count > 0;
              }
              return false;
            }));
  caught_as(7, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                if (device.messages.size() < 2) continue;
                std::swap(device.messages[0], device.messages[1]);
                return true;
              }
              return false;
            }));
  caught_as(15, once([](View& view, const std::string&) {
              auto* message = find(view, is_waiting);
              if (message != nullptr)
                change(*message, [](auto& m) { m.expires_at += hub::Duration{1}; });
              return message != nullptr;
            }));
  caught_as(20, once([](View& view, const std::string&) {
              auto* message = find(view, is_waiting);
              if (message != nullptr)
                change(*message, [](auto& m) { m.content.message_id.text += "x"; });
              return message != nullptr;
            }));
  caught_as(30, once([](View& view, const std::string&) { return ++view.counts.completed > 0; }));
  caught_as(30, once([](View& view, const std::string& what) {
              for (auto& device : view.devices) {
                if (device.messages.empty() || what.find("send " + device.id) == std::string::npos)
                  continue;
                device.messages.clear();
                device.count = device.locked = 0;
                return true;
              }
              return false;
            }));
}

TEST_CASE(
    "INV-03 INV-12 INV-13 INV-14 INV-28 the auditor notices a message that does not end as it "
    "should") {
  caught_as(3, undead(&View::Counts::completed));
  caught_as(3, undead(&View::Counts::rejected));
  caught_as(12, undead(&View::Counts::exceeded));
  caught_as(14, undead(&View::Counts::expired));
  caught_as(28, undead(&View::Counts::purged));
  caught_as(13, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                for (auto m = device.messages.begin(); m != device.messages.end(); ++m) {
                  if (m->locked || m->delivery_count > 0) continue;
                  device.messages.erase(m);
                  --device.count;
                  return ++view.counts.exceeded > 0;
                }
              }
              return false;
            }));
}

TEST_CASE("INV-04 INV-05 INV-06 INV-16 INV-17 INV-33 INV-34 the auditor notices a wrong lock") {
  caught_as(4, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                if (device.locked > 0) return ++device.locked > 0;
              }
              return false;
            }));
  caught_as(5, once([](View& view, const std::string& what) {
              for (auto& device : view.devices) {
                if (what.find("send " + device.id) == std::string::npos) continue;
                for (auto& message : device.messages) {
                  if (message.locked) continue;
                  ++device.locked;
                  return message.locked = true;
                }
              }
              return false;
            }));
  // Of two that wait, the second is locked first.
  caught_as(6, [](int& broken) {
    Sabotage sabotage;
    auto before = std::make_shared<View>();
    sabotage.view = [before, &broken](View& view, const std::string&) {
      const View now = view;
      for (auto& device : view.devices) {
        const View::Device* old = before->find(device.id);
        if (old == nullptr || broken > 0) continue;
        for (std::size_t i = 0; i + 1 < device.messages.size() && i < old->messages.size(); ++i) {
          auto &one = device.messages[i], &two = device.messages[i + 1];
          if (one.message != old->messages[i].message || old->messages[i].locked) break;
          if (!one.locked || two.locked) continue;
          std::swap(one.locked, two.locked);
          ++broken;
          break;
        }
      }
      *before = now;
    };
    return sabotage;
  });
  caught_as(16, stuck_lock("time passes"));
  caught_as(17, stuck_lock("is cut"));
  caught_as(33, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                if (!device.enabled) return device.enabled = true;
              }
              return false;
            }));
  caught_as(34, once([](View& view, const std::string& what) {
              if (what.find("puback") == std::string::npos) return false;
              for (auto& device : view.devices) {
                if (device.messages.empty() || what.find("mqtt-" + device.id) == std::string::npos)
                  continue;
                if (!device.messages.back().locked) continue;
                device.messages.pop_back();
                --device.count, --device.locked;
                return true;
              }
              return false;
            }));
}

TEST_CASE("INV-10 INV-11 the auditor notices a wrong delivery count") {
  caught_as(10, once([seen = hub::MessagePtr{}](View& view, const std::string&) mutable {
              auto* message = find(view, [](const auto& m) { return m.delivery_count > 0; });
              // The auditor must have seen it once.
              if (message == nullptr || std::exchange(seen, message->message) != message->message)
                return false;
              message->delivery_count = 0;
              return true;
            }));
  caught_as(11, once([](View& view, const std::string&) {
              auto* message = find(view, is_waiting);
              return message != nullptr && ++message->delivery_count > 0;
            }));
}

TEST_CASE(
    "INV-08 INV-09 INV-19 INV-20 INV-28 the auditor notices a wrong answer, and none at all") {
  caught_as(8, wrong_words("HTTP/1.1 412", "HTTP/1.1 204"), false);
  caught_as(9, wrong_words("HTTP/1.1 412", "HTTP/1.1 204"), false);
  caught_as(20, wrong_words("iothub-app-body: m", "iothub-app-body: n"), false);
  caught_as(28, wrong_words("totalMessagesPurged\":", "totalMessagesPurged\":9"), false);
  caught_as(19, [](int& broken) {
    broken = 1;
    Sabotage sabotage;
    sabotage.deaf = true;
    return sabotage;
  });
}

TEST_CASE("INV-37 a session that does nothing when it is due, and stays due, is noticed") {
  const auto sleepy = [](int& broken) {
    broken = 1;
    Sabotage sabotage;
    sabotage.sleepy = true;
    return sabotage;
  };
  caught_as(37, sleepy, false);  // in a short run it may be that nobody is due
}

TEST_CASE(
    "INV-02 INV-31 the auditor notices what a store has forgotten, and an answer before it was "
    "stored") {
  caught_as(2, [](int& broken) {
    broken = 1;
    Sabotage sabotage;
    sabotage.no_gate = true;
    return sabotage;
  });
  // Noticed at the next restart, if there is one.
  caught_as(31, forgetful_store<hub::change::MessageEnqueued>(), false);
  caught_as(31, forgetful_store<hub::change::DeliveryCountSet>(), false);
  caught_as(31, forgetful_store<hub::change::MqttSessionPut>(), false);
  caught_as(3, forgetful_store<hub::change::MessageRemoved>(true), false);
  caught_as(2, [](int& broken) {
    Sabotage sabotage;
    sabotage.rogue = [&broken](hub::Hub& hub, TimePoint now, const std::string&) {
      hub::SendRequest request;
      request.device.text = "a";
      request.content.body = "nobody's";
      if (broken == 0 && hub.c2d().send(std::move(request), now)) ++broken;
    };
    return sabotage;
  });
}

TEST_CASE("INV-18 INV-27 INV-29 the auditor notices a step that touches what is not its own") {
  const auto purge_when = [](const std::string& word, const std::string& device) {
    return [=](int& broken) {
      Sabotage sabotage;
      sabotage.rogue = [=, &broken](hub::Hub& hub, TimePoint now, const std::string& what) {
        if (broken > 0 || what.find(word) == std::string::npos) return;
        if (word == "is cut" && what.find("http-") == std::string::npos) return;
        const auto purged = hub.c2d().purge({device}, now);
        if (purged && *purged > 0) ++broken;
      };
      return sabotage;
    };
  };
  caught_as(18, purge_when("is cut", "a"));
  caught_as(27, purge_when("mqtt-b", "a"));
  caught_as(29, once([](View& view, const std::string&) {
              for (auto& device : view.devices) {
                if (!device.messages.empty()) return !(device.generation += "0").empty();
              }
              return false;
            }));
}

TEST_CASE("INV-21 INV-22 INV-23 INV-24 INV-25 INV-26 the auditor notices wrong feedback") {
  caught_as(21, once([](View& view, const std::string&) { return ++view.counts.records > 0; }));
  const auto in_a_batch = [](auto edit) {
    return once([edit, seen = std::uint64_t{0}](View& view, const std::string&) mutable {
      if (view.feedback.empty()) return false;
      auto& last = view.feedback.back();
      // Only a new one is read.
      if (std::exchange(seen, last.message->sequence_number) >= last.message->sequence_number) {
        return false;
      }
      bool done = false;
      change(last, [&](auto& m) { done = edit(m.content.body); });
      return done;
    });
  };
  caught_as(22, in_a_batch([](std::string& json) {
              const auto at = json.find("\"statusCode\":\"Success\"");
              if (at == std::string::npos) return false;
              json.replace(at, 22, "\"statusCode\":\"Expired\"");
              return true;
            }));
  caught_as(25, in_a_batch([](std::string& json) {
              const auto at = json.find("\"originalMessageId\":\"id");
              if (at == std::string::npos) return false;
              json[at + 23] = json[at + 23] == '1' ? '2' : '1';
              return true;
            }));
  caught_as(21, in_a_batch([](std::string& json) {
              const auto record = json.substr(1, json.size() - 2);
              if (record.find("},{") != std::string::npos) return false;
              json = "[" + record + "," + record + "]";
              return true;
            }));
  caught_as(23, in_a_batch([](std::string& json) {
              json = "[]";
              return true;
            }));
  caught_as(24, [](int& broken) {
    Sabotage sabotage;
    sabotage.view = [&broken](View& view, const std::string&) {
      broken += view.feedback.empty() ? 0 : 1;
      view.feedback.clear();
    };
    return sabotage;
  });
  caught_as(26, [](int& broken) {
    Sabotage sabotage;
    sabotage.rogue = [&broken](hub::Hub& hub, TimePoint now, const std::string& what) {
      if (broken > 0 || what.find("complete") == std::string::npos) return;
      const auto batch =
          *hub.c2d().receive_once(hub::QueueId::feedback(), hub::Duration{1000}, now);
      if (batch && hub.c2d().complete(hub::QueueId::feedback(), batch->lock_token, now)) ++broken;
    };
    return sabotage;
  });
}
