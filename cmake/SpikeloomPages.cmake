# Manual pages and bash completion, made by the build from the program's help (tools/program_pages.py).
if(CMAKE_CROSSCOMPILING OR NOT Python3_Interpreter_FOUND)
  return()
endif()
set(pages ${CMAKE_BINARY_DIR}/pages)
add_custom_command(OUTPUT ${pages}.stamp
  COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/tools/program_pages.py $<TARGET_FILE:spikeloom_program> ${pages}
  COMMAND ${CMAKE_COMMAND} -E touch ${pages}.stamp
  DEPENDS spikeloom_program spikeloom_training_program tools/program_pages.py tools/completion.bash.in
  COMMENT "Manual pages and completion from the program's help" VERBATIM)
add_custom_target(spikeloom_pages ALL DEPENDS ${pages}.stamp)
install(DIRECTORY ${pages}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program OPTIONAL)
install(DIRECTORY ${pages}/completion/ DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions
        COMPONENT program OPTIONAL)
