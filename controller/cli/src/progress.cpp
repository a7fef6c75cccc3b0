#include "codeexec/cli/progress.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "codeexec/api/names.hpp"
#include "codeexec/cli/duration.hpp"
#include "codeexec/cli/render.hpp"

namespace codeexec::cli {

namespace {

using namespace std::string_view_literals;

constexpr std::array spinner{"⠋"sv, "⠙"sv, "⠹"sv, "⠸"sv, "⠼"sv, "⠴"sv, "⠦"sv, "⠧"sv, "⠇"sv, "⠏"sv};
constexpr std::chrono::milliseconds step{100};

bool is_accepted(api::CodeExecution const& object) {
  return !object.status.phase.empty() || object.metadata.has_finalizer(std::string(api::cleanup_finalizer));
}

/// It has not started and never will: its pod is being stopped, and then the reason stands.
bool is_given_up(api::CodeExecutionStatus const& status) {
  auto const& ends = api::reasons::final_ones;
  return !status.is_final() && std::find(ends.begin(), ends.end(), status.reason) != ends.end();
}

}  // namespace

std::string describe_progress(api::CodeExecution const& object) {
  namespace reasons = api::reasons;
  auto const& status = object.status;
  if (status.phase == api::phases::running) return "running";
  if (status.phase == api::phases::succeeded) return "succeeded";
  if (status.phase == api::phases::failed) return "failed (" + printable(status.reason) + ")";
  std::string text;
  if (status.reason.empty()) {
    // Nobody has written a status yet.
    text = is_accepted(object) ? "starting" : "waiting for the operator";
  } else if (is_given_up(status)) {
    text = "ending (" + printable(status.reason) + ")";
  } else if (status.reason == reasons::queued) {
    text = "waiting in the queue";
  } else if (status.reason == reasons::suspended) {
    text = "suspended";
  } else if (status.reason == reasons::scheduling) {
    text = "waiting for a node";
  } else if (status.reason == reasons::pulling_image) {
    text = "pulling the image";
  } else if (status.reason == reasons::starting) {
    text = "starting";
  } else {
    text = "pending (" + printable(status.reason) + ")";
  }
  if (!status.message.empty()) text += ": " + printable(status.message);
  return text;
}

std::string progress::update(api::CodeExecution const& object) {
  auto const& status = object.status;
  shown_ = describe_progress(object);
  // The end is told by the closing sentence, or by the code's own output.
  if (how_.quiet || how_.animated || status.is_final() || is_given_up(status)) return {};
  auto const stage = status.phase + " " + status.reason;
  auto const says_why = !status.message.empty();
  if (told_ == stage && (told_why_ || !says_why || status.phase == api::phases::running)) return {};
  told_ = stage;
  told_why_ = says_why;
  // Output says more about running than the word does.
  if (output_began_) return {};
  if (status.phase.empty() && status.reason.empty()) return "codeexec: " + name_ + ": created\n";
  return "codeexec: " + name_ + ": " + shown_ + "\n";
}

std::string progress::frame(std::chrono::milliseconds elapsed, std::size_t columns) const {
  if (how_.quiet || !how_.animated || output_began_) return {};
  auto const turn = static_cast<std::size_t>(elapsed / step) % spinner.size();
  auto text = std::string(spinner[turn]) + " " + name_ + "  " + (shown_.empty() ? "creating" : shown_);
  // From a few seconds on people ask how long it has been.
  if (elapsed >= std::chrono::seconds(3)) {
    text += "  " + format_age(std::chrono::duration_cast<std::chrono::seconds>(elapsed));
  }
  // The last column stays free: some terminals wrap once it is written.
  text = fit(text, columns > 1 ? columns - 1 : 1);
  return how_.colour ? "\x1b[2m" + text + "\x1b[0m" : text;
}

std::string progress::doubt(api::CodeExecution const& object, std::chrono::milliseconds elapsed) {
  if (how_.quiet || doubted_ || elapsed < doubt_after || is_accepted(object)) return {};
  doubted_ = true;
  return "codeexec: no operator has taken it up yet. Does codeexec-controller run, and does it serve this namespace?\n";
}

}  // namespace codeexec::cli
