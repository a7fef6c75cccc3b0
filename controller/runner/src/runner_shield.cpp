#include "runner_shield.hpp"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace codeexec::runner {
namespace {

// From linux/filter.h, linux/seccomp.h and linux/audit.h, which musl's include folder does not have.
struct instruction {
  uint16_t code;
  uint8_t if_true;
  uint8_t if_false;
  uint32_t value;
};
struct program {
  uint16_t length;
  instruction* first;
};
struct system_call {
  int32_t number;
  uint32_t architecture;
  uint64_t instruction_pointer;
  uint64_t arguments[6];
};

constexpr uint16_t load_word = 0x20;      // BPF_LD | BPF_W | BPF_ABS
constexpr uint16_t jump_if_equal = 0x15;  // BPF_JMP | BPF_JEQ | BPF_K
constexpr uint16_t give_back = 0x06;      // BPF_RET | BPF_K
constexpr uint32_t allow = 0x7FFF0000;    // SECCOMP_RET_ALLOW
constexpr uint32_t refuse = 0x00050000;   // SECCOMP_RET_ERRNO
constexpr int filter_mode = 2;            // SECCOMP_MODE_FILTER

#if defined(__x86_64__)
constexpr uint32_t architecture = 0xC000003E;  // AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
constexpr uint32_t architecture = 0xC00000B7;  // AUDIT_ARCH_AARCH64
#else
#error "the architecture's AUDIT_ARCH number is needed here"
#endif

constexpr uint32_t pidfd_open_number = 434;  // the same on every architecture; musl 1.2.3 has no name for it

}  // namespace

void shield_init_from_signals() {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument is its first word");
  // All of these take the process as their first argument.
  instruction filter[] = {
      {load_word, 0, 0, offsetof(system_call, architecture)},
      {jump_if_equal, 0, 11, architecture},
      {load_word, 0, 0, offsetof(system_call, number)},
      {jump_if_equal, 6, 0, SYS_kill},
      {jump_if_equal, 5, 0, SYS_tgkill},
      {jump_if_equal, 4, 0, SYS_tkill},
      {jump_if_equal, 3, 0, SYS_rt_sigqueueinfo},
      {jump_if_equal, 2, 0, SYS_rt_tgsigqueueinfo},
      {jump_if_equal, 1, 0, SYS_prlimit64},
      {jump_if_equal, 0, 3, pidfd_open_number},
      {load_word, 0, 0, offsetof(system_call, arguments)},
      {jump_if_equal, 0, 1, 1},
      {give_back, 0, 0, refuse | EPERM},
      {give_back, 0, 0, allow},
  };
  program loaded = {sizeof filter / sizeof filter[0], filter};
  prctl(PR_SET_SECCOMP, filter_mode, &loaded);
}

}  // namespace codeexec::runner
