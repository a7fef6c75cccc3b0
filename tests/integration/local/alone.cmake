# Read by ctest. Records of Jobs and Pods show what stands for a moment only, which a busy machine may pass over.
foreach(topic 15_jobs_and_pods 16_logs 17_job_deletion 18_access)
  set_tests_properties(integration_local_conformance.topics/conformance.answers_are_those_of_a_real_server/${topic}
                       PROPERTIES RUN_SERIAL TRUE)
endforeach()
