#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/async/deadline.hpp"
#include "codeexec/base/backoff.hpp"
#include "codeexec/cli/exit_code.hpp"
#include "codeexec/cli/follower.hpp"
#include "codeexec/cli/manifest.hpp"
#include "codeexec/cli/progress.hpp"
#include "codeexec/cli/render.hpp"
#include "codeexec/cli/session.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/request.hpp"

namespace codeexec::cli {

namespace {

using namespace std::chrono_literals;

/// What Ctrl-C may take: nobody waits longer for a program that was told to stop.
constexpr auto farewell_time = 5s;

progress::style progress_style(session const& in, bool quiet) {
  auto const* const no_colour = std::getenv("NO_COLOR");
  auto const* const terminal = std::getenv("TERM");
  progress::style how;
  how.quiet = quiet;
  how.animated = in.out.err_is_terminal() && terminal != nullptr && std::string_view(terminal) != "dumb";
  colour_wishes wishes;
  if (no_colour != nullptr) wishes.no_color = no_colour;
  if (terminal != nullptr) wishes.term = terminal;
  how.colour = how.animated && wants_colour(in.colour, true, wishes);
  return how;
}

std::string metadata_text(nlohmann::json const& object, char const* field) {
  auto const metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return {};
  auto const found = metadata->find(field);
  return found != metadata->end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// One `run`, from the creation to the clean-up.
class run_command {
 public:
  run_command(session& in, run_options options, nlohmann::json object)
      : in_(in),
        options_(std::move(options)),
        wanted_(std::move(object)),
        named_(options_.name || !metadata_text(wanted_, "name").empty()),
        name_(options_.name ? *options_.name : metadata_text(wanted_, "name")),
        interrupted_(in.tasks, in.out),
        progress_(progress_style(in, in.quiet), std::string()),
        changed_(in.tasks.executor()) {}

  kube::task<int> execute() {
    if (options_.raw) in_.out.raw_output();
    in_.tasks.spawn("relay interruptions", relay(&interrupted_.came()));
    in_.tasks.spawn("relay write errors", relay(&in_.out.failed()));
    in_.tasks.spawn("create", create());
    // A first signal while the server has not answered: what it has made must be deleted, so its answer matters.
    while (!created_ && !create_error_) {
      co_await changed_.wait();
      if (interrupted_.signal() != 0) {
        auto const by = base::deadline::after(farewell_time);
        while (!created_ && !create_error_ && !by.passed()) {
          co_await changed_.wait_until(by);
        }
        break;
      }
    }
    if (create_error_) {
      if (interrupted_.signal() != 0) co_return 128 + interrupted_.signal();
      co_return report(in_, *create_error_, "create", name_);
    }
    if (interrupted_.signal() != 0) {
      auto const code = co_await give_up();
      co_return code;
    }
    if (options_.detach) {
      in_.out.write(stream_name::out, name_ + "\n");
      co_return exit_codes::ok;
    }
    auto const code = co_await follow();
    co_return code;
  }

  bool interrupted() const { return interrupted_.signal() != 0; }

 private:
  /// So that the main coroutine waits for one thing only.
  kube::task<void> relay(async::event* source) {
    for (;;) {
      auto const woken = co_await source->wait();
      if (!woken) co_return;
      changed_.pulse();
    }
  }

  kube::task<void> create() {
    auto const prefix = metadata_text(wanted_, "generateName");
    base::backoff pause(200ms, 2s);
    // The request has been sent with this name before, and may still be on its way.
    bool repeated = false;
    for (int tries = 0;; ++tries) {
      // The server could complete the name too, but then nobody would know it where the answer is lost.
      if (!named_ && !repeated) {
        name_ = prefix.empty() ? generate_name(options_.file, in_.random) : complete_name(prefix, in_.random);
      }
      wanted_["metadata"]["name"] = name_;
      wanted_["metadata"]["namespace"] = in_.namespace_;
      auto text = wanted_.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      auto request = kube::make_create(kube::code_executions, in_.namespace_, std::move(text), field_manager);
      // An older definition that does not know a field must say so; by default it would run without what was asked for.
      request.target += "&fieldValidation=Strict";
      auto const by = base::deadline::after(answer_time);
      auto answer = co_await in_.client.send(std::move(request), by);
      if (answer && kube::parse_answer(*answer).is_discarded()) {
        answer = kube::error(kube::error_kind::decode, "the answer to the creation is no JSON");
      }
      bool const taken = !answer && answer.error().is_already_exists();
      if (taken && !named_ && !repeated && tries < 3) continue;
      auto const unknown = !answer && (may_pass(answer.error()) || (taken && repeated));
      if (unknown && !named_) {
        // Nobody else chooses this name: if it is there, it was made by the request whose answer was lost.
        auto look = kube::make_get(kube::code_executions, in_.namespace_, name_);
        auto const look_by = base::deadline::after(answer_time);
        auto found = co_await send_patiently(in_, std::move(look), look_by);
        if (found) {
          answer = std::move(found);
        } else if (found.error().is_not_found() && tries < 3) {
          repeated = true;
          auto const wait = pause.next(in_.random);
          auto const waited = co_await async::sleep_for(wait);
          if (waited) continue;
        }
      }
      if (!answer) {
        create_error_ = answer.error();
      } else {
        auto parsed = kube::parse_answer(*answer);
        auto decoded = api::decode_code_execution(parsed);
        if (auto const* const wrong = std::get_if<api::decode_error>(&decoded)) {
          create_error_ = kube::error(kube::error_kind::decode, wrong->describe());
        } else {
          created_ = std::move(parsed);
          uid_ = std::get<api::CodeExecution>(decoded).metadata.uid;
        }
      }
      changed_.pulse();
      co_return;
    }
  }

  kube::task<int> follow() {
    follower::settings how;
    how.namespace_ = in_.namespace_;
    how.live = options_.output == output_format::text;
    how.quiet = in_.quiet;
    follower_ = std::make_unique<follower>(in_.client, in_.out, in_.tasks, how, in_.random);
    progress_ = progress(progress_style(in_, in_.quiet), name_);
    began_ = std::chrono::steady_clock::now();
    follower_->start(*created_);
    in_.tasks.spawn("tell progress", tell_progress());
    in_.tasks.spawn("wait for the end", await_end());
    while (!ended_ && interrupted_.signal() == 0 && in_.out.failure() == 0) {
      co_await changed_.wait();
    }
    in_.out.end_relay();
    if (!ended_) {
      follower_->stop();
      if (interrupted_.signal() != 0) {
        auto const given_up = co_await give_up();
        co_return given_up;
      }
      auto const lost = co_await lose_reader();
      co_return lost;
    }
    auto const code = co_await conclude();
    co_return code;
  }

  kube::task<void> await_end() {
    auto const how = co_await follower_->wait();
    ended_ = how;
    changed_.pulse();
  }

  kube::task<void> tell_progress() {
    for (;;) {
      if (follower_->output_began()) progress_.output_began();
      auto const line = progress_.update(follower_->object());
      if (!line.empty() && !ended_) in_.out.say(line);
      if (follower_->log_refusal() && !told_refusal_ && !in_.quiet && !ended_) {
        told_refusal_ = true;
        if (!in_.out.err_is_terminal()) {
          in_.out.say("codeexec: no live output (that takes the right to read pods/log); it follows at the end");
        }
      }
      if (ended_ || interrupted_.signal() != 0) co_return;
      auto const elapsed =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_);
      in_.out.draw_spinner(progress_.frame(elapsed, in_.out.columns()));
      auto const doubt = progress_.doubt(follower_->object(), elapsed);
      if (!doubt.empty()) in_.out.say(doubt);
      // Between two frames nothing moves by itself; without a spinner only a change is news, and one that never comes.
      auto const by = spins()                           ? base::deadline::after(100ms)
                      : elapsed < progress::doubt_after ? base::deadline(began_ + progress::doubt_after)
                                                        : base::deadline::never();
      co_await follower_->changed().wait_until(by);
    }
  }

  bool spins() const { return !progress_.frame(0ms, 80).empty(); }

  /// The end was seen: say how it was, clean up.
  kube::task<int> conclude() {
    auto code = exit_codes::infrastructure;
    auto const& status = follower_->status();
    if (*ended_ == follower::outcome::finished) {
      code = exit_codes::of(status);
      if (options_.output != output_format::text) {
        auto object = follower_->raw();
        if (auto const metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
          metadata->erase("managedFields");
        }
        in_.out.write(stream_name::out,
                      options_.output == output_format::json ? to_json_text(object) : to_yaml(object));
      }
      auto const sentence = closing_sentence(status);
      if (!sentence.empty()) in_.out.say("codeexec: " + sentence);
      // Nothing is thrown away before it has arrived.
      co_await in_.out.flush();
      if (in_.out.failure() != 0) {
        auto const lost = co_await lose_reader();
        co_return lost;
      }
    } else if (*ended_ == follower::outcome::deleted) {
      in_.out.say("error: CodeExecution \"" + name_ + "\" was deleted before it ended");
      co_return code;
    } else {
      report(in_, *follower_->error(), "follow", name_);
      in_.out.say("It may still run: " + in_.program + " logs -f -n " + in_.namespace_ + " " + name_);
      co_return code;
    }
    if (!options_.keep) {
      auto const gone = co_await delete_it();
      if (!gone.empty()) in_.out.say("codeexec: warning: " + gone);
    } else if (!in_.quiet) {
      in_.out.say("codeexec: kept as " + name_);
    }
    co_return code;
  }

  /// Ctrl-C: stop the code, leave nothing behind.
  kube::task<int> give_up() {
    auto const code = 128 + interrupted_.signal();
    std::string trouble;
    if (options_.keep) {
      trouble = co_await cancel_it();
    } else {
      trouble = co_await delete_it();
    }
    if (!trouble.empty()) {
      in_.out.say("codeexec: warning: " + trouble);
    } else if (!in_.quiet) {
      in_.out.say(options_.keep ? "codeexec: cancelled; kept as " + name_ : "codeexec: cancelled");
    }
    co_return code;
  }

  /// Our stdout cannot be written any more.
  kube::task<int> lose_reader() {
    auto const why = in_.out.failure();
    if (why != EPIPE) {
      in_.out.say(std::string("error: cannot write the output: ") + std::strerror(why));
      if (follower_->status().is_final()) {
        in_.out.say("It is kept: " + in_.program + " logs -n " + in_.namespace_ + " " + name_);
        co_return exit_codes::infrastructure;
      }
    }
    std::string trouble;
    if (options_.keep) {
      if (!follower_->status().is_final()) trouble = co_await cancel_it();
    } else {
      trouble = co_await delete_it();
    }
    if (!trouble.empty()) in_.out.say("codeexec: warning: " + trouble);
    co_return why == EPIPE ? exit_codes::broken_pipe : exit_codes::infrastructure;
  }

  /// Empty, or a sentence about what is left.
  kube::task<std::string> delete_it() {
    if (uid_.empty() && named_) {
      // It was not said whether it was made, and the name may be somebody else's.
      co_return "it is not known whether " + name_ + " was created; see: " + in_.program + " get -n " + in_.namespace_;
    }
    kube::delete_options how;
    how.uid = uid_;
    auto request = kube::make_delete(kube::code_executions, in_.namespace_, name_, how);
    auto const by = base::deadline::after(farewell_time);
    auto answer = co_await send_patiently(in_, std::move(request), by);
    // A conflict that stays: the name is somebody else's by now.
    if (answer || answer.error().is_not_found() || answer.error().is_conflict()) co_return std::string();
    co_return "could not delete " + name_ + " (" + printable(answer.error().message()) +
        "); do it with: " + in_.program + " delete -n " + in_.namespace_ + " " + name_;
  }

  kube::task<std::string> cancel_it() {
    auto request = kube::make_patch(kube::code_executions, in_.namespace_, name_, kube::patch_type::merge,
                                    R"({"spec":{"cancel":true}})", field_manager);
    auto const by = base::deadline::after(farewell_time);
    auto answer = co_await send_patiently(in_, std::move(request), by);
    if (answer || answer.error().is_not_found()) co_return std::string();
    co_return "could not cancel " + name_ + " (" + printable(answer.error().message()) +
        "); do it with: " + in_.program + " cancel -n " + in_.namespace_ + " " + name_;
  }

  session& in_;
  run_options options_;
  nlohmann::json wanted_;
  bool named_ = false;  ///< the user chose the name
  std::string name_;
  interruption interrupted_;
  progress progress_;
  async::event changed_;
  std::optional<nlohmann::json> created_;
  std::optional<kube::error> create_error_;
  std::string uid_;
  std::unique_ptr<follower> follower_;
  std::optional<follower::outcome> ended_;
  std::chrono::steady_clock::time_point began_;
  bool told_refusal_ = false;
};

}  // namespace

kube::task<int> run(session& in, run_options options, nlohmann::json object) {
  // On the heap and handed to the group's end: its tasks refer to it until they have ended.
  auto running = std::make_unique<run_command>(in, std::move(options), std::move(object));
  auto const code = co_await running->execute();
  co_await finish(in, running->interrupted(), code);
  co_return code;
}

}  // namespace codeexec::cli
