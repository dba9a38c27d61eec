# make install: program, shared libraries, headers, Python package, recipes, documentation, and a package for
# find_package(Spikeloom).
include(CMakePackageConfigHelpers)
include(SpikeloomPython)

set(doc_dir ${CMAKE_INSTALL_DATAROOTDIR}/doc/spikeloom)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Spikeloom)
if(SPIKELOOM_WITH_TORCH)
  install(TARGETS spikeloom_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(TARGETS spikeloom_training_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT training)
  include(SpikeloomPages)
  # Finds libspikeloom_core beside it.
  set_target_properties(spikeloom_library PROPERTIES INSTALL_RPATH "$ORIGIN")
endif()
# A library belongs to a component, the name that a linker looks for to that of the headers.
foreach(library spikeloom_runtime_library:runtime spikeloom_events_library:events spikeloom_core_library:program
                spikeloom_library:training)
  string(REPLACE ":" ";" library ${library})
  list(GET library 0 target)
  list(GET library 1 component)
  if(TARGET ${target})
    install(TARGETS ${target} EXPORT SpikeloomTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            COMPONENT ${component} NAMELINK_COMPONENT development)
  endif()
endforeach()
install(DIRECTORY spikeloom DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")
# From the file to the prefix, so that an installation may be made, or moved, anywhere.
file(RELATIVE_PATH SPIKELOOM_PC_TO_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
foreach(name runtime events)
  configure_file(cmake/spikeloom-${name}.pc.in ${CMAKE_BINARY_DIR}/spikeloom-${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/spikeloom-${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT development)
endforeach()
install(DIRECTORY python/spikeloom DESTINATION ${SPIKELOOM_PYTHON_DIR} COMPONENT python
        FILES_MATCHING PATTERN "*.py")
install(DIRECTORY recipes studies DESTINATION ${CMAKE_INSTALL_DATADIR}/spikeloom COMPONENT program
        FILES_MATCHING PATTERN "*.toml")
# As in the source tree, so that the links between pages hold.
install(FILES ARCHITECTURE.md CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE README.md DESTINATION ${doc_dir}
        COMPONENT program)
install(DIRECTORY docs examples DESTINATION ${doc_dir} COMPONENT program)
install(DIRECTORY recipes studies DESTINATION ${doc_dir} COMPONENT program FILES_MATCHING PATTERN "*.toml")
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
install(EXPORT SpikeloomTargets NAMESPACE Spikeloom:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(cmake/SpikeloomConfig.cmake.in ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/SpikeloomConfig.cmake ${CMAKE_BINARY_DIR}/SpikeloomConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT development)
if(SPIKELOOM_PACKAGE)
  include(SpikeloomPackage)
endif()
