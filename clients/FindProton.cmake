# Qpid Proton as Debian has it: Proton::core, the protocol engine, and Proton::cpp, the C++ binding.
#
# Debian has a development link only for the legacy all-in-one libqpid-proton.so; the C++ binding
# needs libqpid-proton-core.so.10, and both must not meet in one program. So: core, by file name.
# Its libqpid-proton-cpp.pc requires two .pc files that Debian does not ship, hence no pkg-config.
# Installed with the client library's package, which needs it as well.
find_library(Proton_CORE_LIBRARY NAMES libqpid-proton-core.so.10 libqpid-proton-core.so qpid-proton-core)
find_library(Proton_CPP_LIBRARY NAMES qpid-proton-cpp)
find_path(Proton_INCLUDE_DIR proton/connection_driver.h)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Proton
  REQUIRED_VARS Proton_CORE_LIBRARY Proton_CPP_LIBRARY Proton_INCLUDE_DIR)
mark_as_advanced(Proton_CORE_LIBRARY Proton_CPP_LIBRARY Proton_INCLUDE_DIR)

if(Proton_FOUND AND NOT TARGET Proton::core)
  add_library(Proton::core UNKNOWN IMPORTED)
  set_target_properties(Proton::core PROPERTIES
    IMPORTED_LOCATION ${Proton_CORE_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${Proton_INCLUDE_DIR})
  add_library(Proton::cpp UNKNOWN IMPORTED)
  set_target_properties(Proton::cpp PROPERTIES
    IMPORTED_LOCATION ${Proton_CPP_LIBRARY} INTERFACE_LINK_LIBRARIES Proton::core)
endif()
