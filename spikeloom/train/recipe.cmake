# Recipes and studies are read without LibTorch, so they are a module of their own inside train/.
spikeloom_module(recipe
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/recipe.cpp ${CMAKE_CURRENT_LIST_DIR}/recipe_changes.cpp
          ${CMAKE_CURRENT_LIST_DIR}/recipe_checks.cpp
          ${CMAKE_CURRENT_LIST_DIR}/study.cpp ${CMAKE_CURRENT_LIST_DIR}/study_results.cpp
  LINK spikeloom_config spikeloom_events spikeloom_formats spikeloom_model nlohmann_json::nlohmann_json fmt::fmt)
