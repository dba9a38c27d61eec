#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::stream {

/// What a source of datagrams has seen.
struct DatagramCounts {
  std::int64_t received = 0;      ///< well-formed ones
  std::int64_t malformed = 0;     ///< left out whole
  std::int64_t lost = 0;          ///< by their numbers, those that came later taken off
  std::int64_t out_of_order = 0;  ///< came after one with a higher number; their events are used
  std::int64_t repeated = 0;      ///< came before; left out
  std::int64_t restarts = 0;      ///< a sender's numbers began anew
  std::int64_t senders = 0;       ///< addresses with port
};

/// Where live events come from. Used by one thread.
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  enum class State { kGoesOn, kEnd };
  /// Replaces `events` by those that are there now, waiting at most `timeout` for the first; there may be
  /// none. A few times kReadEvents at most. Throws FormatError or DataError where it cannot go on; `events`
  /// then holds those before the damage.
  virtual State read(std::vector<events::Event>& events, std::chrono::milliseconds timeout) = 0;
  /// "standard input", "udp:127.0.0.1:3000", "udp:[::1]:3000", the path: for messages.
  virtual const std::string& name() const = 0;
  /// Null but for datagrams. Read by another thread after the stream has ended only.
  virtual const DatagramCounts* datagrams() const { return nullptr; }
  /// Events that the source itself left out (recordings with drop_outside).
  virtual std::int64_t left_out() const { return 0; }
  /// The order of a recording's columns that nothing names (formats::EventReader::columns_by_value()), or "".
  virtual std::string columns_by_value() const { return ""; }
};

constexpr std::size_t kReadEvents = 4096;

/// Called with the sensor that a stream says it comes from, before its first event; throws DataError unless
/// it fits.
using SensorCheck = std::function<void(int width, int height)>;

/// A recording, played: an event `speed` times as fast as it was recorded (1: real time), by its time from
/// the first event on; 0: as fast as it is taken. Throws what formats::open_events throws.
std::unique_ptr<LiveSource> recording_source(const std::string& path,
                                             const formats::EventReaderOptions& options, double speed,
                                             const SensorCheck& check);

/// How the bytes of a pipe are read.
struct PipeOptions {
  enum class Format { kAuto, kPacked, kCsv } format = Format::kAuto;  ///< kAuto: by the first bytes
  std::vector<std::string> columns{"t", "x", "y", "p"};               ///< of csv whose first line names none
};

/// Standard input ("-"), a named pipe or a character device. Throws DataError if it cannot be opened,
/// ConfigError for columns that are no permutation of t, x, y, p and "_".
std::unique_ptr<LiveSource> pipe_source(const std::string& path, const PipeOptions& options,
                                        const SensorCheck& check);

/// Datagrams sent to "PORT" (of 127.0.0.1), "HOST:PORT" or "[HOST]:PORT"; port 0: a free one, name() has it.
/// Throws ConfigError for an address that is none, DataError if it cannot listen there.
std::unique_ptr<LiveSource> datagram_source(const std::string& address);

}  // namespace spikeloom::stream
