#pragma once
#include "clients/hub_client/error.hpp"

#include <doctest/doctest.h>

// The kind of the Error that `call` throws; a failure if it throws none.
iothub::ErrorKind kind_of(const auto& call) {
  try {
    call();
  } catch (const iothub::Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return iothub::ErrorKind::protocol_error;
}
