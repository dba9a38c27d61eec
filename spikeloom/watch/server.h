#pragma once
// An HTTP server for pages that only look: GET, a few connections, little memory.
#include <functional>
#include <memory>
#include <string>

#include "spikeloom/watch/open_connections.h"

namespace spikeloom::watch {

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body;
};

/// A response of one line of text.
Response text_response(int status, const std::string& text);

struct ServerSettings {
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6, of the machine
  int port = 0;                       ///< 0: one that is free
  int most_connections = 128;         ///< when one more comes the oldest ends
  int timeout_s = 5;                  ///< of a connection on which nothing moves
  ConnectionTimes times;
};

/// Asked with the path of a request, as it was sent up to '?', on the server's only thread. What it throws
/// becomes status 500.
using Handler = std::function<Response(const std::string& path)>;

/// Serves from construction to destruction. Answers only GET, without a body, with a Host header that names
/// this server by an address (or "localhost", or the machine's name where it does not listen on loopback
/// only) and its port, and an Origin, if there is one, of its own: a page of another site, or one whose name
/// was made to lead here, gets 403. A request line with headers above 32 KiB is refused. A connection carries
/// one request, which has its time (OpenConnections): clients that dawdle keep nobody out.
class Server {
 public:
  /// Throws DataError if the address is none or its port is in use.
  Server(const ServerSettings& settings, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  /// "http://127.0.0.1:8080/".
  std::string url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom::watch
