#include "emulator/app/host_names.hpp"

#include <doctest/doctest.h>

#include "emulator/app/start_report.hpp"

#include <algorithm>

TEST_CASE("APP-30 connection strings name what --listen and --hub can be reached by") {
  const std::vector<std::string> machine{"box", "10.77.0.5"};
  struct Row {
    const char *hub, *listen, *by_name, *by_address;
    bool names_machine;
  };
  for (const Row& row : {
           Row{"localhost", "127.0.0.1", "localhost", "127.0.0.1", false},
           Row{"localhost", "localhost", "localhost", "127.0.0.1", false},
           Row{"localhost", "127.0.0.2", "127.0.0.2", "127.0.0.2", false},
           Row{"localhost", "10.77.0.5", "10.77.0.5", "10.77.0.5", false},
           Row{"localhost", "0.0.0.0", "localhost", "127.0.0.1", true},
           Row{"localhost", "::", "localhost", "127.0.0.1", true},
           Row{"localhost", "fd00::1", "[fd00::1]", "", false},
           Row{"my.hub", "10.77.0.5", "my.hub", "10.77.0.5", false},
           Row{"my.hub", "0.0.0.0", "my.hub", "127.0.0.1", true},
       }) {
    INFO(row.hub, " ", row.listen);
    const auto names = app::host_names(row.hub, row.listen, machine);
    CHECK(names.by_name == row.by_name);
    CHECK(names.by_address == row.by_address);
    CHECK(names.machine == (row.names_machine ? machine : std::vector<std::string>{}));
  }
}

TEST_CASE("APP-30 the CA's URL is one that leads to the control API") {
  CHECK(app::ca_url("127.0.0.1", 9400) == "http://127.0.0.1:9400/ca.pem");
  CHECK(app::ca_url("0.0.0.0", 9400) == "http://127.0.0.1:9400/ca.pem");
  CHECK(app::ca_url("10.77.0.5", 1) == "http://10.77.0.5:1/ca.pem");
  CHECK(app::ca_url("::1", 9400) == "http://[::1]:9400/ca.pem");
}

TEST_CASE("APP-31 the usual names of the certificate, each once, however it is written") {
  const auto names = app::certificate_names({"LOCALHOST", "0:0::1", "other"});
  const auto count = [&](const char* name) { return std::count(names.begin(), names.end(), name); };
  for (const char* name : {"localhost", "*.localhost", "*.iothub.localhost", "127.0.0.1", "::1",
                           "host.docker.internal", "other"}) {
    INFO(name);
    CHECK(count(name) == 1);
  }
  CHECK(count("LOCALHOST") == 0);
  CHECK(count("0:0::1") == 0);
}
