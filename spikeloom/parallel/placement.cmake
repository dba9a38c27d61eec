# Which of several processes this one is: known without LibTorch, so a module of its own inside parallel/.
spikeloom_module(placement LIGHT SOURCES ${CMAKE_CURRENT_LIST_DIR}/placement.cpp LINK spikeloom_base)
