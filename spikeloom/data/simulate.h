#pragma once
// Image sets to simulated recordings on disk, laid out as the event sets that were really recorded from them.
#include <cstdint>
#include <functional>
#include <string>

namespace spikeloom::data {

/// The file beside simulated recordings that says what they are.
constexpr const char* kSimulatedNote = "SIMULATED.txt";

/// Which images become recordings, and where they are written.
struct SimulateSettings {
  std::string dataset;     ///< "mnist", "fashion-mnist" (as N-MNIST) or "cifar10" (as DVS-CIFAR10)
  std::string data_dir;    ///< where the images are looked for, as open_dataset() does
  bool test_part = false;  ///< images of the test part; then mnist is written into Test instead of Train
  std::int64_t first = 1;  ///< number of the first recording, from 1; number k shows image k - 1
  std::int64_t count = 0;  ///< recordings, 0 = all from the first on
  std::uint64_t seed = 1;
  bool sensor_per_recording = false;  ///< mismatch of the pixels drawn anew for each
};

/// What was written.
struct SimulateResult {
  std::int64_t recordings = 0, events = 0, on = 0;
  std::string format;  ///< name of the file format
};

/// Simulates recordings (events/saccade_simulator.h) and writes them below `folder`, which is made:
///   mnist, fashion-mnist   Train/<digit>/<5 digits>.bin or Test/...
///   cifar10                <class>/cifar10_<class>_<number>.aedat; number = rank in its class, from 0
/// and beside them SIMULATED.txt, which says what they are and how they were made. Each file is written whole
/// or not at all; one that is there is replaced by the same bytes. The bytes depend on the settings only, not
/// on threads or on which other recordings are made. `progress(done, all)` is called now and then, one call
/// at a time. Throws ConfigError for an unknown set or a range outside it; DataError if images are missing, a
/// file cannot be written, the folder holds other files and no SIMULATED.txt (simulated recordings are never
/// mixed into a folder of real ones), or it holds another simulation. Only the identical simulation goes on
/// in its folder, and the other part of an N-MNIST with the same settings is added to it.
SimulateResult simulate_dataset(const SimulateSettings& settings, const std::string& folder,
                                const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace spikeloom::data
