# What this machine lets tests do, found out once per build folder, by doing it. Sets CODEEXEC_GVISOR_WORKS and
# CODEEXEC_PID_NAMESPACES_WORK. Where one is false its test cases do not exist, and this says so.
find_program(CODEEXEC_RUNSC runsc DOC "gVisor's runtime (Debian: runsc)")

function(codeexec_check_gvisor)
  set(bundle ${CMAKE_CURRENT_BINARY_DIR}/gvisor-check)
  file(REMOVE_RECURSE ${bundle})
  foreach(folder usr proc)
    file(MAKE_DIRECTORY ${bundle}/root/${folder})
  endforeach()
  foreach(link bin lib lib64)
    file(CREATE_LINK usr/${link} ${bundle}/root/${link} SYMBOLIC)
  endforeach()
  file(WRITE ${bundle}/config.json [[{"ociVersion":"1.0.2","process":{"user":{"uid":65532,"gid":65532},
    "args":["/usr/bin/true"],"env":["PATH=/usr/bin"],"cwd":"/","noNewPrivileges":true},
    "root":{"path":"root","readonly":true},"mounts":[{"destination":"/proc","type":"proc","source":"proc"},
    {"destination":"/usr","type":"bind","source":"/usr","options":["ro","rbind"]}],
    "linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"network"}]}}]])
  string(RANDOM LENGTH 12 id)
  # The output is a pipe of execute_process: runsc does not take a file.
  execute_process(
    COMMAND ${CODEEXEC_RUNSC} --root=${bundle}/state --platform=ptrace --network=none --ignore-cgroups
            run --bundle ${bundle} check-${id}
    TIMEOUT 60 RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(status STREQUAL "0")
    set(CODEEXEC_GVISOR_WORKS TRUE CACHE BOOL "Whether runsc can run a program on this machine")
  else()
    set(CODEEXEC_GVISOR_WORKS FALSE CACHE BOOL "Whether runsc can run a program on this machine")
    message(WARNING "runsc cannot run a program on this machine: the tests in gVisor are left out. It said: ${status} ${output}")
  endif()
endfunction()

if(NOT DEFINED CACHE{CODEEXEC_GVISOR_WORKS})
  if(CODEEXEC_RUNSC)
    codeexec_check_gvisor()
  else()
    set(CODEEXEC_GVISOR_WORKS FALSE CACHE BOOL "Whether runsc can run a program on this machine")
    message(WARNING "runsc is not installed: the tests in gVisor are left out.")
  endif()
endif()

if(NOT DEFINED CACHE{CODEEXEC_PID_NAMESPACES_WORK})
  execute_process(COMMAND unshare -p -f --mount-proc --kill-child true RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status STREQUAL "0")
    set(CODEEXEC_PID_NAMESPACES_WORK TRUE CACHE BOOL "Whether tests may make PID namespaces")
  else()
    set(CODEEXEC_PID_NAMESPACES_WORK FALSE CACHE BOOL "Whether tests may make PID namespaces")
    message(WARNING "this user may not make PID namespaces: the tests of the runner as PID 1 outside gVisor are left out.")
  endif()
endif()
