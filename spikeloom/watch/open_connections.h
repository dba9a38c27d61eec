#pragma once
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <thread>

namespace spikeloom::watch {

/// How long a connection may take, however busily it sends or reads.
struct ConnectionTimes {
  std::chrono::milliseconds request{5000};  ///< from its beginning until its request is whole
  std::chrono::milliseconds answer{60000};  ///< from then until the answer is taken
};

/// The connections of a server. Those that take too long are ended; of more than `most` the oldest ends at
/// once and makes way: a request that comes as a whole is answered however many others dawdle. Ended means
/// that the socket is shut down in both directions; whoever owns it closes it. One thread of its own;
/// functions may be called from any other.
class OpenConnections {
 public:
  OpenConnections(std::size_t most, const ConnectionTimes& times);
  ~OpenConnections();
  OpenConnections(const OpenConnections&) = delete;
  OpenConnections& operator=(const OpenConnections&) = delete;

  void opened(int socket);
  /// Its request is whole.
  void asked(int socket);
  /// To be called before the socket is closed: its number may then be another's.
  void closed(int socket);

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    Clock::time_point opened, end;
  };

  void watch_times();

  std::size_t most_;
  ConnectionTimes times_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::map<int, Connection> open_;  ///< by socket; without those that were ended
  std::thread thread_;              ///< the last member: it uses the others
};

}  // namespace spikeloom::watch
