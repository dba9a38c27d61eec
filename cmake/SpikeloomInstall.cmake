# make install: program, the two shared libraries, headers, recipes, and a package for find_package(Spikeloom).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Spikeloom)
set(targets spikeloom_core_library)
if(SPIKELOOM_WITH_TORCH)
  list(APPEND targets spikeloom_library)
  install(TARGETS spikeloom_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # Finds libspikeloom_core beside it.
  set_target_properties(spikeloom_library PROPERTIES INSTALL_RPATH "$ORIGIN")
endif()
install(TARGETS ${targets} EXPORT SpikeloomTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY spikeloom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/spikeloom FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY studies DESTINATION ${CMAKE_INSTALL_DATADIR}/spikeloom FILES_MATCHING PATTERN "*.toml")
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT SpikeloomTargets NAMESPACE Spikeloom:: DESTINATION ${package_dir})
configure_package_config_file(cmake/SpikeloomConfig.cmake.in ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake ${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake
        DESTINATION ${package_dir})
