unit_test(selection readiness inventory wire)
unit_test(readiness readiness inventory wire)
unit_test(report report readiness inventory wire)
