#pragma once
// Who reaches the control API (spec/control.md 12). A browser is no friend: any page that a
// developer visits can send requests here, and can name this address as its own host (DNS
// rebinding). So a request has to name a host of ours (CT-151), must not come from another site
// (CT-152), and brings the token if there is one (CT-153).
#include "emulator/app/config.hpp"
#include "protocols/http/service.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

class ControlAccess {
 public:
  // --control-listen, -token (itself, not file:PATH), -host, -cors, and --san. `machine`: the names
  // of this machine.
  explicit ControlAccess(const Config& config, const std::vector<std::string>& machine = {});

  // Why this request may not come in. `open`: it needs no token.
  std::optional<http::WireError> check(const http::RequestHead& head, const http::Target& target,
                                       bool open) const;
  // A browser asks before it sends what no page could send by itself.
  bool is_preflight(const http::RequestHead& head) const;
  // No key but the well-known one leaves otherwise (CT-153).
  bool may_show_keys() const { return loopback_ || !token_.empty(); }
  static http::WireError token_needed(std::string detail);

  // Of each answer, whole lines (CT-155).
  std::string headers() const;

 private:
  bool is_our_host(std::string_view host) const;
  bool is_our_name(const std::string& name) const;
  bool is_allowed_origin(std::string_view origin, std::string_view host) const;

  const bool loopback_;
  const std::string token_;         // empty: none is asked for
  std::vector<std::string> hosts_;  // lower case, beside those that always are
  const std::string cors_origin_;   // empty: no page of another origin
};

// T, or what is in the file of file:PATH. Throws std::runtime_error.
std::string read_control_token(const std::string& given);

}  // namespace app
