#pragma once
#include <string>

namespace spikeloom::app {

/// To be called before anything else is done. Opens standard streams that are closed on /dev/null, and makes
/// training faster by how freed memory is kept.
void prepare_process(char** argv);

/// By default idle OpenMP threads spin for milliseconds. Between two parallel loops LibTorch's matrix
/// products want the processor for the BLAS's own threads, and on a shared machine others do: spinning makes
/// both wait. Sets the variable that libgomp reads when it is loaded, so it has to be called before the
/// program that computes starts; does nothing for commands that do not compute, or where the user set one.
void wait_without_spinning(const std::string& command);

/// The program as the user called it ("build/release/spikeloom"), for commands to be typed next.
const std::string& program_path();

/// What was given to prepare_process().
char** program_arguments();

}  // namespace spikeloom::app
