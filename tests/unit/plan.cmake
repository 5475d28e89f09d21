unit_test(saved_plan plan inventory wire)
