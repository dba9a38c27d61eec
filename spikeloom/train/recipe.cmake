# Recipes, studies and model files are read without LibTorch, so they are a module of their own inside train/.
spikeloom_module(recipe LIGHT TOGETHER
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/recipe/recipe.cpp ${CMAKE_CURRENT_LIST_DIR}/recipe/recipe_changes.cpp
          ${CMAKE_CURRENT_LIST_DIR}/recipe/recipe_checks.cpp ${CMAKE_CURRENT_LIST_DIR}/recipe/schedule.cpp
          ${CMAKE_CURRENT_LIST_DIR}/recipe/study.cpp ${CMAKE_CURRENT_LIST_DIR}/recipe/study_results.cpp
          ${CMAKE_CURRENT_LIST_DIR}/run/model_info.cpp ${CMAKE_CURRENT_LIST_DIR}/run/model_tensors.cpp
  LINK spikeloom_config spikeloom_events spikeloom_formats spikeloom_model nlohmann_json::nlohmann_json fmt::fmt)
# Not with the others, which the runtime's library has to read: it would have these, too.
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/recipe/recipe_changes.cpp ${CMAKE_CURRENT_LIST_DIR}/recipe/study.cpp
                            ${CMAKE_CURRENT_LIST_DIR}/recipe/study_results.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
