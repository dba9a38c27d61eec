#include "spikeloom/watch/server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::watch {
namespace {

constexpr std::size_t kConnectionMemory = 32 * 1024;
/// Places for connections that are ended and not closed yet.
constexpr int kEnding = 32;

struct Address {
  sockaddr_storage storage{};
  bool is_v6 = false, is_loopback = false;
};

Address parse_address(const std::string& text, int port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    address.is_loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    address.is_v6 = true;
    address.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
  } else {
    throw ConfigError("'" + text + "' is no IPv4 or IPv6 address; 127.0.0.1 is this machine only");
  }
  return address;
}

/// Names of hosts are the same in either case (RFC 9110, 4.2.3).
std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

/// "host" and "port" of a Host header; the port is 80 where it has none.
std::pair<std::string, std::string> split_host(const std::string& host) {
  const bool bracketed = !host.empty() && host.front() == '[';
  const std::size_t end = bracketed ? host.find(']') : std::string::npos;
  if (bracketed && end == std::string::npos) return {};
  const std::size_t colon = host.find(':', bracketed ? end : 0);
  const std::string name = bracketed ? host.substr(1, end - 1) : host.substr(0, colon);
  return {name, colon == std::string::npos ? "80" : host.substr(colon + 1)};
}

bool is_address(const std::string& text) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

std::string machine_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

void no_log(void* /*closure*/, const char* /*format*/, va_list /*arguments*/) {}

int socket_of(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

void drop_body(void* body) { delete static_cast<std::shared_ptr<const std::string>*>(body); }

}  // namespace

Response text_response(int status, const std::string& text) {
  return {status, "text/plain; charset=utf-8", std::make_shared<const std::string>(text + "\n")};
}

struct Server::Impl {
  Impl(const ServerSettings& settings_, Handler handler_)
      : settings(settings_),
        handler(std::move(handler_)),
        connections(static_cast<std::size_t>(settings.most_connections), settings.times) {}

  ServerSettings settings;
  Handler handler;
  OpenConnections connections;
  Address address;
  MHD_Daemon* daemon = nullptr;
  int port = 0;

  const char* header(MHD_Connection* connection, const char* name) const {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  }

  bool names_this_server(const std::string& host) const {
    const auto [name, given_port] = split_host(lower_case(host));
    if (given_port != std::to_string(port)) return false;
    if (name == "localhost" || name == lower_case(settings.address)) return true;
    if (address.is_loopback) return name == "127.0.0.1" || name == "::1";
    return is_address(name) || (!name.empty() && name == lower_case(machine_name()));
  }

  Response answer(MHD_Connection* connection, const std::string& method, const std::string& path) {
    const char* const host = header(connection, MHD_HTTP_HEADER_HOST);
    if (host == nullptr || !names_this_server(host)) {
      return text_response(403, "The Host header does not name this server");
    }
    const char* const origin = header(connection, "Origin");
    if (origin != nullptr && lower_case(origin) != "http://" + lower_case(host)) {
      return text_response(403, "Pages of other sites are not answered");
    }
    const char* const site = header(connection, "Sec-Fetch-Site");
    if (site != nullptr && std::strcmp(site, "cross-site") == 0 &&
        header(connection, "Sec-Fetch-Mode") != nullptr &&
        std::strcmp(header(connection, "Sec-Fetch-Mode"), "navigate") != 0) {
      return text_response(403, "Pages of other sites are not answered");
    }
    if (method != MHD_HTTP_METHOD_GET) return text_response(405, "Only GET is answered");
    const char* const length = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if ((length != nullptr && std::strcmp(length, "0") != 0) ||
        header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) != nullptr) {
      return text_response(413, "A request has no body here");
    }
    try {
      return handler(path);
    } catch (const std::exception& error) {
      return text_response(500, error.what());
    }
  }

  static void note(void* self, MHD_Connection* connection, void** /*of_connection*/,
                   MHD_ConnectionNotificationCode what) {
    auto& connections = static_cast<Impl*>(self)->connections;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
      connections.opened(socket_of(connection));
    } else {
      connections.closed(socket_of(connection));
    }
  }

  static MHD_Result serve(void* of_server, MHD_Connection* connection, const char* path, const char* method,
                          const char* /*version*/, const char* /*upload*/, std::size_t* /*upload_size*/,
                          void** /*of_connection*/) {
    auto* const self = static_cast<Impl*>(of_server);
    self->connections.asked(socket_of(connection));
    // Answered at once, so that a body is never read.
    const Response response = self->answer(connection, method, path);
    // Slow readers of one page share it.
    auto* const body = new std::shared_ptr<const std::string>(response.body);
    MHD_Response* const reply = MHD_create_response_from_buffer_with_free_callback_cls(
        (*body)->size(), const_cast<char*>((*body)->data()), &drop_body, body);
    if (reply == nullptr) {
      drop_body(body);
      return MHD_NO;
    }
    MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response.type.c_str());
    MHD_add_response_header(reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(reply, MHD_HTTP_HEADER_CONNECTION, "close");
    MHD_add_response_header(reply, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(reply, "X-Frame-Options", "DENY");
    MHD_add_response_header(reply, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
    if (response.status == 405) MHD_add_response_header(reply, MHD_HTTP_HEADER_ALLOW, "GET");
    const MHD_Result result = MHD_queue_response(connection, static_cast<unsigned>(response.status), reply);
    MHD_destroy_response(reply);
    return result;
  }

  /// As it was sent: "%2e%2e" stays what it is.
  static std::size_t keep_escapes(void* /*closure*/, MHD_Connection* /*connection*/, char* text) {
    return std::strlen(text);
  }
};

Server::Server(const ServerSettings& settings, Handler handler)
    : impl_(std::make_unique<Impl>(settings, std::move(handler))) {
  impl_->address = parse_address(settings.address, settings.port);
  unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG;
  if (impl_->address.is_v6) flags |= MHD_USE_IPv6;
  errno = 0;
  impl_->daemon = MHD_start_daemon(
      flags, static_cast<std::uint16_t>(settings.port), nullptr, nullptr, &Impl::serve, impl_.get(),
      MHD_OPTION_EXTERNAL_LOGGER, &no_log, nullptr, MHD_OPTION_SOCK_ADDR, &impl_->address.storage,
      MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(settings.most_connections + kEnding),
      MHD_OPTION_NOTIFY_CONNECTION, &Impl::note, impl_.get(), MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(settings.timeout_s), MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
      MHD_OPTION_UNESCAPE_CALLBACK, &Impl::keep_escapes, nullptr, MHD_OPTION_END);
  if (impl_->daemon == nullptr) {
    throw DataError(settings.address + ":" + std::to_string(settings.port) + ": cannot listen there: " +
                    (errno != 0 ? std::strerror(errno) : "refused") + "; use another port (--port)");
  }
  const MHD_DaemonInfo* const info = MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  impl_->port = info != nullptr ? info->port : settings.port;
}

Server::~Server() { MHD_stop_daemon(impl_->daemon); }

int Server::port() const { return impl_->port; }

std::string Server::url() const {
  const std::string& address = impl_->settings.address;
  return "http://" + (impl_->address.is_v6 ? "[" + address + "]" : address) + ":" +
         std::to_string(impl_->port) + "/";
}

}  // namespace spikeloom::watch
