# cmake -DPROGRAM=file -DMOST=bytes -P check_size.cmake: fails, and removes the file, where it is greater.
file(SIZE ${PROGRAM} size)
if(size GREATER MOST)
  file(REMOVE ${PROGRAM})
  message(FATAL_ERROR "${PROGRAM} has ${size} bytes; at most ${MOST} are allowed")
endif()
