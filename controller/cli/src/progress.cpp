#include "codeexec/cli/progress.hpp"

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

}  // namespace

std::string describe_progress(api::CodeExecutionStatus const& status) {
  namespace reasons = api::reasons;
  if (status.phase == api::phases::running) return "running";
  if (status.phase == api::phases::succeeded) return "succeeded";
  if (status.phase == api::phases::failed) return "failed (" + printable(status.reason) + ")";
  std::string text;
  if (status.reason.empty()) {
    // Nobody has written a status yet.
    text = "waiting for the operator";
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

std::string progress::update(api::CodeExecutionStatus const& status) {
  auto const before = std::move(said_);
  said_ = describe_progress(status);
  // The end is told by the closing sentence, or by the code's own output.
  if (how_.quiet || how_.animated || status.is_final() || said_ == before) return {};
  // Output says more about running than the word does.
  if (output_began_) return {};
  if (status.phase.empty() && status.reason.empty()) return "codeexec: " + name_ + ": created\n";
  return "codeexec: " + name_ + ": " + said_ + "\n";
}

std::string progress::frame(std::chrono::milliseconds elapsed, std::size_t columns) const {
  if (how_.quiet || !how_.animated || output_began_) return {};
  auto const turn = static_cast<std::size_t>(elapsed / step) % spinner.size();
  auto text = std::string(spinner[turn]) + " " + name_ + "  " + (said_.empty() ? "creating" : said_);
  // From a few seconds on people ask how long it has been.
  if (elapsed >= std::chrono::seconds(3)) {
    text += "  " + format_age(std::chrono::duration_cast<std::chrono::seconds>(elapsed));
  }
  // The last column stays free: some terminals wrap once it is written.
  text = fit(text, columns > 1 ? columns - 1 : 1);
  return how_.colour ? "\x1b[2m" + text + "\x1b[0m" : text;
}

std::string progress::doubt(api::CodeExecutionStatus const& status, std::chrono::milliseconds elapsed) {
  if (how_.quiet || doubted_ || elapsed < doubt_after || !status.phase.empty()) return {};
  doubted_ = true;
  return "codeexec: no operator has taken it up yet. Does codeexec-controller run, and does it serve this namespace?\n";
}

}  // namespace codeexec::cli
