# make install: program, the two shared libraries, headers, recipes, documentation, and a package for
# find_package(Spikeloom).
include(CMakePackageConfigHelpers)

set(doc_dir ${CMAKE_INSTALL_DATAROOTDIR}/doc/spikeloom)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Spikeloom)
set(targets spikeloom_core_library spikeloom_runtime_library)
if(SPIKELOOM_WITH_TORCH)
  list(APPEND targets spikeloom_library)
  install(TARGETS spikeloom_program spikeloom_training_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # Finds libspikeloom_core beside it.
  set_target_properties(spikeloom_library PROPERTIES INSTALL_RPATH "$ORIGIN")
endif()
install(TARGETS ${targets} EXPORT SpikeloomTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY spikeloom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
configure_file(cmake/spikeloom-runtime.pc.in ${CMAKE_BINARY_DIR}/spikeloom-runtime.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/spikeloom-runtime.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/spikeloom FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY studies DESTINATION ${CMAKE_INSTALL_DATADIR}/spikeloom FILES_MATCHING PATTERN "*.toml")
# As in the source tree, so that the links between pages hold.
install(FILES ARCHITECTURE.md CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE README.md DESTINATION ${doc_dir})
install(DIRECTORY docs examples DESTINATION ${doc_dir})
install(DIRECTORY recipes studies DESTINATION ${doc_dir} FILES_MATCHING PATTERN "*.toml")
# The LibTorch that libspikeloom was built with: Spikeloom::torch has to be the same.
if(SPIKELOOM_WITH_TORCH)
  get_target_property(built_torch_features spikeloom_torch INTERFACE_COMPILE_FEATURES)
  string(REPLACE "built_torch_features-NOTFOUND" "" built_torch_features "${built_torch_features}")
  if(SPIKELOOM_TORCH_ROOT)
    get_target_property(built_torch_includes spikeloom_torch INTERFACE_INCLUDE_DIRECTORIES)
    get_target_property(built_torch_libraries spikeloom_torch INTERFACE_LINK_LIBRARIES)
    list(FILTER built_torch_libraries EXCLUDE REGEX "::")  # CUDA's and OpenMP's: of our own sources
  endif()
endif()
install(EXPORT SpikeloomTargets NAMESPACE Spikeloom:: DESTINATION ${package_dir})
configure_package_config_file(cmake/SpikeloomConfig.cmake.in ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake ${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake
        DESTINATION ${package_dir})
