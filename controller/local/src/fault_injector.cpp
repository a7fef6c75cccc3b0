#include "codeexec/local/fault_injector.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "codeexec/local/access_control.hpp"

#include "rest_state.hpp"

namespace codeexec::local {
namespace {

using boost::beast::http::verb;

std::optional<fault_kind> kind_of(std::string const& word) {
  static std::map<std::string, fault_kind> const words = {
      {"delay", fault_kind::delay}, {"status", fault_kind::status}, {"truncate", fault_kind::truncate},
      {"reset", fault_kind::reset}, {"lose", fault_kind::lose},     {"silence", fault_kind::silence},
      {"end", fault_kind::end},     {"cut", fault_kind::cut},       {"expire", fault_kind::expire}};
  auto const found = words.find(word);
  return found == words.end() ? std::nullopt : std::optional(found->second);
}

char const* reason_of(int code) {
  switch (code) {
    case 401:
      return "Unauthorized";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "TooManyRequests";
    case 503:
      return "ServiceUnavailable";
    default:
      return "InternalError";
  }
}

bool fits(std::string const& pattern, std::string const& text) {
  if (pattern.ends_with('*')) {
    return text.starts_with(pattern.substr(0, pattern.size() - 1));
  }
  return pattern.empty() || pattern == text;
}

reply refusal_of(fault const& what) {
  status_error refusal(what.code, what.reason.empty() ? reason_of(what.code) : what.reason,
                       "a fault that was asked for", json::object());
  refusal.retry_after_seconds = what.retry_after_seconds;
  return reply::of(refusal);
}

asio::awaitable<void> wait_for(asio::any_io_executor executor, std::chrono::milliseconds length) {
  asio::steady_timer timer(executor, length);
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> stay_silent(asio::any_io_executor executor, std::chrono::milliseconds length,
                                  net::exchange& towards) {
  if (length == std::chrono::milliseconds(0)) {
    co_await towards.fall_silent();
    co_return;
  }
  co_await wait_for(executor, length);
  towards.reset();
}

constexpr char const* expired_event =
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
    "\"message\":\"too old resource version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}\n";

/// Passes an answer on until the fault strikes.
class disturbed_exchange : public net::exchange {
 public:
  disturbed_exchange(asio::any_io_executor executor, net::exchange& to, fault what)
      : executor_(std::move(executor)), to_(to), fault_(std::move(what)), left_(fault_.after_events) {}

  asio::awaitable<bool> respond(int status, header_list headers, std::string body) override {
    if (fault_.kind == fault_kind::lose) {
      to_.reset();
      co_return false;
    }
    if (fault_.kind == fault_kind::truncate) {
      body.resize(body.size() / 2);
    }
    bool const sent = co_await to_.respond(status, std::move(headers), std::move(body));
    co_return sent;
  }

  asio::awaitable<bool> begin_stream(int status, header_list headers, std::function<void()> on_gone) override {
    bool sent = co_await to_.begin_stream(status, std::move(headers), std::move(on_gone));
    if (sent && left_ == 0 && fault_.kind != fault_kind::cut && fault_.kind != fault_kind::truncate) {
      std::string nothing;
      sent = co_await strike(std::move(nothing));
    }
    co_return sent;
  }

  asio::awaitable<bool> write(std::string chunk) override {
    // The end of the last line that still gets through.
    std::size_t whole = 0;
    while (left_ > 0 && whole < chunk.size()) {
      auto const end = chunk.find('\n', whole);
      whole = end == std::string::npos ? chunk.size() : end + 1;
      left_ -= end == std::string::npos ? 0 : 1;
    }
    bool const half = fault_.kind == fault_kind::cut || fault_.kind == fault_kind::truncate;
    if (left_ > 0 || (half && whole == chunk.size())) {
      bool const sent = co_await to_.write(std::move(chunk));
      co_return sent;
    }
    std::size_t const kept = half ? whole + (chunk.size() - whole) / 2 : whole;
    std::string part = chunk.substr(0, kept);
    bool const sent = co_await to_.write(std::move(part));
    if (!sent) {
      co_return false;
    }
    std::string nothing;
    bool const goes_on = co_await strike(std::move(nothing));
    co_return goes_on;
  }

  void reset() override { to_.reset(); }
  asio::awaitable<void> fall_silent() override { return to_.fall_silent(); }

 private:
  asio::awaitable<bool> strike(std::string line) {
    switch (fault_.kind) {
      case fault_kind::silence:
        co_await stay_silent(executor_, fault_.wait, to_);
        break;
      case fault_kind::expire:
        line = expired_event;
        (void)co_await to_.write(std::move(line));
        break;
      case fault_kind::end:
      case fault_kind::truncate:
        break;
      default:
        to_.reset();
        break;
    }
    co_return false;
  }

  asio::any_io_executor executor_;
  net::exchange& to_;
  fault fault_;
  std::size_t left_;
};

}  // namespace

base::result<fault_rules> fault_rules::parse(json const& list) {
  fault_rules out;
  if (!list.is_array()) {
    return base::error("rules: a list is wanted");
  }
  static std::set<std::string> const texts = {"agent", "verb", "resource", "namespace", "name", "fault", "reason"};
  static std::set<std::string> const numbers = {"from",         "times",      "code", "retryAfterSeconds",
                                                "milliseconds", "afterEvents"};
  for (std::size_t i = 0; i < list.size(); ++i) {
    json const& one = list[i];
    std::string const where = "rules[" + std::to_string(i) + "]";
    if (!one.is_object()) {
      return base::error(where + ": an object is wanted");
    }
    for (auto const& [key, value] : one.items()) {
      bool const good =
          (texts.contains(key) && value.is_string()) || (numbers.contains(key) && value.is_number_unsigned());
      if (!good) {
        return base::error(where + "." + key + ": no such key, or a value of the wrong type");
      }
    }
    auto const number = [&one](char const* key, std::int64_t otherwise) {
      return one.contains(key) ? one.at(key).get<std::int64_t>() : otherwise;
    };
    auto const kind = kind_of(string_at(one, "fault"));
    if (!kind) {
      return base::error(where + ".fault: no such fault: '" + string_at(one, "fault") + "'");
    }
    rule made;
    made.text = one;
    made.pattern = {string_at(one, "agent"), string_at(one, "verb"), string_at(one, "resource"),
                    string_at(one, "namespace"), string_at(one, "name")};
    made.from = number("from", 1);
    made.times = number("times", 1);
    made.what.kind = *kind;
    made.what.code = static_cast<int>(number("code", *kind == fault_kind::expire ? 410 : 500));
    made.what.reason = string_at(one, "reason");
    if (one.contains("retryAfterSeconds")) {
      made.what.retry_after_seconds = static_cast<int>(number("retryAfterSeconds", 1));
    }
    made.what.wait = std::chrono::milliseconds(number("milliseconds", 1000));
    made.what.after_events = static_cast<std::size_t>(number("afterEvents", 0));
    out.rules_.push_back(std::move(made));
  }
  return out;
}

std::optional<fault> fault_rules::next(fault_call const& call) {
  ++calls_[call.describe()];
  for (rule& one : rules_) {
    fault_call const& p = one.pattern;
    if (!fits(p.agent, call.agent) || !fits(p.verb, call.verb) || !fits(p.resource, call.resource) ||
        !fits(p.ns, call.ns) || !fits(p.name, call.name)) {
      continue;
    }
    ++one.seen;
    if (one.seen >= one.from && (one.times == 0 || one.seen < one.from + one.times)) {
      ++one.hits;
      return one.what;
    }
  }
  return std::nullopt;
}

json fault_rules::report() const {
  json rules = json::array();
  for (rule const& one : rules_) {
    rules.push_back(one.text);
    rules.back()["hits"] = one.hits;
  }
  return {{"rules", std::move(rules)}, {"calls", calls_}};
}

asio::awaitable<void> fault_injector::control(net::server_request request, net::exchange& answer) {
  reply out = reply::of(status_error::method_not_allowed());
  std::string const header = request.header("authorization");
  constexpr std::string_view scheme = "Bearer ";
  auto const who = access_ != nullptr && header.starts_with(scheme)
                       ? access_->tokens.authenticate(std::string_view(header).substr(scheme.size()))
                       : std::nullopt;
  if (access_ != nullptr && !(who && who->in_group(masters_group))) {
    attributes what;
    what.verb = "put";
    what.path = "/faults";
    out = reply::of(forbidden(who.value_or(user_info::anonymous()), what));
  } else if (request.method == verb::get) {
    out = reply::of(200, rules_.report());
  } else if (request.method == verb::delete_) {
    rules_ = fault_rules();
    out = reply::of(200, rules_.report());
  } else if (request.method == verb::put) {
    auto parsed = fault_rules::parse(at_path(parse_json(request.body), "rules"));
    if (parsed) {
      rules_ = std::move(*parsed);
    }
    out = parsed ? reply::of(200, rules_.report()) : reply::of(status_error::bad_request(parsed.error().message));
  }
  (void)co_await answer.respond(out.status, std::move(out.headers), std::move(out.body));
}

asio::awaitable<void> fault_injector::handle(net::server_request request, net::exchange& answer) {
  auto const question = request.target.find('?');
  std::string const path = request.target.substr(0, question);
  if (path == "/faults") {
    co_await control(std::move(request), answer);
    co_return;
  }
  auto const resource = parse_resource_path(path);
  std::optional<fault> found;
  if (resource) {
    query const options =
        query::parse(question == std::string::npos ? std::string() : request.target.substr(question + 1));
    attributes const what = attributes_of(request.method, path, &*resource, options);
    std::string const agent = request.header("user-agent");
    fault_call call;
    call.agent = agent.substr(0, agent.find_first_of("/ "));
    call.verb = what.verb;
    call.resource = what.subresource.empty() ? what.resource : what.resource + "/" + what.subresource;
    call.ns = what.ns;
    call.name = what.name;
    found = rules_.next(call);
  }
  if (!found) {
    co_await next_.handle(std::move(request), answer);
    co_return;
  }
  query const options =
      query::parse(question == std::string::npos ? std::string() : request.target.substr(question + 1));
  bool const log = request.method == verb::get && resource->subresource == "log";
  bool const watch = request.method == verb::get && !log && options.flag("watch");
  bool const stream = log || watch;
  bool refuse = found->kind == fault_kind::status || (found->kind == fault_kind::expire && !watch);
  bool const at_once = !stream && (found->kind == fault_kind::reset || found->kind == fault_kind::cut ||
                                   found->kind == fault_kind::end || found->kind == fault_kind::silence);
  if (found->kind == fault_kind::delay) {
    co_await wait_for(executor_, found->wait);
  }
  if (at_once && found->kind == fault_kind::silence) {
    co_await stay_silent(executor_, found->wait, answer);
    co_return;
  }
  if (at_once) {
    answer.reset();
    co_return;
  }
  if (refuse) {
    reply out = refusal_of(*found);
    (void)co_await answer.respond(out.status, std::move(out.headers), std::move(out.body));
    co_return;
  }
  if (found->kind == fault_kind::delay) {
    co_await next_.handle(std::move(request), answer);
    co_return;
  }
  disturbed_exchange between(executor_, answer, std::move(*found));
  co_await next_.handle(std::move(request), between);
}

}  // namespace codeexec::local
