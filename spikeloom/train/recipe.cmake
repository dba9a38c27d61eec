# Recipes are read without LibTorch, so they are a module of their own inside train/.
spikeloom_module(recipe SOURCES ${CMAKE_CURRENT_LIST_DIR}/recipe.cpp LINK spikeloom_config spikeloom_events
  spikeloom_formats spikeloom_model)
