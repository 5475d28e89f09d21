unit_test(error wire)
unit_test(store store)
