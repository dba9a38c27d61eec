#pragma once

namespace spikeloom::app {

/// The program is two: `spikeloom`, and `spikeloom-training` next to it with the commands that need LibTorch.
/// Loading LibTorch takes most of a second, which nobody should wait who asks for help or converts a
/// recording, and a machine that only runs networks need not have it.
///
/// If the first argument is a command of spikeloom-training, that program takes the place of this one: the
/// same process, arguments and descriptors. Returns if it is none, and always in spikeloom-training itself.
/// Throws Error if the program is not there.
void start_training_program(char** argv);

}  // namespace spikeloom::app
