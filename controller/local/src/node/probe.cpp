#include "probe.hpp"

#include <algorithm>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <istream>

#include "codeexec/local/object.hpp"

namespace codeexec::local {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using nlohmann::json;

constexpr std::size_t longest_status_line = 4096;

unsigned short probed_port(json const& port, json const& container) {
  if (port.is_number_integer()) {
    return port.get<unsigned short>();
  }
  auto const& ports = at_path(container, "ports");
  for (std::size_t i = 0; ports.is_array() && i < ports.size(); ++i) {
    if (port.is_string() && at_path(ports[i], "name") == port) {
      return static_cast<unsigned short>(integer_at(ports[i], "containerPort").value_or(0));
    }
  }
  return 0;
}

}  // namespace

base::result<probe_settings> read_probe(json const& probe, json const& container) {
  probe_settings out;
  auto const number = [&probe](char const* name, std::int64_t otherwise) {
    return integer_at(probe, name).value_or(otherwise);
  };
  out.initial_delay = std::chrono::seconds(number("initialDelaySeconds", 0));
  out.period = std::chrono::seconds(std::max<std::int64_t>(1, number("periodSeconds", 10)));
  out.timeout = std::chrono::seconds(std::max<std::int64_t>(1, number("timeoutSeconds", 1)));
  out.successes = static_cast<int>(number("successThreshold", 1));
  out.failures = static_cast<int>(number("failureThreshold", 3));
  auto const& request = at_path(probe, "httpGet");
  auto const& connection = at_path(probe, "tcpSocket");
  if (request.is_object()) {
    if (string_at(request, "scheme") == "HTTPS") {
      return base::error("this node makes no probes over HTTPS");
    }
    out.path = string_at(request, "path").empty() ? "/" : string_at(request, "path");
    out.port = probed_port(at_path(request, "port"), container);
  } else if (connection.is_object()) {
    out.http = false;
    out.port = probed_port(at_path(connection, "port"), container);
  } else {
    return base::error("this node makes probes of httpGet and tcpSocket alone");
  }
  if (out.port == 0) {
    return base::error("a probe names a port that the container does not have");
  }
  return out;
}

std::optional<bool> probe_verdict::add(bool good) {
  in_a_row_ = good == last_ ? in_a_row_ + 1 : 1;
  last_ = good;
  return in_a_row_ >= (good ? successes_ : failures_) ? std::optional(good) : std::nullopt;
}

struct prober::state : std::enable_shared_from_this<prober::state> {
  state(asio::any_io_executor const& executor, probe_settings s, asio::ip::address a, socket_maker m,
        std::function<void(bool, std::string const&)> to)
      : settings(std::move(s)),
        where(a, settings.port),
        make(std::move(m)),
        answer(std::move(to)),
        timer(executor),
        limit(executor) {}

  probe_settings settings;
  tcp::endpoint where;
  socket_maker make;
  std::function<void(bool, std::string const&)> answer;
  asio::steady_timer timer;  ///< until the next asking
  asio::steady_timer limit;  ///< of the present one
  std::optional<tcp::socket> socket;
  std::string question;
  asio::streambuf reply{longest_status_line};
  std::uint64_t round = 0;  ///< what belongs to an earlier asking is not listened to
  bool ended = false;

  void wait(std::chrono::steady_clock::duration time) {
    timer.expires_after(time);
    timer.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->ended) {
        self->ask();
      }
    });
  }

  void ask() {
    auto made = make();
    if (!made) {
      ++round;
      conclude(round, made.error().message);
      return;
    }
    socket.emplace(std::move(*made));
    reply.consume(reply.size());
    auto const mine = ++round;
    limit.expires_after(settings.timeout);
    limit.async_wait([self = shared_from_this(), mine](error_code error) {
      if (!error) {
        self->conclude(mine, self->described() + ": context deadline exceeded (no answer in time)");
      }
    });
    socket->async_connect(where, [self = shared_from_this(), mine](error_code error) {
      if (self->ended || self->round != mine) {
        return;
      }
      if (error) {
        self->conclude(mine, self->described() + ": dial tcp " + self->address() + ": connect: " + error.message());
      } else if (!self->settings.http) {
        self->conclude(mine, {});
      } else {
        self->write(mine);
      }
    });
  }

  void write(std::uint64_t mine) {
    question = "GET " + settings.path + " HTTP/1.1\r\nHost: " + address() +
               "\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    asio::async_write(*socket, asio::buffer(question),
                      [self = shared_from_this(), mine](error_code error, std::size_t) {
                        if (self->ended || self->round != mine) {
                          return;
                        }
                        if (error) {
                          self->conclude(mine, self->described() + ": " + error.message());
                        } else {
                          self->read(mine);
                        }
                      });
  }

  void read(std::uint64_t mine) {
    asio::async_read_until(*socket, reply, "\r\n", [self = shared_from_this(), mine](error_code error, std::size_t) {
      if (!self->ended && self->round == mine) {
        self->conclude(mine, error ? self->described() + ": " + error.message() : self->status_fault());
      }
    });
  }

  /// Empty where the status is one of 200 to 399.
  std::string status_fault() {
    std::istream lines(&reply);
    std::string protocol;
    int status = 0;
    lines >> protocol >> status;
    return status >= 200 && status < 400 ? std::string()
                                         : "HTTP probe failed with statuscode: " + std::to_string(status);
  }

  std::string address() const { return where.address().to_string() + ":" + std::to_string(where.port()); }
  std::string described() const {
    return settings.http ? "Get \"http://" + address() + settings.path + "\"" : std::string("tcp probe");
  }

  void conclude(std::uint64_t mine, std::string const& why) {
    if (ended || round != mine) {
      return;
    }
    ++round;
    limit.cancel();
    socket.reset();
    auto const keep = shared_from_this();  // the answer may end us
    wait(settings.period);
    answer(why.empty(), why);
  }

  void end() {
    ended = true;
    timer.cancel();
    limit.cancel();
    socket.reset();
  }
};

prober::prober(asio::any_io_executor executor, probe_settings settings, asio::ip::address where, socket_maker make,
               std::function<void(bool, std::string const&)> answer)
    : state_(std::make_shared<state>(executor, std::move(settings), where, std::move(make), std::move(answer))) {
  state_->wait(state_->settings.initial_delay);
}

prober::~prober() {
  state_->end();
}

}  // namespace codeexec::local
