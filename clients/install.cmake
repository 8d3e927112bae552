# What an outside project gets: the library, its public headers, and a package for find_package.
# In this tree includes are written from the repository root; outside it they are
# <iothub_client/...>, so the copies that are installed have that one prefix changed.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(public_headers
  cancellation connection_string device_client error message options registry_client retry sas_token
  service_client time transport)
foreach(name ${public_headers})
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/hub_client/${name}.hpp)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} text)
  string(REPLACE "\"clients/hub_client/" "\"iothub_client/" text "${text}")
  file(CONFIGURE OUTPUT include/iothub_client/${name}.hpp CONTENT "${text}" @ONLY)
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/iothub_client)
configure_package_config_file(iothub_client-config.cmake.in iothub_client-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(iothub_client-config-version.cmake COMPATIBILITY SameMinorVersion)

# COMPONENT: `cmake --install BUILD --component iothub_client` installs the library alone.
install(TARGETS iothub_client EXPORT iothub_client
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT iothub_client
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/include/iothub_client
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT iothub_client)
install(EXPORT iothub_client NAMESPACE iothub:: FILE iothub_client-targets.cmake
  DESTINATION ${package_dir} COMPONENT iothub_client)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/iothub_client-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/iothub_client-config-version.cmake
  ${CMAKE_CURRENT_SOURCE_DIR}/FindProton.cmake
  DESTINATION ${package_dir} COMPONENT iothub_client)
