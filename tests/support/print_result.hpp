#pragma once
// How doctest shows a Result: `ok`, or the hub's name of the error and its detail.
#include "emulator/core/base/error.hpp"

#include <doctest/doctest.h>

template <class T>
struct doctest::StringMaker<hub::Result<T>> {
  static String convert(const hub::Result<T>& result) {
    if (result) return "ok";
    return (std::string(hub::name_of(result.error().code)) + ": " + result.error().detail).c_str();
  }
};
