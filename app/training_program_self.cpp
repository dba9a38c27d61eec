// Of spikeloom-training, which need not be started.
#include "app/training_program.h"

namespace spikeloom::app {

void start_training_program(char**) {}

}  // namespace spikeloom::app
