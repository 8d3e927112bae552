#pragma once
// devices/{d}[/modules/{m}]/messages/events: device-to-cloud telemetry, alone or in batches (A-11,
// A-40, spec/amqp.md 3.6, 4.1).
#include "protocols/amqp/links/link.hpp"
#include "protocols/amqp/sections.hpp"

namespace amqp {

class TelemetryLink : public Link {
 public:
  TelemetryLink(Connection& connection, pn_link_t* pn, WakeId id, hub::TelemetryOriginPtr origin)
      : Link(connection, pn, id), origin_(std::move(origin)) {}

  int credit() const override { return 1000; }
  void on_message(pn_delivery_t* delivery, std::string_view payload) override;

 private:
  hub::Result<std::shared_ptr<hub::TelemetryMessage>> read(const Sections& sections) const;
  hub::Result<void> take_one(std::string_view payload);
  hub::Result<void> take_batch(std::string_view payload);

  const hub::TelemetryOriginPtr origin_;
};

}  // namespace amqp
