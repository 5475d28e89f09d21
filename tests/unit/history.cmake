unit_test(history_time history wire)
unit_test(history_series history wire)
unit_test(history_diff history readiness inventory wire)
